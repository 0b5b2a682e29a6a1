"""Filters as PostgREST's parameters, asked of a real PostgreSQL in the SQL that PostgREST makes of them.

PostgREST itself is in no package registry: `tests.postgrest_reading` is its parser and its SQL, written again. The
session is in New York, as no session of a scope's should be.
"""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from authz.errors import Denied
from authz.rendering.filters import postgrest
from authz.rendering.filters.parameters import read_parameters, written
from authz.scopes.constraints import Between, Constraint, OneOf
from authz.scopes.rowfilter import EVERYTHING, NOTHING, RowFilter, any_of, matches, where
from tests.postgrest_reading import read
from tests.postgrest_reading import where as as_sql
from tests.warehouses.postgres_process import PostgresProcess

COLUMNS = {
    "region": "Region of it",
    "customer": "customer",
    "amount": "not",
    "day": "day",
    "at": "at",
    "active": "active",
}
TYPES = {
    "region": "text",
    "customer": "bigint",
    "amount": "numeric(38, 10)",
    "day": "date",
    "at": "timestamptz",
    "active": "boolean",
}
CHOICES: dict[str, list[Any]] = {
    "region": [
        "EU", "eu", 'a"b', "a,b", "a)b", "(", "{a,b}", "\\", '\\"', "O'Brien", "NULL", "null", " EU", "*", "Zürich", "\U0001f30d",
        "region.eq.EU", '",not.is.null,"', "%", "a.b:c",
    ],
    "customer": [-(2**63), -1, 0, 7, 2**53 + 1, 2**63 - 1],
    "amount": [Decimal("-0.0001"), Decimal("1.5"), Decimal("1.50"), Decimal("9999999999999999999999999999.0000000001")],
    "day": [date(1, 1, 1), date(1970, 1, 1), date(2026, 2, 28), date(9999, 12, 31)],
    "at": [datetime(2026, 1, 1, 0, 0, 0, 1, UTC), datetime(1999, 12, 31, 23, 59, 59, 999999, UTC), datetime(2026, 1, 1, 4, tzinfo=UTC)],
    "active": [True, False],
}  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {
        name: None if (number + place) % 11 == 0 else values[(number * 7 + place * number // 3) % len(values)]
        for place, (name, values) in enumerate(CHOICES.items())
    }
    for number in range(200)
]


@pytest.fixture(scope="module")
def connection() -> Iterator["psycopg.Connection[Any]"]:
    with (
        PostgresProcess() as server,
        server.connect(cursor_factory=psycopg.ClientCursor, autocommit=True) as connection,
    ):
        columns = ", ".join(f'"{COLUMNS[name]}" {type_}' for name, type_ in TYPES.items())
        connection.execute(f"CREATE TABLE orders (id int, {columns})")
        places = ", ".join(["%s"] * (len(COLUMNS) + 1))
        for number, row in enumerate(ROWS):
            connection.execute(f"INSERT INTO orders VALUES ({places})", [number, *row.values()])
        yield connection


def _constraint(random_: random.Random, name: str) -> Constraint:
    values = CHOICES[name]
    if name in {"active", "region"} or random_.random() < 0.5:
        return OneOf(tuple(sorted(set(random_.sample(values, random_.randint(1, len(values)))))))
    low, high = sorted(random_.sample(sorted(set(values)), 2))
    bounds = random_.choice([{"low": low}, {"high": high}, {"low": low, "high": high}])
    return Between(
        **bounds,
        low_open="low" in bounds and random_.random() < 0.5,
        high_open="high" in bounds and random_.random() < 0.5,
    )


def _filter(random_: random.Random) -> RowFilter:
    def one() -> RowFilter:
        names = random_.sample(list(CHOICES), random_.randint(1, 3))
        return where({name: _constraint(random_, name) for name in names})

    return any_of([one() for _ in range(random_.randint(1, 3))])


def _seen(connection: "psycopg.Connection[Any]", query: str) -> set[int]:
    reading = read(query)
    assert not reading.embedded
    condition, values = as_sql(reading, "orders")
    return {
        number
        for (number,) in connection.execute(f"SELECT id FROM orders WHERE {condition}", values).fetchall()
    }


def test_each_scope_has_its_rows_and_no_others(connection: "psycopg.Connection[Any]") -> None:
    """Many scopes of every type, held against the algebra row by row."""
    random_ = random.Random(20261129)
    scopes = [EVERYTHING, NOTHING, *(_filter(random_) for _ in range(400))]
    partly = 0
    for rows in scopes:
        expected = {number for number, row in enumerate(ROWS) if matches(rows, row)}
        assert (
            _seen(connection, written(postgrest.query(postgrest.row_conditions(rows, COLUMNS), ())))
            == expected
        ), rows
        partly += 0 < len(expected) < len(ROWS)
    assert partly > 200


_WORDS = [
    "and", "or", "not.", "(", ")", ",", ".", "eq.", "in.", "is.", "customer", "active", "day", "not", '"', "\\", '"x"', "1", "null", "true",
    "2026-02-28", "%22", "%29", "*", "like.", "gte.", "region",
]  # fmt: skip
_CONDITIONS = [
    "customer.eq.7", "customer.not.in.(7,0)", "active.is.true", "day.gte.2026-01-01", "or(active.is.null,customer.gt.0)", "day.is.null",
    "not.and(active.is.true,customer.lt.0)", 'customer.in.("0","7")', "at.isdistinct.2026-01-01",
]  # fmt: skip


def _client(random_: random.Random) -> str:
    some = ",".join(random_.sample(_CONDITIONS, random_.randint(1, 3)))
    junk = "".join(random_.choice(_WORDS) for _ in range(random_.randint(0, 3)))
    return random_.choice(
        [
            f"or=({some})",
            f"and=({some})&not.or=({some})",
            f"or=({some}{junk})",
            f"or=({junk}{some})",
            f"or=({some}){junk}",
            "customer=gte.0&customer=lt.100",
            "active=is.true&day=not.is.null&or=(customer.eq.7,customer.eq.0)",
            f"customer={junk}",
        ]
    )


def test_a_client_sees_its_scopes_rows_and_fewer(connection: "psycopg.Connection[Any]") -> None:
    """What it asks for itself is answered within the scope: the rows of both, no other and none less."""
    random_ = random.Random(20261130)
    answered = narrowed = refused = 0
    for _ in range(1_500):
        rows, client = _filter(random_), _client(random_)
        mine = {number for number, row in enumerate(ROWS) if matches(rows, row)}
        try:
            query = written(postgrest.query(postgrest.row_conditions(rows, COLUMNS), read_parameters(client)))
        except Denied:
            refused += 1
            continue
        try:
            seen = _seen(connection, query)
        except psycopg.Error:
            continue  # PostgREST hands the error on, and no row
        assert seen == mine & _seen(connection, client), (rows, client)
        answered += 1
        narrowed += seen < mine
    assert answered > 500
    assert narrowed > 200
    assert refused > 200
