"""What a grant or restriction says of one dimension, before the principal and the time are known."""

from dataclasses import dataclass
from datetime import timedelta

from authz.scopes.constraints import Constraint


@dataclass(frozen=True, slots=True)
class AllValues:
    """The explicit word `all`."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Values or a range from the policy file. `None` stands for an empty list: it selects nothing."""

    constraint: Constraint | None


@dataclass(frozen=True, slots=True)
class Last:
    """A rolling window that ends now, for dates and timestamps (UTC).

    The bounds move in steps of `step`, so that the scope id, and with it the cache, is stable in between:
    dates: from today - window through today; timestamps: from now - window, rounded up to a step (never
    wider than said), to now rounded up to a step.
    """

    window: timedelta
    step: timedelta


@dataclass(frozen=True, slots=True)
class FromClaim:
    """Values from a verified claim: a string, a number, or a list of them. `path` is the claim's path, split at dots."""

    path: tuple[str, ...]
    max_values: int = 1_000


ScopeTerm = AllValues | Fixed | Last | FromClaim
ALL_VALUES = AllValues()
