"""A schema in a file: what `SELECT * FROM information_schema.columns` answered, as CSV or JSON.

Any client of any warehouse can write it, so nobody has to give Scopegate a credential. JSON is an array of objects, one
object a line, or ClickHouse's `FORMAT JSON` (the array under `data`).
"""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from authz.columnsources.errors import SourceUnreadableError
from authz.labels.schema import Column, SchemaTable

MAX_BYTES: Final = 67_108_864
MAX_COLUMNS: Final = 200_000
"""Of all tables together."""
_MAX_NAME: Final = 1_024
_MAX_TYPE: Final = 16_384

_NEEDED: Final = ("table_name", "column_name")
_UNTOLD: Final = frozenset({"user-defined", "array", ""})
"""`data_type` of PostgreSQL that says nothing; `udt_name` does."""

Record = Mapping[str, Any]


def read_schema(path: Path) -> tuple[SchemaTable, ...]:
    """The tables of a file, in its order. Raises `SourceUnreadableError`."""
    text = _text(path)
    records = _from_json(path, text) if text.lstrip()[:1] in {"[", "{"} else _from_csv(path, text)
    tables: dict[tuple[str, str, str], dict[str, Column]] = {}
    for number, record in enumerate(records, 1):
        if number > MAX_COLUMNS:
            raise SourceUnreadableError(f"{path}: more than {MAX_COLUMNS:,} columns")
        place, column = _column(path, number, record)
        tables.setdefault(place, {}).setdefault(column.name, column)
    if not tables:
        raise SourceUnreadableError(f"{path}: no columns; expected what information_schema.columns says")
    return tuple(SchemaTable(place, tuple(columns.values())) for place, columns in tables.items())


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "does not exist"
            raise SourceUnreadableError(f"{path}: {what}")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SourceUnreadableError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    if len(data) > MAX_BYTES:
        raise SourceUnreadableError(f"{path}: larger than {MAX_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceUnreadableError(f"{path}: not UTF-8") from None


def _from_json(path: Path, text: str) -> Iterator[Record]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = list(_lines(path, text))
    if isinstance(document, dict):
        document = document["data"] if isinstance(document.get("data"), list) else [document]
    for number, record in enumerate(document, 1):
        if not isinstance(record, dict):
            raise SourceUnreadableError(f"{path}: row {number} is no object; expected one for each column")
        yield {str(name).strip().lower(): value for name, value in record.items()}


def _lines(path: Path, text: str) -> Iterator[Any]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                raise SourceUnreadableError(
                    f"{path}:{number}: neither JSON nor one JSON object a line"
                ) from None


def _from_csv(path: Path, text: str) -> Iterator[Record]:
    header = text.partition("\n")[0].lower()
    delimiter = max(",;\t|", key=header.count)
    try:
        rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
        names = [name.strip().lower() for name in next(rows, [])]
        missing = [name for name in _NEEDED if name not in names]
        if missing:
            raise SourceUnreadableError(
                f"{path}:1: no `{missing[0]}` among the names; expected a first line with the names of"
                " information_schema.columns, such as `table_schema,table_name,column_name,data_type`"
            )
        for row in rows:
            if not row:
                continue
            if len(row) != len(names):
                raise SourceUnreadableError(
                    f"{path}:{rows.line_num}: {len(row)} values, expected {len(names)}"
                )
            yield dict(zip(names, row, strict=True))
    except csv.Error:
        raise SourceUnreadableError(
            f"{path}: not CSV: a quote that does not end, or a value too long"
        ) from None


def _column(path: Path, number: int, record: Record) -> tuple[tuple[str, str, str], Column]:
    catalog, schema, table, name, declared, udt = (
        _word(path, number, record, key)
        for key in ("table_catalog", "table_schema", "table_name", "column_name", "data_type", "udt_name")
    )
    if not table or not name:
        raise SourceUnreadableError(f"{path}: row {number}: `table_name` or `column_name` is empty")
    if declared.lower() in _UNTOLD and udt:
        declared = udt
    return (catalog, schema, table), Column(name, declared)


def _word(path: Path, number: int, record: Record, key: str) -> str:
    value = record.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > (_MAX_TYPE if key == "data_type" else _MAX_NAME):
        raise SourceUnreadableError(f"{path}: row {number}: `{key}` is no text, or a very long one")
    return value
