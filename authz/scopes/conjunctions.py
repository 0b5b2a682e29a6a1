"""Conjunctions of constraints on several dimensions."""

from collections.abc import Mapping

from authz.scopes.constraints import Constraint, implies, intersect

Conjunction = tuple[tuple[str, Constraint], ...]
"""Constraints by dimension name, sorted by name; a dimension without one is free. Never empty."""


def conjunction(constraints: Mapping[str, Constraint]) -> Conjunction:
    """The conjunction of constraints by dimension name. Raises `ValueError` for none: that would be every row."""
    if not constraints:
        raise ValueError("a conjunction of nothing selects every row; say `everything()` if that is meant")
    return tuple(sorted(constraints.items(), key=lambda item: item[0]))


def both(a: Conjunction, b: Conjunction) -> Conjunction | None:
    """What satisfies two conjunctions; None if nothing does."""
    constraints = dict(a)
    for name, constraint in b:
        known = constraints.get(name)
        common = constraint if known is None else intersect(known, constraint)
        if common is None:
            return None
        constraints[name] = common
    return conjunction(constraints)


def narrower_or_equal(a: Conjunction, b: Conjunction) -> bool:
    """Whether every row of `a` is a row of `b`: every constraint of `b` follows from one of `a`."""
    if len(b) > len(a):
        return False
    if len(b) == len(a):
        return all(
            name == known and (constraint is other or implies(other, constraint))
            for (name, constraint), (known, other) in zip(b, a, strict=True)
        )
    constraints = dict(a)
    return all(name in constraints and implies(constraints[name], constraint) for name, constraint in b)
