"""The data scope: which rows and columns of one warehouse a principal may see."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from authz.scopes.columns import ColumnMask
from authz.scopes.rowfilter import RowFilter, to_json

SCOPE_FORMAT = 1
"""Version of the canonical JSON. It is part of what is hashed: another form never gives an old id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableScope:
    """What may be seen of one table: rows by the dimensions that the table has, and every column that is not clear."""

    rows: RowFilter
    columns: Mapping[str, ColumnMask]


def _none() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class DataScope:
    """Which rows and columns. `id` is the hash of the canonical form of all of it.

    `columns` names every column of a warehouse of one table that is not clear. A warehouse with tables has `labels`
    instead: every label it knows, the clear ones, too, so that whoever misses one takes it for hidden; and `tables`.
    """

    rows: RowFilter
    columns: Mapping[str, ColumnMask]
    labels: Mapping[str, ColumnMask] = field(default_factory=_none)
    tables: Mapping[str, TableScope] = field(default_factory=_none)
    id: str


def data_scope(rows: RowFilter, columns: Mapping[str, ColumnMask]) -> DataScope:
    """The scope of canonical `rows` and of `columns` (by column name; clear ones are dropped, order does not matter).

    Equal scopes have equal ids, and only they: the id partitions the shared cache.
    """
    treated = not_clear(columns)
    return DataScope(
        rows=rows, columns=treated, id=_scope_id({"rows": to_json(rows), "columns": dict(treated)})
    )


def tables_scope(
    rows: RowFilter, labels: Mapping[str, ColumnMask], tables: Mapping[str, TableScope]
) -> DataScope:
    """The scope of a warehouse with tables, which are `rows` and `labels` as each table has them.

    The id is that of all three: two policies may give one row filter another meaning table by table.
    """
    treated = MappingProxyType(dict(sorted(labels.items())))
    shown = MappingProxyType(dict(sorted(tables.items())))
    document = {
        "rows": to_json(rows),
        "labels": dict(treated),
        "tables": {
            name: {"rows": to_json(table.rows), "columns": dict(table.columns)}
            for name, table in shown.items()
        },
    }
    return DataScope(
        rows=rows, columns=MappingProxyType({}), labels=treated, tables=shown, id=_scope_id(document)
    )


def not_clear(columns: Mapping[str, ColumnMask]) -> Mapping[str, ColumnMask]:
    """The columns that are not shown as they are, sorted."""
    return MappingProxyType(
        {name: mask for name, mask in sorted(columns.items()) if mask is not ColumnMask.CLEAR}
    )


def canonical_json(document: object) -> str:
    """Compact JSON with sorted keys, in printable ASCII: one text for one document."""
    return json.dumps(document, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _scope_id(document: Mapping[str, object]) -> str:
    text = canonical_json({"format": SCOPE_FORMAT, **document})
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]
