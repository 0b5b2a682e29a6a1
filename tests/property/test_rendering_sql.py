"""SQL predicates: executed, they select what `matches` says; parsed back, they are what was built."""

from collections.abc import Iterator
from itertools import pairwise

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from authz.errors import Denied, Reason
from authz.rendering.dialects import DIALECTS, TARGETS
from authz.rendering.sql import predicate
from authz.scopes.constraints import OneOf, one_of
from authz.scopes.rowfilter import RowFilter, any_of, matches, where
from authz.scopes.values import Value, ValueType
from tests.scope_strategies import TYPES, Row, constraints, filters, grants, rows, texts

COLUMNS = {name: f"{name} Of It" for name in TYPES}
"""Column names that need their quotes."""

_KNOWN = {
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.In, exp.Is, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Neg, exp.Null,
    exp.Column, exp.Identifier, exp.Literal, exp.National, exp.Boolean, exp.Collate, exp.Cast, exp.DataType,
    exp.DataTypeParam,
}  # fmt: skip
"""Every kind of node that a predicate is made of."""

_SQL_TYPES = {
    ValueType.STRING: "VARCHAR",
    ValueType.INTEGER: "BIGINT",
    ValueType.DECIMAL: "DECIMAL(18, 4)",
    ValueType.DATE: "DATE",
    ValueType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    ValueType.BOOLEAN: "BOOLEAN",
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A real DuckDB with one table of all types."""
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        definition = ", ".join(f'"{COLUMNS[name]}" {_SQL_TYPES[type_]}' for name, type_ in TYPES.items())
        connection.execute(f"CREATE TABLE data (serial INTEGER, {definition})")
        yield connection


def _fill(connection: duckdb.DuckDBPyConnection, table: list[Row]) -> None:
    connection.execute("DELETE FROM data")
    places = ", ".join("?" * (len(TYPES) + 1))
    for serial, row in enumerate(table):
        connection.execute(f"INSERT INTO data VALUES ({places})", [serial, *(row[name] for name in TYPES)])


@settings(max_examples=60, deadline=None)
@given(filters(tuple(TYPES)) | grants(), st.lists(rows(), min_size=1, max_size=6))
def test_duckdb_selects_what_matches_says(
    connection: duckdb.DuckDBPyConnection, scope: RowFilter, table: list[Row]
) -> None:
    """All types, NULLs, and texts full of quotes, backslashes, comments and Unicode quotes."""
    _fill(connection, table)
    found = connection.execute(
        f"SELECT serial FROM data WHERE {predicate(scope, COLUMNS, 'duckdb')}"
    ).fetchall()
    expected = {serial for serial, row in enumerate(table) if matches(scope, row)}
    assert {serial for (serial,) in found} == expected


@settings(max_examples=60, deadline=None)
@given(filters(("region", "customer")), st.lists(rows(), min_size=1, max_size=6))
def test_a_predicate_can_stand_beside_another_condition(
    connection: duckdb.DuckDBPyConnection, scope: RowFilter, table: list[Row]
) -> None:
    """`false AND <predicate>` is false: an OR inside never gets out."""
    _fill(connection, table)
    text = predicate(scope, COLUMNS, "duckdb")
    assert connection.execute(f"SELECT 1 FROM data WHERE 1 = 0 AND {text}").fetchall() == []
    negated = connection.execute(f"SELECT serial FROM data WHERE NOT {text}").fetchall()
    assert not {serial for (serial,) in negated} & {n for n, row in enumerate(table) if matches(scope, row)}


@settings(max_examples=200, deadline=None)
@given(texts, texts)
def test_a_hostile_text_selects_itself_only(
    connection: duckdb.DuckDBPyConnection, wanted: str, stored: str
) -> None:
    """Whatever is in it."""
    text = predicate(where({"region": OneOf((wanted,))}), {"region": "v"}, "duckdb")
    assert connection.execute(f"SELECT {text} FROM (SELECT ? AS v)", [stored]).fetchone() == (
        wanted == stored,
    )


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=60, deadline=None)
@given(scope=filters(tuple(TYPES)) | grants())
def test_a_predicate_parses_back_to_one_expression_with_the_same_literals(
    dialect: str, scope: RowFilter
) -> None:
    """No value ends its literal, in any dialect; and nothing but comparisons of our columns is there."""
    try:
        text = predicate(scope, COLUMNS, dialect)
    except Denied as denied:
        _check_refusal(denied, dialect, scope)
        return
    parsed = sqlglot.parse(text, dialect=TARGETS[dialect].sqlglot)
    assert len(parsed) == 1
    expression = parsed[0]
    assert expression is not None
    assert not expression.comments
    assert expression.sql(dialect=TARGETS[dialect].sqlglot) == text
    assert {column.name for column in expression.find_all(exp.Column)} <= set(COLUMNS.values())
    assert {type(node) for node in expression.walk()} <= _KNOWN
    assert sorted(_texts_of(expression)) == sorted(_texts_in(scope))


def _texts_of(expression: exp.Expr) -> list[str]:
    """The text literals of an expression, without those inside casts."""
    return [
        node.this
        for node in expression.find_all(exp.Literal, exp.National)
        if (isinstance(node, exp.National) or node.is_string) and node.find_ancestor(exp.Cast) is None
    ]


def _texts_in(scope: RowFilter) -> list[str]:
    found: list[str] = []
    for disjunct in getattr(scope, "disjuncts", ()):
        for _, constraint in disjunct:
            bounds = constraint.values if isinstance(constraint, OneOf) else (constraint.low, constraint.high)
            found += [value for value in bounds if isinstance(value, str)]
    return found


def _check_refusal(denied: Denied, dialect: str, scope: RowFilter) -> None:
    assert denied.reason is Reason.SCOPE_NOT_EXPRESSIBLE
    target = TARGETS[dialect]
    refused = target.refused_text is not None and any(
        target.refused_text in text for text in _texts_in(scope)
    )
    ranges = target.text_order is None and any(
        name == "region" and not isinstance(constraint, OneOf)
        for disjunct in getattr(scope, "disjuncts", ())
        for name, constraint in disjunct
    )
    assert refused or ranges


def _read_with_backslashes(literal: str) -> str:
    """What a lexer with backslash escapes and doubled quotes reads: MySQL, ClickHouse, Snowflake, BigQuery, Spark."""
    assert literal[0] == "'"
    text, at = "", 1
    while literal[at] != "'" or literal[at : at + 2] == "''":
        if literal[at] in "\\'":
            at += 1
        text += literal[at]
        at += 1
    assert at == len(literal) - 1, "the literal ended early"
    return text


def _read_plainly(literal: str) -> str:
    assert literal[0] == literal[-1] == "'"
    inner = literal[1:-1]
    assert "'" not in inner.replace("''", ""), "the literal ended early"
    return inner.replace("''", "'")


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=200, deadline=None)
@given(text=texts)
def test_a_lexer_that_is_not_sqlglot_reads_the_same_text(dialect: str, text: str) -> None:
    """Parsing back with the library that wrote it would not find a mistake that it makes twice."""
    try:
        rendered = predicate(where({"region": OneOf((text,))}), {"region": "v"}, dialect)
    except Denied:
        assert TARGETS[dialect].refused_text in text  # type: ignore[operator]
        return
    literal = rendered.partition(" = ")[2].removeprefix("N")
    escapes = dialect in {"mysql", "clickhouse", "snowflake", "bigquery", "databricks"}
    assert (_read_with_backslashes if escapes else _read_plainly)(literal) == text


@pytest.mark.parametrize("dialect", ["bigquery", "databricks"])
@settings(max_examples=100, deadline=None)
@given(text=texts)
def test_quotes_are_never_doubled_where_that_joins_two_literals(dialect: str, text: str) -> None:
    """In Spark `'it''s'` is `its`, in BigQuery an error: there a quote takes a backslash."""
    try:
        literal = predicate(where({"region": OneOf((text,))}), {"region": "v"}, dialect).partition(" = ")[2]
    except Denied:
        assert "${" in text
        return
    for before, quote in pairwise(literal[1:-1]):
        assert quote != "'" or before == "\\"


@settings(max_examples=60, deadline=None)
@given(st.lists(constraints(ValueType.STRING), min_size=1, max_size=3), texts)
def test_text_is_ordered_by_code_point_in_duckdb(
    connection: duckdb.DuckDBPyConnection, parts: list[object], stored: str
) -> None:
    """As `matches` orders it: ranges of text mean the same."""
    scope = any_of(where({"region": part}) for part in parts)  # type: ignore[dict-item]
    text = predicate(scope, {"region": "v"}, "duckdb")
    row: dict[str, Value | None] = {"region": stored}
    assert connection.execute(f"SELECT {text} FROM (SELECT ? AS v)", [stored]).fetchone() == (
        matches(scope, row),
    )


def test_a_thousand_values_and_many_alternatives_parse_back() -> None:
    """No recursion limit in the way."""
    scope = any_of(
        where({"region": one_of([f"r{n}-{m}" for m in range(5)]), "customer": OneOf((n,))}) for n in range(60)
    )
    for dialect in DIALECTS:
        text = predicate(scope, COLUMNS, dialect)
        assert len(sqlglot.parse(text, dialect=TARGETS[dialect].sqlglot)) == 1
