"""What one dimension may be: one of a set of values, or between two bounds.

`None` in place of a constraint selects nothing. NULL satisfies no constraint, so "any value at all" is not the
same as no constraint, and no union here ever turns the first into the second.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, assert_never

from authz.scopes.values import MAX_INTEGER, MIN_INTEGER, Value, ValueType, type_of


@dataclass(frozen=True, slots=True)
class OneOf:
    """The dimension equals one of `values` (sorted, distinct, of one type, never empty)."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("an empty list selects nothing and is no constraint; use `one_of`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """The dimension lies between `low` and `high`; `None` is no bound on that side, never both.

    Text is ordered by code point. Ranges of integers and dates are closed (`between` normalises them).
    """

    low: Value | None = None
    high: Value | None = None
    low_open: bool = False
    """Whether `low` itself is excluded."""
    high_open: bool = False
    """Whether `high` itself is excluded."""

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise ValueError("a range needs a bound on at least one side")
        if _selects_nothing(self.low, self.high, open_=self.low_open or self.high_open):
            raise ValueError("an empty range selects nothing and is no constraint; use `between`")


Constraint = OneOf | Between


def one_of(values: Iterable[Value]) -> OneOf | None:
    """The constraint to a set of values; None (nothing is selected) if there is none.

    Raises `TypeError` if they are not all of one type.
    """
    # Sorted first: the inputs are mostly sorted runs, which the sort then only merges.
    distinct: tuple[Value, ...] = tuple(dict.fromkeys(_sorted(values)))
    return OneOf(distinct) if distinct else None


def between(
    type: ValueType,  # noqa: A002 - the word of the policy file
    *,
    low: Value | None = None,
    high: Value | None = None,
    low_open: bool = False,
    high_open: bool = False,
) -> Constraint | None:
    """The constraint to a range; None if the range is empty, a `OneOf` if it holds exactly one value.

    Raises `ValueError` for a range without bounds (that is no constraint; say `all`) or of booleans, and
    `TypeError` for a bound of another type.
    """
    if type is ValueType.BOOLEAN:
        raise ValueError("a range of booleans has no meaning; list the values")
    if low is None and high is None:
        raise ValueError("a range needs a bound on at least one side")
    for bound in (low, high):
        if bound is not None and type_of(bound) is not type:
            raise TypeError(f"got a bound of type {type_of(bound)}, expected {type}")
    return _range(low, high, low_open=low is not None and low_open, high_open=high is not None and high_open)


def constraint_type(constraint: Constraint) -> ValueType:
    """The type of the values that a constraint speaks of."""
    match constraint:
        case OneOf(values):
            return type_of(values[0])
        case Between(low=low, high=high):
            bound = low if low is not None else high
            if bound is None:
                raise ValueError("a range needs a bound on at least one side")
            return type_of(bound)
        case _:
            assert_never(constraint)


def contains(constraint: Constraint, value: Value) -> bool:
    """Whether a value satisfies a constraint. A value of another type never does."""
    if type_of(value) is not constraint_type(constraint):
        return False
    match constraint:
        case OneOf(values):
            return _has(values, value)
        case Between() as range_:
            return _in_range(range_, value)
        case _:
            assert_never(constraint)


def intersect(a: Constraint, b: Constraint) -> Constraint | None:
    """What satisfies both; None if nothing does. Raises `TypeError` if they speak of different types."""
    _same_type(a, b)
    match a, b:
        case OneOf(left), OneOf(right):
            shorter, longer = (left, right) if len(left) <= len(right) else (right, left)
            known = frozenset(longer)
            return _one_of_sorted(tuple(v for v in shorter if v in known))
        case (OneOf(values), Between() as range_) | (Between() as range_, OneOf(values)):
            return _one_of_sorted(tuple(v for v in values if _in_range(range_, v)))
        case Between() as left, Between() as right:
            low, low_open = _tighter_low(left, right)
            high, high_open = _tighter_high(left, right)
            return _range(low, high, low_open=low_open, high_open=high_open)
        case _:  # mypy does not narrow a tuple to never here
            raise TypeError("not constraints")


def implies(a: Constraint, b: Constraint) -> bool:
    """Whether every value that satisfies `a` satisfies `b`. Raises `TypeError` if they speak of different types."""
    _same_type(a, b)
    match a, b:
        case OneOf(left), OneOf(right):
            return (
                len(left) <= len(right)
                and _has(right, left[0])
                and _has(right, left[-1])
                and (len(left) <= 2 or frozenset(right).issuperset(left))
            )
        case OneOf(left), Between() as right_range:
            # The values are sorted and a range is convex: the two ends decide.
            return _in_range(right_range, left[0]) and _in_range(right_range, left[-1])
        case Between() as left_range, OneOf(right):
            return _range_in_values(left_range, right)
        case Between() as left_range, Between() as right_range:
            return _tighter_low(left_range, right_range) == (left_range.low, left_range.low_open) and (
                _tighter_high(left_range, right_range) == (left_range.high, left_range.high_open)
            )
        case _:  # mypy does not narrow a tuple to never here
            raise TypeError("not constraints")


def following(value: Value) -> Value | None:
    """The next value of a type whose values can be counted (integers, dates); None for the last, and for other types."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value + 1 if value < MAX_INTEGER else None
    if type_of(value) is ValueType.DATE and isinstance(value, date):
        return value + timedelta(days=1) if value < date.max else None
    return None


def _preceding(value: Value) -> Value | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value - 1 if value > MIN_INTEGER else None
    if isinstance(value, date):
        return value - timedelta(days=1) if value > date.min else None
    return None


def _range(low: Value | None, high: Value | None, *, low_open: bool, high_open: bool) -> Constraint | None:
    if low is not None and low_open and _counted(low):
        low, low_open = following(low), False
        if low is None:
            return None
    if high is not None and high_open and _counted(high):
        high, high_open = _preceding(high), False
        if high is None:
            return None
    if _selects_nothing(low, high, open_=low_open or high_open):
        return None
    if low is not None and low == high:
        return OneOf((low,))
    return Between(low=low, high=high, low_open=low_open, high_open=high_open)


def _selects_nothing(low: Value | None, high: Value | None, *, open_: bool) -> bool:
    if low is None or high is None:
        return False
    return _less(high, low) or (open_ and low == high)


def _counted(value: Value) -> bool:
    return type_of(value) in {ValueType.INTEGER, ValueType.DATE}


def _same_type(a: Constraint, b: Constraint) -> None:
    if constraint_type(a) is not constraint_type(b):
        raise TypeError(f"constraints of different types: {constraint_type(a)} and {constraint_type(b)}")


def _sorted(values: Iterable[Any]) -> list[Any]:
    ordered = list(values)
    if len(set(map(type, ordered))) > 1 and len({type_of(v) for v in ordered}) > 1:
        raise TypeError("values of different types in one constraint")
    ordered.sort()
    return ordered


def _one_of_sorted(values: tuple[Value, ...]) -> OneOf | None:
    return OneOf(values) if values else None


def _less(a: Any, b: Any) -> bool:
    """Order of two values of one type."""
    return bool(a < b)


def _has(values: tuple[Any, ...], value: Any) -> bool:
    at = bisect_left(values, value)
    return at < len(values) and bool(values[at] == value)


def _in_range(range_: Between, value: Value) -> bool:
    if range_.low is not None and (_less(value, range_.low) or (range_.low_open and value == range_.low)):
        return False
    return range_.high is None or not (
        _less(range_.high, value) or (range_.high_open and value == range_.high)
    )


def _range_in_values(range_: Between, values: tuple[Value, ...]) -> bool:
    low, high = range_.low, range_.high
    if low is None or high is None or not _counted(low):
        return False
    size = _size(low, high)
    if size > len(values) or not _has(values, low):
        return False
    # The values are distinct and sorted: a run of the right length between the bounds has no gap.
    last = bisect_left(values, low) + size - 1
    return last < len(values) and values[last] == high


def _size(low: Any, high: Any) -> int:
    distance = high - low
    return (distance.days if isinstance(distance, timedelta) else int(distance)) + 1


def _tighter_low(a: Between, b: Between) -> tuple[Value | None, bool]:
    if a.low is None or b.low is None:
        return (b.low, b.low_open) if a.low is None else (a.low, a.low_open)
    if a.low == b.low:
        return a.low, a.low_open or b.low_open
    return (b.low, b.low_open) if _less(a.low, b.low) else (a.low, a.low_open)


def _tighter_high(a: Between, b: Between) -> tuple[Value | None, bool]:
    if a.high is None or b.high is None:
        return (b.high, b.high_open) if a.high is None else (a.high, a.high_open)
    if a.high == b.high:
        return a.high, a.high_open or b.high_open
    return (a.high, a.high_open) if _less(a.high, b.high) else (b.high, b.high_open)
