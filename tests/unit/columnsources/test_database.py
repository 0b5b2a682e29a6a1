"""A live warehouse by SQLAlchemy, here SQLite: names and numbers, and never a value or a password."""

import builtins
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from authz.columnsources.database import DRIVERS, Database
from authz.columnsources.errors import SourceUnreadableError
from authz.labels.schema import Column, SchemaTable, ValueCounts
from authz.labels.shapes import Shape

CUSTOMERS = SchemaTable(
    ("", "", "customers"), (Column("id", "INTEGER"), Column("email", "VARCHAR(40)"), Column("born", "DATE"))
)
VIEW = SchemaTable(("", "", "addresses"), (Column("email", "VARCHAR(40)"),))
CANARY = "canary-9f21"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "crm.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER, email VARCHAR(40), born DATE)")
        connection.execute("CREATE VIEW addresses AS SELECT email FROM customers")
        rows = [(number, f"p{number}@example.com", CANARY) for number in range(50)]
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?)", rows)
    connection.close()
    return path


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    with Database(f"sqlite:///{file}") as opened:
        yield opened


def test_the_tables_that_are_there_come_with_their_columns(database: Database) -> None:
    """Views are tables; one that is not there is left out."""
    asked = [("", "", "customers"), ("", "", "nobody"), ("", "", "addresses")]
    assert database.tables(asked) == (CUSTOMERS, VIEW)


def test_its_neighbours_come_if_they_are_asked_for(database: Database) -> None:
    """All of the schema."""
    assert database.tables([("", "", "customers")]) == (CUSTOMERS,)
    assert database.tables([("", "", "customers")], neighbours=True) == (CUSTOMERS, VIEW)


def test_so_many_rows_are_read_and_become_numbers(database: Database) -> None:
    """Also a date that is none, which SQLAlchemy would quote if it converted it."""
    assert database.count(("", "", "customers"), ["email", "born"], 30, None) == (
        30,
        {
            "email": ValueCounts(values=30, shapes={Shape.EMAIL: 30}),
            "born": ValueCounts(values=30, shapes={}),
        },
    )


def test_nothing_is_written(file: Path) -> None:
    """Byte for byte."""
    before = file.read_bytes()
    with Database(f"sqlite:///{file}") as database:
        database.tables([("", "", "customers")], neighbours=True)
        database.count(("", "", "customers"), ["email"], 5, None)
    assert file.read_bytes() == before


def test_what_fails_over_a_value_is_not_quoted(database: Database) -> None:
    """Only which table, and what kind of error."""
    with pytest.raises(SourceUnreadableError) as raised:
        database.count(("", "", "customers"), [f"{CANARY}(1)"], 5, None)
    assert str(raised.value) == "customers: its values cannot be read (OperationalError)"
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("NO_NODES_AVAILABLE", "OneClassForAllError: NO_NODES_AVAILABLE"),
        (f"{CANARY} is not a number", "OneClassForAllError"),
        (65538, "OneClassForAllError"),
    ],
)
def test_the_name_that_a_warehouse_has_for_its_error_is_said(
    database: Database, monkeypatch: pytest.MonkeyPatch, named: object, said: str
) -> None:
    """Trino's driver has one class for most of them; a name that is a text could quote a value."""

    class OneClassForAllError(Exception):
        error_name = named

    def fails(_: str) -> object:
        raise OneClassForAllError(CANARY)

    monkeypatch.setattr(database, "_connection", fails)
    with pytest.raises(SourceUnreadableError) as raised:
        database.count(("", "", "customers"), ["email"], 5, None)
    assert str(raised.value) == f"customers: its values cannot be read ({said})"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"{CANARY} is no URL", "the URL cannot be read; expected `postgresql://"),
        (f"nosuch://u:{CANARY}@h/d", "no SQLAlchemy dialect `nosuch` is installed"),
        (f"sqlite:////no/such/{CANARY}?x={CANARY}", "customers: "),
    ],
)
def test_a_url_is_never_repeated(url: str, said: str) -> None:
    """There is a password in it."""
    with pytest.raises(SourceUnreadableError) as raised, Database(url) as database:
        database.tables([("", "", "customers")])
    assert str(raised.value).startswith(said)
    assert CANARY not in str(raised.value)


def test_a_driver_that_repeats_a_password_is_cut_short() -> None:
    """As it stands in the URL, and as it is meant; the first line of what it says, and no control characters."""
    database = Database("postgresql://u:p%40ss%2Fword@h/d?sslpassword=other%20one")
    said = database._without_secrets(
        "\n bad \x1b[2J p@ss/word p%40ss%2Fword 'other one' other+one\nsecond line"
    )
    assert said == "bad \ufffd[2J *** *** '***' ***"


def test_without_sqlalchemy_or_a_driver_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are extras."""
    whole, absent = builtins.__import__, {"psycopg", "clickhouse_connect"}

    def without(name: str, *args: object, **options: object) -> object:
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(name)
        return whole(name, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    for url in ("postgresql://h/d", "postgres://h/d"):
        with (
            pytest.raises(SourceUnreadableError, match=r"pip install 'psycopg\[binary\]'"),
            Database(url) as database,
        ):
            database.tables([("", "s", "t")])
    absent.add("sqlalchemy")
    with pytest.raises(SourceUnreadableError, match=r"pip install 'scopegate\[label\]'"):
        Database("postgresql://h/d")
    assert set(DRIVERS) == {"postgresql", "trino", "clickhousedb"}


def test_what_drivers_log_is_not_printed(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While they are asked, and only then."""
    before = logging.root.manager.disable
    with Database(f"sqlite:///{file}"):
        logging.getLogger("driver").critical(CANARY)
    assert CANARY not in caplog.text
    assert logging.root.manager.disable == before
    logging.getLogger("driver").critical(CANARY)
    assert CANARY in caplog.text
