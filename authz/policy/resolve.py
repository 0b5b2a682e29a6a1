"""What a rule gives or leaves, once the principal and the time are known."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from authz.policy.claimvalues import claim_values
from authz.policy.facts import Facts
from authz.policy.policyset import Dimension, Grant, Restriction, Warehouse
from authz.policy.terms import AllValues, Fixed, FromClaim, Last, ScopeTerm
from authz.policy.windows import rolling
from authz.scopes.columns import ColumnMask, as_narrow, narrower
from authz.scopes.datascope import DataScope, TableScope, data_scope, not_clear, tables_scope
from authz.scopes.rowfilter import NOTHING, RowFilter, about, any_of, contained, everything, where

if TYPE_CHECKING:
    from authz.scopes.constraints import Constraint

Treatment = tuple[ColumnMask, ...]
"""How labels are shown, in the order of `Warehouse.label_names`."""


@dataclass(frozen=True, slots=True)
class Share:
    """Rows with the treatment of their labelled columns, and until when (seconds since the epoch) they are these."""

    rows: RowFilter
    treatment: Treatment
    valid_until: float = math.inf


def scope_of(warehouse: Warehouse, rows: RowFilter, treatment: Treatment) -> DataScope:
    """Rows and the treatment of labels as what may be seen of each table and column. Raises `Denied(scope_too_large)`."""
    masks = dict(zip(warehouse.label_names, treatment, strict=True))
    if not warehouse.tables:
        return data_scope(rows, _columns(warehouse.labels, masks))
    tables = {
        name: TableScope(rows=about(rows, table.columns), columns=not_clear(_columns(table.labels, masks)))
        for name, table in warehouse.tables.items()
    }
    return tables_scope(rows, masks, tables)


def _columns(labels: Mapping[str, str], masks: Mapping[str, ColumnMask]) -> dict[str, ColumnMask]:
    return {column: masks[label] for column, label in labels.items()}


def granted(grant: Grant, warehouse: Warehouse, dimensions: Mapping[str, Dimension], facts: Facts) -> Share:
    """What a grant gives. Labels that it does not name are hidden. Raises `Denied(claim_…)`."""
    rows, until = _rows(grant.scope, dimensions, facts)
    if not grant.scope.keys() >= set(warehouse.dimensions):
        rows = NOTHING  # the parser refuses it; a dimension that got lost must never be a free one
    treatment = tuple(grant.columns.get(label, ColumnMask.HIDDEN) for label in warehouse.label_names)
    return Share(rows, treatment, until)


def left_by(
    restriction: Restriction, warehouse: Warehouse, dimensions: Mapping[str, Dimension], facts: Facts
) -> Share:
    """What a restriction leaves of everything. Labels that it does not name stay as they are. Raises `Denied(claim_…)`."""
    rows, until = _rows(restriction.scope, dimensions, facts)
    treatment = tuple(restriction.columns.get(label, ColumnMask.CLEAR) for label in warehouse.label_names)
    return Share(rows, treatment, until)


def together(shares: Sequence[Share]) -> tuple[RowFilter, Treatment]:
    """Several grants as one: the rows of each one, and columns as the narrowest treatment among them.

    Rows that a clearer treatment shows anyway do not narrow it, and rows that are none at all neither.
    Raises `Denied(scope_too_large)`. `shares` must not be empty.
    """
    by_treatment: dict[Treatment, list[RowFilter]] = {}
    for share in shares:
        by_treatment.setdefault(share.treatment, []).append(share.rows)
    classes = {treatment: any_of(rows) for treatment, rows in by_treatment.items()}
    filled = {treatment: rows for treatment, rows in classes.items() if rows != NOTHING}
    rows = any_of(filled.values())
    if len(filled) <= 1:
        return rows, next(iter(filled or classes))
    return rows, narrowest(treatment for treatment in filled if not _absorbed(treatment, filled))


def narrowest(treatments: Iterable[Treatment]) -> Treatment:
    """Label by label, what all treatments let through."""
    first, *rest = treatments
    for treatment in rest:
        first = tuple(map(narrower, first, treatment))
    return first


def _absorbed(treatment: Treatment, classes: Mapping[Treatment, RowFilter]) -> bool:
    clearer = [
        rows
        for other, rows in classes.items()
        if other != treatment and all(map(as_narrow, treatment, other))
    ]
    return bool(clearer) and contained(classes[treatment], any_of(clearer))


def _rows(
    scope: Mapping[str, ScopeTerm], dimensions: Mapping[str, Dimension], facts: Facts
) -> tuple[RowFilter, float]:
    constraints: dict[str, Constraint | None] = {}
    until = math.inf
    for name, term in scope.items():
        match term:
            case AllValues():
                pass
            case Fixed(constraint):
                constraints[name] = constraint
            case Last():
                constraints[name], moves = rolling(term, dimensions[name].type, facts.now)
                until = min(until, moves)
            case FromClaim():
                constraints[name] = claim_values(term, dimensions[name].type, facts.principal)
            case _:
                assert_never(term)
    return (where(constraints) if constraints else everything()), until
