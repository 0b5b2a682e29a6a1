"""The data scope: which rows and columns of one warehouse a principal may see."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from authz.scopes.columns import ColumnMask
from authz.scopes.rowfilter import RowFilter, to_json

SCOPE_FORMAT = 1
"""Version of the canonical JSON. It is part of what is hashed: another form never gives an old id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataScope:
    """`columns` names every column that is not clear. `id` is the hash of the canonical form of both."""

    rows: RowFilter
    columns: Mapping[str, ColumnMask]
    id: str


def data_scope(rows: RowFilter, columns: Mapping[str, ColumnMask]) -> DataScope:
    """The scope of canonical `rows` and of `columns` (by column name; clear ones are dropped, order does not matter).

    Equal scopes have equal ids, and only they: the id partitions the shared cache.
    """
    treated = {name: mask for name, mask in sorted(columns.items()) if mask is not ColumnMask.CLEAR}
    return DataScope(rows=rows, columns=MappingProxyType(treated), id=_scope_id(rows, treated))


def canonical_json(document: object) -> str:
    """Compact JSON with sorted keys, in printable ASCII: one text for one document."""
    return json.dumps(document, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _scope_id(rows: RowFilter, columns: Mapping[str, ColumnMask]) -> str:
    text = canonical_json({"format": SCOPE_FORMAT, "rows": to_json(rows), "columns": dict(columns)})
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]
