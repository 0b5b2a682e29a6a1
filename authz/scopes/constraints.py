"""What one dimension may be: one of a set of values, or between two bounds."""

from dataclasses import dataclass

from authz.scopes.values import Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """The dimension equals one of `values` (sorted, distinct, of one type, never empty)."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """The dimension lies between `low` and `high`; `None` is no bound on that side, never both."""

    low: Value | None = None
    high: Value | None = None
    low_open: bool = False
    """Whether `low` itself is excluded."""
    high_open: bool = False
    """Whether `high` itself is excluded."""


Constraint = OneOf | Between
