"""SQL predicates: what is refused, and what each dialect is written like."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from authz.errors import Denied, Reason
from authz.rendering.sql import DIALECTS, predicate
from authz.scopes.constraints import Between, Constraint, OneOf
from authz.scopes.rowfilter import EVERYTHING, NOTHING, any_of, where

AT = datetime(2025, 10, 19, 8, tzinfo=UTC)


def _predicate(constraint: Constraint, dialect: str, column: str = "c") -> str:
    return predicate(where({"d": constraint}), {"d": column}, dialect)


@pytest.mark.parametrize("dialect", ["ansi", "mysql", "tsql"])
def test_a_range_of_text_is_refused_where_the_collation_orders(dialect: str) -> None:
    """`b` lies between `A` and `M` in many of them."""
    with pytest.raises(Denied) as caught:
        _predicate(Between(low="A", high="M"), dialect)
    assert caught.value.reason is Reason.SCOPE_NOT_EXPRESSIBLE


@pytest.mark.parametrize(
    ("dialect", "text"), [("databricks", "${env:HOME}"), ("ansi", "DOMAIN\\user"), ("ansi", "\\' OR 1=1 --")]
)
def test_text_that_may_be_read_differently_is_refused(dialect: str, text: str) -> None:
    """Spark replaces variables inside literals; `ansi` may be the wrong name for a dialect with backslash escapes."""
    with pytest.raises(Denied) as caught:
        _predicate(OneOf((text,)), dialect)
    assert caught.value.reason is Reason.SCOPE_NOT_EXPRESSIBLE
    assert text not in caught.value.detail
    assert _predicate(OneOf((text.replace("\\", "/").replace("$", "S"),)), dialect)


@pytest.mark.parametrize("day", [date(1899, 12, 31), date(2300, 1, 1)])
def test_a_date_that_clickhouse_would_move_is_refused(day: date) -> None:
    """It takes the nearest that it knows."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for constraint in (OneOf((day,)), Between(low=day), OneOf((moment,)), Between(high=moment)):
        with pytest.raises(Denied, match="all that this dialect knows"):
            _predicate(constraint, "clickhouse")
    assert _predicate(OneOf((date(1900, 1, 1), date(2299, 12, 31))), "clickhouse")


@pytest.mark.parametrize("column", ["", 'a"b', "a`b", "a]b", "a\\b", "a'b", "a;b", "a\nb"])
def test_a_column_that_cannot_be_quoted_is_refused(column: str) -> None:
    """Such a name is a mistake in the policy."""
    for dialect in DIALECTS:
        with pytest.raises(Denied, match="cannot be quoted"):
            _predicate(OneOf((1,)), dialect, column)


def test_a_dimension_without_a_column_is_refused() -> None:
    """Leaving its constraint out would select more."""
    with pytest.raises(Denied, match="dimension `d` has no column"):
        predicate(where({"d": OneOf((1,))}), {}, "duckdb")


def test_an_unknown_dialect_is_refused() -> None:
    """Guessing how it quotes is how injections begin."""
    with pytest.raises(Denied, match="unknown SQL dialect `oracle`"):
        predicate(EVERYTHING, {}, "oracle")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_everything_and_nothing_need_no_booleans(dialect: str) -> None:
    """SQL Server has none."""
    assert predicate(NOTHING, {}, dialect) == "1 = 0"
    assert predicate(EVERYTHING, {}, dialect) == "1 = 1"


@pytest.mark.parametrize(
    ("dialect", "constraint", "expected"),
    [
        ("ansi", OneOf(("O'Brien",)), "\"c\" = 'O''Brien'"),
        ("postgres", OneOf(("\\",)), "\"c\" = '\\'"),
        ("mysql", OneOf(("\\'",)), "`c` = '\\\\'''"),
        ("snowflake", OneOf(("\\'",)), "\"c\" = '\\\\\\''"),
        ("bigquery", OneOf(("\\'",)), "`c` = '\\\\\\''"),
        ("databricks", OneOf(("\\'",)), "`c` = '\\\\\\''"),
        ("clickhouse", OneOf(("\\'",)), "\"c\" = '\\\\'''"),
        ("tsql", OneOf(("A", "\u00e9", "\u02bc")), "[c] IN ('A', N'\u00e9', N'\u02bc')"),
        ("tsql", OneOf((True,)), "[c] = 1"),
        ("tsql", OneOf((False, True)), "NOT [c] IS NULL"),
        ("duckdb", OneOf((False, True)), 'NOT "c" IS NULL'),
        ("duckdb", OneOf((True,)), '"c" = TRUE'),
        ("duckdb", OneOf((-5, 3)), '"c" IN (-5, 3)'),
        ("duckdb", OneOf((Decimal("-12.50"),)), "\"c\" = CAST('-12.50' AS DECIMAL(4, 2))"),
        ("duckdb", OneOf((Decimal("0.001"),)), "\"c\" = CAST('0.001' AS DECIMAL(3, 3))"),
        ("bigquery", OneOf((Decimal("1.5"),)), "`c` = CAST('1.5' AS BIGNUMERIC)"),
        ("postgres", Between(low="a", high="b", high_open=True), '("c" COLLATE "C" >= \'a\' AND "c" COLLATE "C" < \'b\')'),
        ("duckdb", Between(low=1), '"c" >= 1'),
        ("duckdb", Between(low=date(2025, 10, 19), high=date(2026, 11, 23)), "(\"c\" >= CAST('2025-10-19' AS DATE) AND \"c\" <= CAST('2026-11-23' AS DATE))"),
        ("clickhouse", Between(low=date(2025, 10, 19)), "\"c\" >= CAST('2025-10-19' AS Date32)"),
        ("clickhouse", Between(high=AT, high_open=True), "\"c\" < CAST('2025-10-19 08:00:00.000000' AS DateTime64(6, 'UTC'))"),
        ("mysql", Between(low=AT, low_open=True), "`c` > CAST('2025-10-19 08:00:00.000000' AS DATETIME(6))"),
        ("trino", Between(low=AT), "\"c\" >= CAST('2025-10-19 08:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE)"),
        ("tsql", Between(low=AT), "[c] >= CAST('2025-10-19 08:00:00.000000+00:00' AS DATETIMEOFFSET)"),
        ("bigquery", Between(low=AT), "`c` >= CAST('2025-10-19 08:00:00.000000+00:00' AS TIMESTAMP)"),
        ("snowflake", Between(low=AT), "\"c\" >= CAST('2025-10-19 08:00:00.000000+00:00' AS TIMESTAMPTZ)"),
    ],
)  # fmt: skip
def test_each_dialect_is_written_in_its_own_words(
    dialect: str, constraint: Constraint, expected: str
) -> None:
    """Typed literals, quoted identifiers."""
    assert _predicate(constraint, dialect) == expected


def test_alternatives_stand_in_parentheses() -> None:
    """`active AND a OR b` would let every `b` through."""
    rows = any_of([where({"a": OneOf((1,)), "b": OneOf((2,))}), where({"a": OneOf((3,))})])
    assert predicate(rows, {"a": "x", "b": "y"}, "duckdb") == '(("x" = 1 AND "y" = 2) OR "x" = 3)'


def test_what_python_takes_for_equal_is_written_apart() -> None:
    """`1`, `true` and `1.0` are equal to Python, so whatever remembers by value would give one for the other."""
    written = [_predicate(OneOf((value,)), "duckdb") for value in (1, True, Decimal(1), "1")]
    assert len(set(written)) == 4
    assert written == [_predicate(OneOf((value,)), "duckdb") for value in (1, True, Decimal(1), "1")]


def test_a_filter_is_written_for_the_columns_and_the_dialect_that_are_asked_for() -> None:
    rows = where({"d": OneOf(("A\\B",))})
    asked = [({"d": "c"}, "mysql"), ({"d": "other"}, "mysql"), ({"d": "c"}, "duckdb")]
    assert len({predicate(rows, columns, dialect) for columns, dialect in asked}) == 3


def test_a_filter_longer_than_what_is_remembered_is_written_whole() -> None:
    values = tuple(f"region-{number:05}" for number in range(2_000))
    assert all(f"'{value}'" in _predicate(OneOf(values), "duckdb") for value in values)
