"""Row filters: a disjunction of conjunctions, closed and canonical.

Grants combine with `any_of` (each one whole), restrictions narrow with `all_of`. `matches` is the meaning of a
filter, row by row: every other form of it (canonical, JSON, SQL, headers) is tested against it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from authz.errors import Denied, Reason
from authz.scopes.canonical import MAX_CONJUNCTIONS, canonical
from authz.scopes.conjunctions import Conjunction, both, conjunction, narrower_or_equal
from authz.scopes.constraints import Between, Constraint, OneOf, constraint_type, contains
from authz.scopes.values import Value, value_to_json

__all__ = [
    "EVERYTHING",
    "NOTHING",
    "Conjunction",
    "Everything",
    "Nothing",
    "RowFilter",
    "Where",
    "about",
    "all_of",
    "any_of",
    "contained",
    "everything",
    "matches",
    "to_json",
    "where",
]


@dataclass(frozen=True, slots=True)
class Everything:
    """All rows. Only the explicit word `all` for every dimension gives this."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No row."""


@dataclass(frozen=True, slots=True)
class Where:
    """The rows that satisfy at least one of `disjuncts` (sorted, distinct, absorbed, never empty)."""

    disjuncts: tuple[Conjunction, ...]


RowFilter = Everything | Nothing | Where
EVERYTHING = Everything()
NOTHING = Nothing()


def everything() -> RowFilter:
    """All rows: what a rule says that names every dimension with the word `all`."""
    return EVERYTHING


def where(constraints: Mapping[str, Constraint | None]) -> RowFilter:
    """The rows that satisfy every constraint; a dimension that is not named is free, so name all but those of `all`.

    A constraint that is None selects nothing, and so does the whole. Raises `ValueError` for an empty mapping: a
    lost constraint must not turn into every row, so whoever means every row says `everything()`.
    """
    if not constraints:
        raise ValueError("a filter without constraints; say `everything()` if every row is meant")
    known = {name: constraint for name, constraint in constraints.items() if constraint is not None}
    return Where((conjunction(known),)) if len(known) == len(constraints) else NOTHING


def any_of(filters: Iterable[RowFilter]) -> RowFilter:
    """The rows of at least one filter (OR of whole grants); `NOTHING` for none.

    Raises `Denied(scope_too_large)` for more alternatives than any target takes.
    """
    conjunctions: list[Conjunction] = []
    unrestricted = False
    for rows in filters:
        match rows:
            case Everything():
                unrestricted = True
            case Nothing():
                pass
            case Where(disjuncts):
                conjunctions.extend(disjuncts)
            case _:
                assert_never(rows)
    return EVERYTHING if unrestricted else _canonical(conjunctions)


def all_of(first: RowFilter, *rest: RowFilter) -> RowFilter:
    """The rows of every filter (AND of restrictions).

    Raises `Denied(scope_too_large)` for more alternatives than any target takes.
    """
    result = first
    for rows in rest:
        result = _both(result, rows)
    return result


def about(rows: RowFilter, dimensions: Collection[str]) -> RowFilter:
    """What a filter says of rows that have only `dimensions`: the constraints on all others go.

    Wider than `rows` wherever it differs, so only for a table whose rows are declared not to be told apart by the
    rest. Raises `Denied(scope_too_large)` as `any_of` does.
    """
    if not isinstance(rows, Where):
        return rows
    left = [tuple(entry for entry in disjunct if entry[0] in dimensions) for disjunct in rows.disjuncts]
    return _canonical(left) if all(left) else EVERYTHING


def contained(a: RowFilter, b: RowFilter) -> bool:
    """Whether every row of `a` is certainly a row of `b`. Sound, not complete: False may also mean "not obviously"."""
    match a, b:
        case (Nothing(), _) | (_, Everything()):
            return True
        case (Everything(), _) | (_, Nothing()):
            return False
        case Where(left), Where(right):
            return all(any(narrower_or_equal(x, y) for y in right) for x in left)
        case _:  # mypy does not narrow a tuple to never here
            raise TypeError("not row filters")


def matches(rows: RowFilter, row: Mapping[str, Value | None]) -> bool:
    """Whether a filter selects a row, given by dimension. NULL (None, or a missing dimension) satisfies no constraint."""
    match rows:
        case Everything():
            return True
        case Nothing():
            return False
        case Where(disjuncts):
            return any(_satisfies(disjunct, row) for disjunct in disjuncts)
        case _:
            assert_never(rows)


def to_json(rows: RowFilter) -> object:
    """The canonical JSON of a filter: `"all"`, `"none"`, or a list of objects, one for each alternative.

    An object holds the constraints that must all be satisfied, by dimension: `{"type": "string", "in": [...]}`, or
    `{"type": "date", "from": ..., "through": ...}`, where `after` in place of `from` and `before` in place of
    `through` exclude the bound, and a bound that is missing is none. Values are as `value_to_json` says.
    """
    match rows:
        case Everything():
            return "all"
        case Nothing():
            return "none"
        case Where(disjuncts):
            return [{name: _constraint_json(c) for name, c in disjunct} for disjunct in disjuncts]
        case _:
            assert_never(rows)


def _canonical(conjunctions: Iterable[Conjunction]) -> RowFilter:
    disjuncts = canonical(conjunctions)
    return Where(disjuncts) if disjuncts else NOTHING


def _both(a: RowFilter, b: RowFilter) -> RowFilter:
    match a, b:
        case (Nothing(), _) | (_, Nothing()):
            return NOTHING
        case (Everything(), other) | (other, Everything()):
            return other
        case Where(left), Where(right):
            if len(left) * len(right) > MAX_CONJUNCTIONS * 20:
                raise Denied(
                    Reason.SCOPE_TOO_LARGE,
                    f"filters of {len(left)} and {len(right)} alternatives are too large to combine",
                )
            pairs = (both(x, y) for x in left for y in right)
            return _canonical(common for common in pairs if common is not None)
        case _:  # mypy does not narrow a tuple to never here
            raise TypeError("not row filters")


def _satisfies(disjunct: Conjunction, row: Mapping[str, Value | None]) -> bool:
    for name, constraint in disjunct:
        value = row.get(name)
        if value is None or not contains(constraint, value):
            return False
    return True


def _constraint_json(constraint: Constraint) -> dict[str, object]:
    result: dict[str, object] = {"type": constraint_type(constraint).value}
    match constraint:
        case OneOf(values):
            result["in"] = [value_to_json(value) for value in values]
        case Between(low=low, high=high, low_open=low_open, high_open=high_open):
            if low is not None:
                result["after" if low_open else "from"] = value_to_json(low)
            if high is not None:
                result["before" if high_open else "through"] = value_to_json(high)
        case _:
            assert_never(constraint)
    return result
