"""Schemas in files, as the warehouses' own clients write them; and what is said of everything else."""

import json
from pathlib import Path

import pytest

from authz.columnsources import schemafile
from authz.columnsources.errors import SourceUnreadableError
from authz.columnsources.schemafile import read_schema
from authz.labels.schema import Column, SchemaTable

TABLES = (
    SchemaTable(("lake", "sales", "orders"), (Column("id", "bigint"), Column("email", "varchar(40)"))),
    SchemaTable(("lake", "sales", "targets"), (Column("x", "date"),)),
)
ROWS = [
    {
        "table_catalog": table.path[0],
        "table_schema": table.path[1],
        "table_name": table.path[2],
        "column_name": column.name,
        "ordinal_position": 1,
        "data_type": column.declared,
    }
    for table in TABLES
    for column in table.columns
]
CSV = "".join(",".join(map(str, row)) + "\n" for row in (ROWS[0], *(each.values() for each in ROWS)))
CLICKHOUSE = {"meta": [], "data": ROWS, "rows": 3}


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        "\ufeff" + CSV,
        CSV.replace("\n", "\r\n"),
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        CSV.replace("table_name", "TABLE_NAME").replace("column_name", '"COLUMN_NAME"'),
        json.dumps(ROWS),
        "\n".join(json.dumps(row) for row in ROWS),
        json.dumps(CLICKHOUSE),
        json.dumps([{name.upper(): value for name, value in row.items()} for row in ROWS]),
    ],
    ids=[
        "csv",
        "bom",
        "crlf",
        "semicolon",
        "tab",
        "capitals",
        "array",
        "lines",
        "clickhouse",
        "json-capitals",
    ],
)
def test_a_schema_is_read_in_every_form(tmp_path: Path, text: str) -> None:
    """psql, Trino's and ClickHouse's clients, spreadsheets."""
    file = tmp_path / "columns"
    file.write_text(text, encoding="utf-8")
    assert read_schema(file) == TABLES


def test_a_table_and_a_column_will_do(tmp_path: Path) -> None:
    """Of the rest nothing is known then."""
    file = tmp_path / "columns.csv"
    file.write_text("column_name,table_name\nemail,orders\n")
    assert read_schema(file) == (SchemaTable(("", "", "orders"), (Column("email"),)),)


def test_a_type_of_the_users_own_is_told_by_its_name(tmp_path: Path) -> None:
    """PostgreSQL says `USER-DEFINED` of it, and `ARRAY` of arrays."""
    file = tmp_path / "columns.csv"
    lines = [
        "table_name,column_name,data_type,udt_name",
        "t,a,USER-DEFINED,citext",
        "t,b,ARRAY,_text",
        "t,c,text,text",
    ]
    file.write_text("\n".join(lines))
    assert [column.declared for column in read_schema(file)[0].columns] == ["citext", "_text", "text"]


def test_a_column_that_is_told_twice_is_one(tmp_path: Path) -> None:
    """As where two exports were put one behind the other."""
    file = tmp_path / "columns.csv"
    file.write_text(CSV + CSV.partition("\n")[2])
    assert read_schema(file) == TABLES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: no `table_name` among the names"),
        ("email\nx\n", ":1: no `table_name` among the names"),
        ("table_name,data_type\nt,text\n", ":1: no `column_name` among the names"),
        ("table_name,column_name\n", ": no columns; expected what information_schema.columns says"),
        ("table_name,column_name\nt\n", ":2: 1 values, expected 2"),
        ('table_name,column_name\nt,"c', ": not CSV"),
        ("table_name,column_name\nt,\n", ": row 1: `table_name` or `column_name` is empty"),
        ("[]", ": no columns"),
        ("[1]", ": row 1 is no object"),
        ("{", ":1: neither JSON nor one JSON object a line"),
        ('{"a": 1}\n{', ":2: neither JSON nor one JSON object a line"),
        ("[" * 100_000, ":1: neither JSON nor one JSON object a line"),
        ('[{"table_name": 1, "column_name": "c"}]', ": row 1: `table_name` is no text"),
        ('[{"table_name": "t", "column_name": "%s"}]' % ("c" * 2_000), ": row 1: `column_name` is no text, or a very"),
    ],
)  # fmt: skip
def test_what_is_no_schema_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """And no column of it is believed."""
    file = tmp_path / "columns"
    file.write_text(text)
    with pytest.raises(SourceUnreadableError) as raised:
        read_schema(file)
    assert str(raised.value).startswith(f"{file}{said}")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None, a directory, one that is no text, one without end."""
    file = tmp_path / "columns"
    for make, said in (
        (lambda: None, "does not exist"),
        (file.mkdir, "is not a regular file"),
        (lambda: (file.rmdir(), file.write_bytes(b"\xff\xfe")), "not UTF-8"),
    ):
        make()
        with pytest.raises(SourceUnreadableError, match=said):
            read_schema(file)
    monkeypatch.setattr(schemafile, "MAX_BYTES", 10)
    file.write_text(CSV)
    with pytest.raises(SourceUnreadableError, match="larger than 10 bytes"):
        read_schema(file)


def test_there_is_a_most_of_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all tables together."""
    file = tmp_path / "columns.csv"
    file.write_text(CSV)
    monkeypatch.setattr(schemafile, "MAX_COLUMNS", 3)
    assert read_schema(file) == TABLES
    monkeypatch.setattr(schemafile, "MAX_COLUMNS", 2)
    with pytest.raises(SourceUnreadableError, match="more than 2 columns"):
        read_schema(file)
