"""The tables of the matrix: rows of every type of value, NULL and hostile text among them, for four engines.

Nothing here knows of scopes. The rows are made by rule, so that every engine holds the same ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

Value = str | int | bool | Decimal | date | datetime
Row = Mapping[str, Value | None]

POOLS: Final[Mapping[str, Sequence[Value]]] = {
    "region": (
        "EU", "eu", "UK", " EU", "O'Brien", "O''Brien", "a\\", "\\'", "\\' OR 1=1 --", "' OR 1=1 --", '"', "Z\u00fcrich", "Zu\u0308rich",
        "\U0001f30d", "\uff5e", "a,b", "%", "_", "--", "/*", "*/", "NULL", "$$", "{x:String}", "`", ";", "\u2019", "1", "true", "?", ":x",
    ),
    "customer": (-(2**63), -1, 0, 1, 7, 8, 2**53 + 1, 2**63 - 1),
    "amount": tuple(map(Decimal, ("-0.0001", "0", "1.5", "1.5001", "2", "99999999999999.9999", "-99999999999999.9999"))),
    "day": tuple(map(date.fromisoformat, ("1900-01-01", "1969-12-31", "2026-02-28", "2026-03-01", "2026-10-25", "2149-06-07"))),
    "at": tuple(
        datetime(*moment, tzinfo=UTC)
        for moment in (
            (1999, 12, 31, 23, 59, 59, 999999),
            (2026, 1, 1),
            (2026, 1, 1, 0, 0, 0, 2),
            # Twice the same hour on clocks in Zurich.
            (2026, 10, 25, 0, 30),
            (2026, 10, 25, 1, 30),
        )
    ),
    "active": (True, False),
}  # fmt: skip
"""The values of each dimension, in data and in policies."""

TYPES: Final[Mapping[str, str]] = {
    "region": "string",
    "customer": "integer",
    "amount": "decimal",
    "day": "date",
    "at": "timestamp",
    "active": "boolean",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A table: its columns with their types, which of them belong to which dimension, and its rows."""

    columns: Mapping[str, str]
    dimensions: Mapping[str, str]
    """Dimension to column."""
    rows: tuple[Row, ...]


def _made(number: int, columns: Mapping[str, str], salt: int) -> tuple[Row, ...]:
    """`columns` are those beside `id`, each with the pool it takes values of; one value in nine is NULL."""
    return tuple(
        {
            "id": one,
            **{
                column: None
                if (one * 5 + place * 3 + salt) % 9 == 0
                else POOLS[pool][(one * (salt + 7) + place * (one // 3)) % len(POOLS[pool])]
                for place, (column, pool) in enumerate(columns.items())
            },
        }
        for one in range(1, number + 1)
    )


def _held(
    number: int, columns: Mapping[str, str], salt: int, *, also: Mapping[str, str] | None = None
) -> Held:
    """Columns by the dimension that each belongs to, and `also` some that belong to none."""
    pools = {**columns, **(also or {})}
    return Held(
        columns={"id": "integer", **{name: TYPES[pool] for name, pool in pools.items()}},
        dimensions={pool: name for name, pool in columns.items()},
        rows=_made(number, pools, salt),
    )


TABLES: Final[Mapping[str, Held]] = {
    "facts": _held(
        120,
        {"region": "region", "customer": "customer", "amount": "amount", "day": "day", "moment": "at", "active": "active"},
        0,
        also={"note": "region"},
    ),
    # Columns that are called otherwise, and dimensions that are not there.
    "places": _held(60, {"area": "region", "opened": "day"}, 1, also={"rent": "amount"}),
    "parties": _held(40, {"number": "customer", "flag": "active", "since": "at"}, 2, also={"name": "region"}),
    # Told apart by nothing: everybody's who has a grant.
    "codes": _held(12, {}, 3, also={"code": "region", "weight": "amount"}),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How an engine is spoken to: names of tables, types of columns, literals."""

    table: str
    types: Mapping[str, str]
    text: Callable[[str], str]
    day: str = "DATE '{}'"
    moment: str = "TIMESTAMP '{}'"
    decimal: str = "{}"

    def literal(self, value: Value | None) -> str:
        match value:
            case None:
                return "NULL"
            case bool():
                return str(value).lower()
            case str():
                return self.text(value)
            case datetime():
                return self.moment.format(f"{value:%Y-%m-%d %H:%M:%S.%f}")
            case date():
                return self.day.format(value)
            case Decimal():
                return self.decimal.format(value)
            case _:
                return str(value)

    def named(self, name: str) -> str:
        return self.table.format(name)

    def setup(self, suffix: str = "") -> Iterator[str]:
        """The statements that make and fill the tables."""
        for name, held in TABLES.items():
            columns = ", ".join(f"{column} {self.types[kind]}" for column, kind in held.columns.items())
            yield f"CREATE TABLE {self.named(name)} ({columns}){suffix}"
            rows = ", ".join(f"({', '.join(map(self.literal, row.values()))})" for row in held.rows)
            yield f"INSERT INTO {self.named(name)} VALUES {rows}"


def _doubled(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _escaped(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


DUCKDB: Final = Speech(
    table="{}",
    types={
        "string": "VARCHAR", "integer": "BIGINT", "decimal": "DECIMAL(18, 4)", "date": "DATE", "timestamp": "TIMESTAMP",
        "boolean": "BOOLEAN",
    },
    text=_doubled,
)  # fmt: skip
TRINO: Final = Speech(
    table="lake.matrix.{}",
    types={
        "string": "varchar", "integer": "bigint", "decimal": "decimal(18, 4)", "date": "date", "timestamp": "timestamp(6)",
        "boolean": "boolean",
    },
    text=_doubled,
    decimal="DECIMAL '{}'",
)  # fmt: skip
POSTGRES: Final = Speech(
    table="base.{}",
    types={
        "string": "varchar(40)", "integer": "bigint", "decimal": "numeric", "date": "date", "timestamp": "timestamp",
        "boolean": "boolean",
    },
    text=_doubled,
)  # fmt: skip
CLICKHOUSE: Final = Speech(
    table="matrix.{}",
    types={
        "string": "LowCardinality(Nullable(String))", "integer": "Nullable(Int64)", "decimal": "Nullable(Decimal(18, 4))",
        "date": "Nullable(Date32)", "timestamp": "Nullable(DateTime64(6, 'Europe/Zurich'))", "boolean": "Nullable(Bool)",
    },
    text=_escaped,
    day="toDate32('{}')",
    moment="toDateTime64('{}', 6, 'UTC')",
    decimal="toDecimal64('{}', 4)",
)  # fmt: skip
