"""The row policies that `scopegate render clickhouse` writes, in a real engine: each scope's rows, and no others."""

import json
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from authz.config.load import load_policy
from authz.policy.policyset import PolicySet, Warehouse
from authz.rendering.targets.clickhouse import scope_text
from authz.scopes.constraints import Between, Constraint, OneOf
from authz.scopes.rowfilter import EVERYTHING, NOTHING, RowFilter, about, any_of, matches, where
from tests.warehouses.clickhouse_engine import STAND_IN, Asked, engine, setting

POLICY = """\
version: 1
issuers: {okta: {issuer: https://acme.okta.com, audiences: [api://warehouse], groups_claim: groups}}
dimensions:
  region: {type: string}
  customer: {type: integer}
  amount: {type: decimal}
  day: {type: date}
  at: {type: timestamp}
  active: {type: boolean}
warehouses:
  sales:
    kind: clickhouse
    routes: [{prefix: /}]
    upstream: http://clickhouse:8123
    tables:
      sales.orders: {columns: {region: region, customer: customer, amount: amount, day: day, at: at, active: active}}
      sales.targets: {columns: {region: area}, unfiltered: [customer, amount, day, at, active]}
grants:
  - {id: all, to: {groups: [all]}, on: all, scope: {region: all, customer: all, amount: all, day: all, at: all, active: all}}
"""
CHOICES: dict[str, list[Any]] = {
    "region": ["EU", "UK", "O'Brien\\", "Zürich", "a,b", "\U0001f30d"],
    "customer": [-(2**63), -1, 0, 7, 2**63 - 1],
    "amount": [Decimal("-0.0001"), Decimal("1.5"), Decimal("99999999999999.9999")],
    "day": [date(1970, 1, 1), date(2026, 2, 28), date(2149, 6, 6)],
    "at": [datetime(2026, 1, 1, 0, 0, 0, 1, UTC), datetime(1999, 12, 31, 23, 59, 59, 999999, UTC)],
    "active": [True, False],
}
ROWS: list[dict[str, Any]] = [
    {
        name: None if (number + place) % 11 == 0 else values[(number * 7 + place * number // 3) % len(values)]
        for place, (name, values) in enumerate(CHOICES.items())
    }
    for number in range(90)
]
ALL = '{"warehouse":"sales","rows":"all"}'
CREATE = [
    "CREATE DATABASE sales",
    """CREATE TABLE sales.orders (
        id UInt32, region LowCardinality(Nullable(String)), customer Nullable(Int64), amount Nullable(Decimal(18, 4)),
        day Nullable(Date), at Nullable(DateTime64(6, 'Europe/Zurich')), active Nullable(Bool)
    ) ENGINE = MergeTree ORDER BY id""",
    "CREATE TABLE sales.targets (id UInt32, area String) ENGINE = MergeTree ORDER BY id",
    "CREATE TABLE sales.unnamed (id UInt32) ENGINE = MergeTree ORDER BY id",
    "INSERT INTO sales.targets VALUES (1, 'EU'), (2, 'UK'), (3, '')",
]


def _literal(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case datetime():
            return f"toDateTime64('{value:%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')"
        case date():
            return f"'{value}'"
        case Decimal():
            return f"toDecimal64('{value}', 4)"
        case _:
            return str(value)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, PolicySet, Warehouse]:
    directory = tmp_path_factory.mktemp("clickhouse")
    (directory / "scopegate.yaml").write_text(POLICY)
    policy = load_policy(directory / "scopegate.yaml")
    warehouse = policy.warehouses["sales"]
    values = ", ".join(
        f"({number}, {', '.join(_literal(row[name]) for name in CHOICES)})" for number, row in enumerate(ROWS)
    )
    return (
        engine(directory, policy, warehouse, [*CREATE, f"INSERT INTO sales.orders VALUES {values}"]),
        policy,
        warehouse,
    )


def _seen(connection: str, scope: str | None, statement: str) -> list[str]:
    asked = Asked(connection, scope)
    try:
        return asked.rows(statement)
    finally:
        asked.close()


def _constraint(random_: random.Random, name: str) -> Constraint:
    values = CHOICES[name]
    if name == "active" or random_.random() < 0.5:
        return OneOf(tuple(sorted(set(random_.sample(values, random_.randint(1, len(values)))))))
    low, high = sorted(random_.sample(values, 2))
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


def test_each_scope_has_its_rows_and_no_others(system: tuple[str, PolicySet, Warehouse]) -> None:
    """Many scopes of every type, held against the algebra row by row, in both tables."""
    connection, _, warehouse = system
    random_ = random.Random(20261127)
    scopes = [EVERYTHING, NOTHING, *(_filter(random_) for _ in range(150))]
    partly = 0
    for rows in scopes:
        scope = setting(scope_text(warehouse, rows))
        expected = [str(number) for number, row in enumerate(ROWS) if matches(rows, row)]
        targets = about(rows, {"region"})
        areas = {1: "EU", 2: "UK", 3: ""}
        asked = Asked(connection, scope)
        assert asked.rows("SELECT id FROM sales.orders ORDER BY id") == expected, rows
        assert asked.rows("SELECT id FROM sales.targets ORDER BY id") == [
            str(number) for number, area in areas.items() if matches(targets, {"region": area})
        ], rows
        asked.close()
        partly += 0 < len(expected) < len(ROWS)
    assert partly > 80


@pytest.mark.parametrize(
    "scope",
    [
        None,
        "",
        "x",
        "e30=",
        *(
            setting(text)
            for text in (
                "[]",
                '"all"',
                '{"rows":"all"}',
                '{"warehouse":"other","rows":"all"}',
                '{"warehouse":"sales"}',
                '{"warehouse":"sales","rows":"ALL"}',
                '{"warehouse":"sales","rows":["all"]}',
                '{"warehouse":"sales","rows":{"all":1}}',
                '{"warehouse":"sales","rows":[]}',
                '{"warehouse":"sales","rows":[{}]}',
                '{"warehouse":"sales","rows":[[]]}',
                '{"warehouse":"sales","rows":[{"tenant":{"type":"string","in":["a"]}}]}',
                '{"warehouse":"sales","rows":[{"region":{}}]}',
                '{"warehouse":"sales","rows":[{"region":{"type":"string"}}]}',
                '{"warehouse":"sales","rows":[{"region":{"in":["EU"]}}]}',
                '{"warehouse":"sales","rows":[{"region":{"type":"integer","in":["EU"]}}]}',
                '{"warehouse":"sales","rows":[{"region":{"type":"string","in":[]}}]}',
                '{"warehouse":"sales","rows":[{"region":{"type":"string","in":null}}]}',
                '{"warehouse":"sales","rows":[{"customer":{"type":"integer","in":["x"]}}]}',
                '{"warehouse":"sales","rows":[{"customer":{"type":"integer","from":"x"}}]}',
                '{"warehouse":"sales","rows":[{"day":{"type":"date","before":""}}]}',
            )
        ),
    ],
)
def test_what_is_no_scope_shows_nothing(system: tuple[str, PolicySet, Warehouse], scope: str | None) -> None:
    """Neither a row nor a count; an error is as good."""
    for statement in ("SELECT id FROM sales.orders", "SELECT 1 FROM sales.orders LIMIT 1"):
        try:
            assert _seen(system[0], scope, statement) == []
        except RuntimeError as error:
            assert "Exception" in str(error)  # noqa: PT017 - either is right


def test_a_statement_does_not_change_its_scope(system: tuple[str, PolicySet, Warehouse]) -> None:
    """Not by itself, not in a subquery, not for the next one."""
    connection, _, warehouse = system
    uk = setting(scope_text(warehouse, where({"region": OneOf(("UK",))})))
    everything = setting(scope_text(warehouse, EVERYTHING))
    asked = Asked(connection, uk)
    try:
        for statement in (
            f"SELECT id FROM sales.orders SETTINGS {STAND_IN} = '{everything}'",
            f"SET {STAND_IN} = '{everything}'",
            "SET readonly = 0",
            "SELECT id FROM sales.orders SETTINGS readonly = 0",
        ):
            with pytest.raises(RuntimeError, match=r"164|READONLY|readonly"):
                asked.rows(statement)
        expected = sum(row["region"] == "UK" for row in ROWS)
        # Passed over, within a subquery.
        inner = f"SELECT count() FROM (SELECT id FROM sales.orders SETTINGS {STAND_IN} = '{everything}')"
        assert asked.rows(inner) == [str(expected)]
        assert asked.rows("SELECT count() FROM sales.orders") == [str(expected)]
        for name in ("__scopegate", "__scopegate_1", "__scopegate_1_1"):
            # The names within the row policies are not the statement's to give.
            for statement in (
                f"WITH '{ALL}' AS {name} SELECT count() FROM sales.orders",
                f"SELECT countIf({name} != ''), '{ALL}' AS {name} FROM sales.orders",
                f"SELECT count() FROM sales.orders WHERE ('{ALL}' AS {name}) != ''",
                f"SELECT count() FROM (SELECT *, '{ALL}' AS {name} FROM sales.orders)",
                f"SELECT count() FROM sales.orders AS {name}",
            ):
                try:
                    found = asked.rows(statement)
                except RuntimeError:
                    continue
                assert found[0].split("\t")[0] == str(expected), statement
        assert asked.rows("SELECT count() FROM merge('sales', 'orders')") == [str(expected)]
        assert asked.rows("SELECT count() FROM sales.orders WHERE region != 'UK' OR 1 = 1") == [str(expected)]
    finally:
        asked.close()


def test_the_files_say_the_same_each_time(system: tuple[str, PolicySet, Warehouse], tmp_path: Path) -> None:
    """And the scope of a request is what they read."""
    _, _, warehouse = system
    told = json.loads(scope_text(warehouse, where({"region": OneOf(("EU",))})))
    assert told == {"rows": [{"region": {"in": ["EU"], "type": "string"}}], "warehouse": "sales"}
