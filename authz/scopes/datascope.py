"""The data scope: which rows and columns of one warehouse a principal may see."""

from collections.abc import Mapping
from dataclasses import dataclass

from authz.scopes.columns import ColumnMask
from authz.scopes.rowfilter import RowFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class DataScope:
    """`columns` names every column that is not clear. `id` is the hash of the canonical form of both."""

    rows: RowFilter
    columns: Mapping[str, ColumnMask]
    id: str
