"""Properties of guardrails: what they let through, real DuckDB does not take from a hidden column."""

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from authz.errors import Denied
from authz.guardrails.dialects import DIALECTS
from authz.guardrails.examine import examine, refuse_hidden
from authz.guardrails.rules import Examined, GuardrailRules, Session, Unparsed
from tests import sql_strategies

RULES = GuardrailRules(dialect="duckdb", tables=frozenset({"customers", "orders"}))
HIDDEN = {("customers",): frozenset({"email"})}

_EMAILS = (("a@x", "b@x", "c@x", "a@x"), (None, "z@y", "a@y", "c@y"))


def _database(emails: tuple[str | None, ...]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    connection.execute("SET threads = 1")
    connection.execute("CREATE TABLE customers (id INTEGER, email VARCHAR, name VARCHAR, region VARCHAR)")
    connection.execute("CREATE TABLE orders (id INTEGER, email VARCHAR, amount INTEGER)")
    for number, email in enumerate(emails):
        connection.execute("INSERT INTO customers VALUES (?, ?, ?, ?)", [number, email, f"n{number}", "EU"])
        connection.execute("INSERT INTO orders VALUES (?, ?, ?)", [number, "b@x", number * 10])
    return connection


@pytest.fixture(scope="module")
def databases() -> Iterator[tuple[duckdb.DuckDBPyConnection, ...]]:
    """Two that differ in the hidden column alone."""
    both = tuple(_database(emails) for emails in _EMAILS)
    yield both
    for one in both:
        one.close()


def _answer(database: duckdb.DuckDBPyConnection, statement: str) -> object:
    try:
        return sorted(map(repr, database.execute(statement).fetchall()))
    except duckdb.Error as error:
        return type(error).__name__


def _allowed(statement: str) -> Examined | None:
    try:
        examined = examine(statement, RULES, Session())
        refuse_hidden(examined, HIDDEN)
    except Denied:
        return None
    return examined


@settings(
    max_examples=600, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None
)
@given(statement=sql_strategies.queries)
def test_an_allowed_statement_answers_the_same_whatever_the_hidden_column_holds(
    statement: str, databases: tuple[duckdb.DuckDBPyConnection, ...]
) -> None:
    """No way to name a column, its table or its row gets the hidden values, or anything that depends on them."""
    examined = _allowed(statement)
    event("allowed" if examined else "denied")
    assume(examined is not None)
    one, other = databases
    answer = _answer(one, statement)
    event(f"answered: {isinstance(answer, list)}")
    assert answer == _answer(other, statement)


@settings(
    max_examples=300, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None
)
@given(statement=sql_strategies.queries)
def test_the_tables_found_are_those_that_another_parser_finds(
    statement: str, databases: tuple[duckdb.DuckDBPyConnection, ...]
) -> None:
    """DuckDB's own parser names no table that the examination has not named."""
    try:
        examined = examine(statement, RULES, Session())
    except Denied:
        assume(False)
        return
    try:
        found = databases[0].get_table_names(statement)
    except duckdb.Error:
        return
    assert {name.lower() for name in found} <= {table[-1] for table in examined.tables}


_PIECES = st.sampled_from(
    (
        "SELECT ", "FROM ", "customers", "orders", "email", "*", "(", ")", "'", '"', "`", "--", "/*", "*/", ";", "\\", "$$", "{", "}", "[", "]",
        "WITH x AS ", "UNION ", "\n", "\r", "\x00", "U&'", "E'", "#", "{{", "{%", "CASE ", "END ", ",", ".", "1", "::", "->", "EXPLAIN ", "SHOW ",
        "EXECUTE IMMEDIATE ", "PREPARE p FROM ", "USING ", "SETTINGS a=1", "FORMAT JSON", "INTO OUTFILE 'x'", "\u00a0", "\u2028", "\ud800", "\uff41",
        "NOT ", "-", "map(", "array[", "row(", "DESCRIBE ", "LATERAL ", "IN ", "?", "COLUMNS(", "|>",
    )
)  # fmt: skip


@settings(max_examples=500)
@given(
    text=st.lists(_PIECES, max_size=30).map("".join) | st.text(max_size=60),
    dialect=st.sampled_from(sorted(DIALECTS)),
    unparsed=st.sampled_from(Unparsed),
)
def test_hostile_text_is_denied_or_examined(text: str, dialect: str, unparsed: Unparsed) -> None:
    """No text at all ends in another exception, and none that is let through names what is not allowed."""
    rules = GuardrailRules(dialect=dialect, tables=frozenset({"a.b.c", "b.c", "orders"}), unparsed=unparsed)
    try:
        examined = examine(text, rules, Session(catalog="a", schema="b"))
    except Denied:
        return
    assert isinstance(examined, Examined)
    assert len(examined.fingerprint) == 32
