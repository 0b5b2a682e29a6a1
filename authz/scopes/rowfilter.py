"""Row filters: a disjunction of conjunctions, closed and canonical."""

from dataclasses import dataclass

from authz.scopes.constraints import Constraint

Conjunction = tuple[tuple[str, Constraint], ...]
"""Constraints by dimension name, sorted by name; a dimension without one is free. Never empty."""


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
