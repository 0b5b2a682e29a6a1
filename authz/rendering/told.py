"""What every form of a scope says in the same way."""

from collections.abc import Mapping

from authz.policy.policyset import Warehouse
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import OneOf
from authz.scopes.rowfilter import RowFilter, Where


def tells_identity(warehouse: Warehouse) -> bool:
    """Whether a warehouse is told who asks: never where its answers are shared."""
    return warehouse.identity_headers and warehouse.cache is None


def hidden_columns(columns: Mapping[str, ColumnMask]) -> list[str]:
    """The columns that must not be shown, sorted."""
    return sorted(column for column, mask in columns.items() if mask is ColumnMask.HIDDEN)


def masked_columns(columns: Mapping[str, ColumnMask]) -> dict[str, str]:
    """The columns that are shown with a mask, and which."""
    return {column: mask.value for column, mask in sorted(columns.items()) if mask is not ColumnMask.HIDDEN}


def count_values(rows: RowFilter) -> int:
    """How many values a row filter holds, a range counted as one."""
    if not isinstance(rows, Where):
        return 0
    return sum(
        len(constraint.values) if isinstance(constraint, OneOf) else 1
        for disjunct in rows.disjuncts
        for _, constraint in disjunct
    )
