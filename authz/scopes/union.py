"""The union of constraints on one dimension, exact: never a value more, and never NULL."""

from itertools import chain
from typing import TYPE_CHECKING, Any

from authz.scopes.constraints import Between, Constraint, OneOf, between, constraint_type, following, one_of

if TYPE_CHECKING:
    from authz.scopes.values import Value


def union(constraints: list[Constraint]) -> list[Constraint]:
    """The fewest constraints that together say "one of these"; exact, never wider."""
    values = one_of(chain.from_iterable(c.values for c in constraints if isinstance(c, OneOf)))
    ranges = [c for c in constraints if isinstance(c, Between)]
    if not ranges:
        return [values] if values is not None else []
    points = [Between(low=value, high=value) for value in values.values] if values is not None else []
    loose: list[Value] = []
    result: list[Constraint] = []
    for run in _runs(sorted([*ranges, *points], key=low_order)):
        if all(part.low is not None and part.low == part.high for part in run):
            # Values that touch no range stay a list, also neighbours: {1, 2} is {1, 2}, not 1..2.
            loose.extend(part.low for part in run if part.low is not None)
        else:
            result.append(_hull(run))
    remaining = one_of(loose)
    return [*result, remaining] if remaining is not None else result


def _runs(parts: list[Between]) -> list[list[Between]]:
    """Split ranges, sorted by their low ends, where there is a gap between one and the next."""
    runs: list[list[Between]] = [[parts[0]]]
    hull = parts[0]
    for part in parts[1:]:
        # INVARIANT: no run covers all values. "Any value" has no constraint, and no constraint would take in NULL.
        if _touches(hull, part) and not (hull.low is None and part.high is None):
            runs[-1].append(part)
            hull = _wider(hull, part)
        else:
            runs.append([part])
            hull = part
    return runs


def _hull(run: list[Between]) -> Constraint:
    hull = run[0]
    for part in run[1:]:
        hull = _wider(hull, part)
    result = between(
        constraint_type(hull),
        low=hull.low,
        high=hull.high,
        low_open=hull.low_open,
        high_open=hull.high_open,
    )
    if result is None:
        raise ValueError("the union of ranges cannot be empty")
    return result


def _touches(a: Between, b: Between) -> bool:
    """Whether no value lies between `a` and `b`, where `b` does not begin before `a`."""
    if a.high is None or b.low is None:
        return True
    high: Any = a.high
    if high == b.low:
        return not (a.high_open and b.low_open)
    return bool(b.low < high) or (not a.high_open and following(high) == b.low)


def _wider(a: Between, b: Between) -> Between:
    """The hull of two ranges that touch, where `b` does not begin before `a`."""
    low_open = a.low_open and (a.low != b.low or b.low_open)
    if a.high is None or b.high is None:
        return Between(low=a.low, low_open=low_open)
    left: Any = a.high
    if left == b.high:
        high, high_open = a.high, a.high_open and b.high_open
    elif left < b.high:
        high, high_open = b.high, b.high_open
    else:
        high, high_open = a.high, a.high_open
    return Between(low=a.low, high=high, low_open=low_open, high_open=high_open)


def low_order(range_: Between) -> tuple[Any, ...]:
    if range_.low is None:
        return (0, *_high_order(range_))
    return (1, range_.low, range_.low_open, *_high_order(range_))


def _high_order(range_: Between) -> tuple[Any, ...]:
    # No bound is above every bound.
    return (1,) if range_.high is None else (0, range_.high, not range_.high_open)
