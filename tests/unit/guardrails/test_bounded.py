"""A condition on the partition column, a cap on its range, and a LIMIT or an aggregate."""

from datetime import timedelta

import pytest

from authz.errors import Reason
from authz.guardrails.rules import GuardrailRules, PartitionRule
from tests.statements import TABLES, rules
from tests.unit.guardrails.test_examine import refusal


def _partitioned(dialect: str, within: int | None = None) -> GuardrailRules:
    rule = PartitionRule(column="dt", within=None if within is None else timedelta(days=within))
    return GuardrailRules(
        dialect=dialect, tables=rules(dialect).tables, partitions={TABLES[dialect][0]: rule}
    )


FILTERED = (
    "select id from orders where dt = '2024-01-01'",
    "select id from orders where (dt >= date '2024-01-01' and (region = 'x' or 1 = 1))",
    "select id from orders where DATE '2024-01-01' <= \"DT\"",
    "select id from orders o join customers c on o.id = c.id where o.dt between '2024-01-01' and '2024-01-02'",
    "select id from orders where dt in ('2024-01-01', '2024-02-01')",
    "select dt as dt from orders where dt = '2024-01-01'",
    "select id from (select id from orders where dt = '2024-01-01') x",
    "with orders as (select 1 as x) select * from orders",
    "select id from customers",
)

UNFILTERED = (
    "select id from orders",
    "select id from orders where dt <> '2024-01-01'",
    "select id from orders where not dt = '2024-01-01'",
    "select id from orders where dt = '2024-01-01' or 1 = 1",
    "select id from orders where dt >= dt",
    "select id from orders where dt is not null",
    "select id from orders where dt like '2024%'",
    "select id from orders where dt = ?",
    "select id from orders where dt in (select max(dt) from customers)",
    "select id from orders where dt >= (select '2024-01-01')",
    "select id from orders where lower(dt) = '2024-01-01'",
    "select id from (select * from orders) x where dt = '2024-01-01'",
    # whose column it is, is the warehouse's to say
    "select id from orders o join customers c on o.id = c.id where dt = '2024-01-01'",
    "select id from orders o join customers c on o.id = c.id where c.dt = '2024-01-01'",
    # ClickHouse takes the alias for the column
    "select '2024-01-01' as dt, id from orders where dt = '2024-01-01'",
    "select id from orders where dt = '2024-01-01' union all select id from orders",
    "select id from customers where exists (select 1 from orders where id = 1)",
    "select id from customers left join orders on orders.dt = '2024-01-01'",
)


@pytest.mark.parametrize("text", FILTERED)
def test_a_constant_condition_is_enough(text: str) -> None:
    """It is ANDed in the WHERE of the SELECT that names the table."""
    assert refusal("trino", text, _partitioned("trino")) is None


@pytest.mark.parametrize("text", UNFILTERED)
def test_anything_else_is_none(text: str) -> None:
    """What does not surely cut rows off by the partition column is no filter."""
    assert refusal("trino", text, _partitioned("trino")) is Reason.FILTER_REQUIRED


@pytest.mark.parametrize(
    ("dialect", "condition"),
    [
        ("trino", "dt = '2024-01-01'"),
        ("trino", "dt >= date '2024-01-01' and dt < date '2024-02-01'"),
        ("trino", "dt between '2024-01-01' and timestamp '2024-02-01 00:00:00'"),
        ("trino", "dt >= current_date - interval '31' day"),
        ("trino", "dt >= current_date - interval '1' month"),
        ("trino", "dt >= date_add('day', -31, current_date)"),
        ("trino", "dt >= current_date - interval '60' day and dt < current_date - interval '30' day"),
        ("trino", "dt in ('2024-01-01', '2024-02-01')"),
        ("trino", "cast('2024-01-01' as date) <= dt and cast('2024-01-05' as date) >= dt"),
        ("clickhouse", "dt >= toDate('2024-01-01') and dt < toDate('2024-02-01')"),
        ("clickhouse", "dt >= today() - 31"),
        ("clickhouse", "dt >= now() - interval 7 day"),
    ],
)
def test_a_range_within_the_cap(dialect: str, condition: str) -> None:
    """Both ends are known, and not further apart than the policy says."""
    where = f"select id from orders where {condition}"
    assert refusal(dialect, where, _partitioned(dialect, within=31)) is None
    assert refusal(dialect, where, _partitioned(dialect)) is None


@pytest.mark.parametrize(
    ("dialect", "condition"),
    [
        ("trino", "dt >= date '2024-01-01'"),
        ("trino", "dt <= date '2024-01-01'"),
        ("trino", "dt >= date '2024-01-01' and dt < date '2024-02-02'"),
        ("trino", "dt between '2024-01-01' and '2025-01-31'"),
        ("trino", "dt >= current_date - interval '32' day"),
        ("trino", "dt >= current_date - interval '2' month"),
        ("trino", "dt in ('2024-01-01', '2024-02-02')"),
        ("trino", "dt in ('2024-01-01', 'tomorrow')"),
        ("trino", "dt >= date '2024-01-01' and dt < current_date"),
        ("trino", "dt > 20240101 and dt < 20240102"),
        ("trino", "dt >= '2024-01-01' and dt < 'x'"),
        ("trino", "dt >= current_date - interval '1' century"),
        ("clickhouse", "dt >= today() - 32"),
        ("clickhouse", "dt >= subtractDays(today(), 7)"),
    ],
)
def test_a_range_beyond_the_cap(dialect: str, condition: str) -> None:
    """An end that is missing, or that is not written in one of the known ways, is too far."""
    where = f"select id from orders where {condition}"
    assert refusal(dialect, where, _partitioned(dialect, within=31)) is Reason.FILTER_REQUIRED


def test_many_mentions_of_a_partitioned_table() -> None:
    """Each of them is looked at, so there is a bound on their number."""
    from_ = "select 1 from " + ", ".join(f"orders o{n}" for n in range(65))
    assert refusal("trino", from_, _partitioned("trino")) is Reason.STATEMENT_TOO_LARGE


@pytest.mark.parametrize(
    "text",
    [
        "select id from orders limit 10",
        "select id from orders offset 5 limit 10",
        "select id from orders fetch first 5 rows only",
        "select count(*) from orders",
        "select region, sum(id) from orders group by region",
        "select approx_distinct(id) from orders",
        "select * from (select id from orders) limit 5",
        "(select id from orders limit 5)",
        "(select id from orders limit 5) union all select 1",
        "select id from orders union all select id from orders limit 10",
        "select 1",
    ],
)
def test_few_rows(text: str) -> None:
    """A LIMIT of at most ten, an aggregate, or no table at all."""
    own = GuardrailRules(dialect="trino", tables=rules("trino").tables, max_rows=10)
    assert refusal("trino", text, own) is None


@pytest.mark.parametrize(
    "text",
    [
        "select id from orders",
        "select id from orders limit 11",
        "select id from orders limit all",
        "select id from orders limit ?",
        "select id from orders limit 99999999999999999999",
        "select id from orders fetch first 5 rows with ties",
        "select sum(id) over () from orders",
        "select (select count(*) from customers) from orders",
        "select id from orders where id in (select id from customers limit 1)",
        "select id from orders union all select 1",
        "select distinct id from orders",
        "with x as (select id from orders limit 1) select id from orders",
        "prepare p from select id from orders",
        "execute immediate 'select id from orders'",
    ],
)
def test_too_many_rows(text: str) -> None:
    """What bounds a part of the rows, or by a number that is not written, bounds nothing."""
    own = GuardrailRules(dialect="trino", tables=rules("trino").tables, max_rows=10)
    assert refusal("trino", text, own) is Reason.LIMIT_REQUIRED


def test_limit_by_of_clickhouse() -> None:
    """`LIMIT 1 BY region` has as many rows as there are regions."""
    own = GuardrailRules(dialect="clickhouse", tables=rules("clickhouse").tables, max_rows=10)
    text = "select id from orders limit 1 by region"
    assert refusal("clickhouse", text, own) is Reason.LIMIT_REQUIRED
