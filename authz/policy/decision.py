"""The value of an evaluation. It has no truth value, so that a forgotten denial is a type error."""

from dataclasses import dataclass
from typing import Never

from authz.errors import Doubt, Reason
from authz.policy.policyset import Warehouse
from authz.scopes.datascope import DataScope


class _NotABool:
    __slots__ = ()

    def __bool__(self) -> Never:
        raise TypeError("a decision has no truth value: match on Allow or Deny")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Allow(_NotABool):
    """Access within `scope`. `grants` and `restrictions` are the ids of the rules that made it, in policy order.

    `valid_until` (seconds since the epoch) is when the decision must be made anew: the credential ends, a
    grant begins or ends, a rolling window moves. `per_request` says that a rule read the request itself, so
    that the decision holds for this request only.
    """

    warehouse: Warehouse
    scope: DataScope
    grants: tuple[str, ...]
    restrictions: tuple[str, ...]
    valid_until: float
    per_request: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deny(_NotABool):
    """No access. `detail` is for the operator only. `rules` names the rules that led here."""

    reason: Reason
    detail: str
    rules: tuple[str, ...] = ()
    doubt: Doubt | None = None
    """What could change the answer, if somebody asked outside."""
    valid_until: float = 0.0
    per_request: bool = False


Decision = Allow | Deny
