"""What a real PostgreSQL makes of a scope: every filter, every mask, and everything that is no scope at all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from authz.edge.warehouses.postgres import postgres_files
from authz.policy.policyset import PolicySet
from authz.rendering.targets.postgrest import MAX_ALTERNATIVES
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import OneOf
from authz.scopes.rowfilter import EVERYTHING, RowFilter, Where, any_of, matches, to_json, where
from tests.policies import policy
from tests.scope_strategies import TYPES, Row, filters, rows
from tests.warehouses.postgres_process import PostgresProcess

TYPES_THERE = {
    "region": "varchar(40)",
    "customer": "bigint",
    "amount": "numeric",
    "day": "date",
    "at": "timestamp",
    "active": "boolean",
}
POLICY = f"""
version: 1
issuers: {{okta: {{issuer: https://acme.okta.com, audiences: [a], groups_claim: groups}}}}
assertion: {{issuer: https://edge.example, keys: [signing.pem]}}
dimensions: {{{", ".join(f"{name}: {{type: {kind}}}" for name, kind in TYPES.items())}}}
warehouses:
  lake:
    kind: postgrest
    routes: [{{prefix: /}}]
    upstream: http://127.0.0.1:3000
    tables:
      base.things:
        columns: {{{", ".join(f"{name}: {name}" for name in TYPES)}}}
        labels: {{email: pii, fixed: pii, salary: pii, born: pii, seen: pii}}
      base.some: {{columns: {{region: region}}, unfiltered: [{", ".join(name for name in TYPES if name != "region")}]}}
"""

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(scope="module")
def loaded() -> PolicySet:
    return policy(POLICY)


@pytest.fixture(scope="module")
def database(loaded: PolicySet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresProcess]:
    """Tables as a company has them, and the script of the policy, run twice: it can be run again."""
    with PostgresProcess() as process:
        with process.connect() as connection:
            connection.execute("CREATE SCHEMA base")
            connection.execute(
                "CREATE TABLE base.things (id serial, email varchar(40), fixed char(12), salary numeric, born date,"
                f" seen timestamptz, {', '.join(f'{name} {kind}' for name, kind in TYPES_THERE.items())})"
            )
            connection.execute("CREATE TABLE base.some (id serial, region text)")
        script = tmp_path_factory.mktemp("postgres") / "scopegate.sql"
        script.write_text(postgres_files(loaded, loaded.warehouses["lake"])["scopegate.sql"])
        for _ in range(2):
            done = process.run_file(script)
            assert done.returncode == 0, done.stderr
        with process.connect() as connection:
            connection.execute("CREATE ROLE authenticator LOGIN NOINHERIT IN ROLE scopegate_reader")
        yield process


@pytest.fixture
def connection(database: PostgresProcess) -> Iterator[Connection]:
    """One transaction of the administrator's, rolled back."""
    with database.connect() as made:
        yield made
        made.rollback()


@pytest.fixture
def asked(database: PostgresProcess) -> Iterator[Connection]:
    """As PostgREST is connected, with rows that somebody else has put there."""
    with database.connect() as made:
        _two(made)
    try:
        with database.connect(user="authenticator") as made:
            yield made
            made.rollback()
    finally:
        with database.connect() as made:
            made.execute("DELETE FROM base.things")
            made.execute("DELETE FROM base.some")


def claims(scoped: RowFilter, **changes: Any) -> dict[str, Any]:
    made = {"aud": "lake", "format": 1, "rows": to_json(scoped), "labels": {}}
    return {**made, **changes}


def become(connection: Connection, said: object) -> None:
    """What PostgREST does with a token that it has verified."""
    connection.execute("SET LOCAL ROLE scopegate_reader")
    text = said if isinstance(said, str) else json.dumps(said)
    connection.execute("SELECT set_config('request.jwt.claims', %s, true)", [text])


def ids(connection: Connection, table: str = "things") -> list[int]:
    query = sql.SQL("SELECT id FROM scopegate_api.{} ORDER BY id").format(sql.Identifier(table))
    return [row[0] for row in connection.execute(query).fetchall()]


def fill(connection: Connection, table: list[Row]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, TYPES))
    values = sql.SQL(", ").join(map(sql.Placeholder, TYPES))
    for number, row in enumerate(table):
        connection.execute(
            sql.SQL("INSERT INTO base.things (id, {}) VALUES ({}, {})").format(
                names, sql.Literal(number), values
            ),
            {name: _stored(name, row.get(name)) for name in TYPES},
        )


def _stored(name: str, value: Any) -> Any:
    """The column `at` has no time zone: it holds UTC, as every other warehouse's does."""
    return value.replace(tzinfo=None) if name == "at" and value is not None else value


@settings(max_examples=150, deadline=None)
@given(filters(), st.lists(rows(), min_size=1, max_size=8))
def test_exactly_the_rows_of_the_scope_are_seen(
    database: PostgresProcess, scoped: RowFilter, table: list[Row]
) -> None:
    """Whatever the types, lists, ranges, alternatives and NULLs: as the scope's own meaning says, row by row."""
    if isinstance(scoped, Where) and len(scoped.disjuncts) > MAX_ALTERNATIVES:
        return
    with database.connect() as made:
        fill(made, table)
        become(made, claims(scoped))
        seen = ids(made)
        made.rollback()
    assert seen == [number for number, row in enumerate(table) if matches(scoped, row)]


EU = where({"region": OneOf(("EU",))})


def _two(connection: Connection) -> None:
    connection.execute("INSERT INTO base.things (id, region) VALUES (1, 'EU'), (2, 'US')")
    connection.execute("INSERT INTO base.some (id, region) VALUES (1, 'EU'), (2, 'US')")


@pytest.mark.parametrize(
    "said",
    [
        "",
        "{}",
        {},
        claims(EVERYTHING, aud="other"),
        claims(EVERYTHING, aud=None),
        claims(EVERYTHING, format=2),
        claims(EVERYTHING, format="1"),
        claims(EVERYTHING, rows="none"),
        claims(EVERYTHING, rows=None),
        claims(EVERYTHING, rows=True),
        claims(EVERYTHING, rows={}),
        claims(EVERYTHING, rows=[]),
        claims(EVERYTHING, rows=[{}]),
        claims(EVERYTHING, rows=[None]),
        claims(EVERYTHING, rows=["all"]),
        claims(EVERYTHING, rows=[{"region": None}]),
        claims(EVERYTHING, rows=[{"region": {}}]),
        claims(EVERYTHING, rows=[{"region": {"type": "string"}}]),
        claims(EVERYTHING, rows=[{"region": {"type": "string", "in": []}}]),
        claims(EVERYTHING, rows=[{"region": {"type": "string", "in": "EU"}}]),
        claims(EVERYTHING, rows=[{"region": {"type": "string", "in": ["EU"], "not": ["x"]}}]),
        claims(EVERYTHING, rows=[{"region": {"type": "integer", "in": ["EU"]}}]),
        claims(EVERYTHING, rows=[{"region": {"type": "string", "since": "A"}}]),
        claims(EVERYTHING, rows=[{"region": {"type": "string", "from": "A", "after": "A"}}]),
        claims(EVERYTHING, rows=[{"store": {"type": "string", "in": ["EU"]}}]),
        claims(
            EVERYTHING,
            rows=[{"region": {"type": "string", "in": ["EU"]}, "store": {"type": "string", "in": ["x"]}}],
        ),
        claims(EVERYTHING, rows=[{"region": {"type": "string", "in": ["EU"]}}] * (MAX_ALTERNATIVES + 1)),
    ],
    ids=lambda said: json.dumps(said)[:70],
)
def test_what_is_no_scope_shows_nothing(connection: Connection, said: object) -> None:
    """Nothing said, said to another, unreadable, or more than is looked at."""
    _two(connection)
    become(connection, said)
    assert (ids(connection), ids(connection, "some")) == ([], [])


def test_the_neighbour_of_all_these_shows_its_rows(connection: Connection) -> None:
    """So that they are refused for what is wrong with them."""
    _two(connection)
    become(connection, claims(EU))
    assert (ids(connection), ids(connection, "some")) == ([1], [1])


def test_claims_that_are_no_json_end_the_query(connection: Connection) -> None:
    """An error is an answer without rows."""
    _two(connection)
    become(connection, "{")
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        ids(connection)


def test_a_table_without_a_dimension_is_filtered_by_the_others(connection: Connection) -> None:
    """As the policy says with `unfiltered`."""
    _two(connection)
    become(connection, claims(where({"region": OneOf(("US",)), "customer": OneOf((7,))})))
    assert (ids(connection), ids(connection, "some")) == ([], [2])


SHOWN = {
    ColumnMask.CLEAR: ("ann@example.com", "AB-123456789", 100, "1984-05-06", "2026-02-03 04:05:06+00:00"),
    ColumnMask.LAST4: (".com", "6789", None, None, None),
    ColumnMask.YEAR: (None, None, None, "1984-01-01", "2026-01-01 00:00:00+00:00"),
    ColumnMask.NULL: (None,) * 5,
    ColumnMask.HIDDEN: (None,) * 5,
}


@pytest.mark.parametrize("mask", [*SHOWN, None])
def test_a_column_is_shown_as_its_label_is_treated(connection: Connection, mask: ColumnMask | None) -> None:
    """What a type cannot be shown as is NULL; a label that nobody names is hidden."""
    connection.execute("SET LOCAL TIME ZONE 'UTC'")
    connection.execute(
        "INSERT INTO base.things (id, email, fixed, salary, born, seen) VALUES"
        " (1, 'ann@example.com', 'AB-123456789', 100, '1984-05-06', '2026-02-03 04:05:06+00')"
    )
    become(connection, claims(EVERYTHING, labels={} if mask is None else {"pii": mask.value}))
    [row] = connection.execute("SELECT email, fixed, salary, born, seen FROM scopegate_api.things").fetchall()
    shown = tuple(
        None if value is None else value if isinstance(value, (str, int)) else str(value) for value in row
    )
    expected = SHOWN[ColumnMask.HIDDEN if mask is None else mask]
    assert tuple(map(str, shown)) == tuple(map(str, expected))


def test_hashes_are_equal_for_equal_values_and_keyed(connection: Connection) -> None:
    """People can count and join by them; nobody can compute them from a list of addresses."""
    connection.execute("INSERT INTO base.things (id, email) VALUES (1, 'a@x'), (2, 'a@x'), (3, 'b@x')")
    become(connection, claims(EVERYTHING, labels={"pii": "hash"}))
    first, second, third = (
        row[0] for row in connection.execute("SELECT email FROM scopegate_api.things ORDER BY id").fetchall()
    )
    assert first == second != third
    assert len(first) == 64
    assert first != connection.execute("SELECT encode(sha256('a@x'), 'hex')").fetchone()[0]  # type: ignore[index]


def test_last4_shows_nothing_of_a_value_that_has_no_more_than_four_characters(connection: Connection) -> None:
    """The last four of four would be all of it."""
    connection.execute("INSERT INTO base.things (id, email) VALUES (1, 'a@xy'), (2, 'a@xyz'), (3, NULL)")
    become(connection, claims(EVERYTHING, labels={"pii": "last4"}))
    shown = connection.execute("SELECT email FROM scopegate_api.things ORDER BY id").fetchall()
    assert shown == [("****",), ("@xyz",), (None,)]


def test_a_filter_works_on_what_is_shown(connection: Connection) -> None:
    """Else a client would find a hidden value by asking for it, letter by letter."""
    connection.execute("INSERT INTO base.things (id, email) VALUES (1, 'ann@example.com')")
    become(connection, claims(EVERYTHING, labels={"pii": "last4"}))
    for condition, found in (("email LIKE 'ann%'", 0), ("email = '.com'", 1), ("salary > 0", 0)):
        query = f"SELECT count(*) FROM scopegate_api.things WHERE {condition}"
        assert connection.execute(query).fetchone() == (found,)  # type: ignore[arg-type]


CLOSED = [
    "SELECT * FROM base.things",
    "SELECT email FROM base.things",
    "SELECT * FROM scopegate.hash_key",
    "TABLE base.some",
    "SELECT scopegate_api.things.*, base.some.* FROM scopegate_api.things, base.some",
    "SELECT id FROM scopegate_api.things UNION SELECT id FROM base.things",
    "SELECT id FROM scopegate_api.things WHERE id IN (SELECT id FROM base.things)",
    "WITH things AS (SELECT * FROM base.things) SELECT * FROM things",
    "SELECT query_to_xml('SELECT * FROM base.things', true, true, '')",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY base.things TO STDOUT",
    "INSERT INTO scopegate_api.some (region) VALUES ('EU')",
    "UPDATE scopegate_api.some SET region = 'EU'",
    "DELETE FROM scopegate_api.some",
    "DROP VIEW scopegate_api.some",
    "ALTER TABLE base.things DISABLE ROW LEVEL SECURITY",
    "CREATE OR REPLACE FUNCTION scopegate.everything() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "CREATE FUNCTION scopegate_api.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SET LOCAL ROLE scopegate_owner",
    "SET SESSION AUTHORIZATION admin",
    "SET LOCAL row_security = off; SELECT * FROM base.things",
    "SELECT scopegate.shown('x', 'text', 'pii')",
]


@pytest.mark.parametrize("query", CLOSED)
def test_the_role_can_do_nothing_but_read_the_views(asked: Connection, query: str) -> None:
    """Also with SQL of its own, which PostgREST gives nobody."""
    become(asked, claims(EU))
    assert ids(asked) == [1]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        asked.execute(query)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM scopegate_api.things",
        "SELECT count(*) FROM (SELECT * FROM scopegate_api.things UNION ALL SELECT * FROM scopegate_api.things WHERE false) x",
        "SELECT count(*) FROM scopegate_api.things WHERE region = 'US' OR true",
        "SELECT count(*) FROM scopegate_api.things t WHERE EXISTS (SELECT FROM scopegate_api.things o WHERE o.id <> t.id) OR true",
        "SELECT sum(n) FROM (SELECT count(*) AS n FROM scopegate_api.things GROUP BY region) x",
        "SELECT count(*) FROM scopegate_api.things LEFT JOIN scopegate_api.some USING (region)",
    ],
)
def test_no_question_widens_the_scope(asked: Connection, query: str) -> None:
    """One row of two, however it is asked for."""
    become(asked, claims(EU))
    assert asked.execute(query).fetchone() == (1,)  # type: ignore[arg-type]


def test_a_function_of_the_clients_sees_no_row_outside_the_scope(connection: Connection) -> None:
    """An error or a notice out of a condition would tell what a row holds before it is filtered."""
    _two(connection)
    become(connection, claims(EU))
    # 1/0 for the row that is outside of the scope.
    query = (
        "SELECT count(*) FROM scopegate_api.things WHERE 1 / (CASE region WHEN 'US' THEN 0 ELSE 1 END) = 1"
    )
    assert connection.execute(query).fetchone() == (1,)


def test_the_time_zone_of_the_session_moves_no_row(connection: Connection) -> None:
    """PostgREST lets a client choose it (`Prefer: timezone=`)."""
    connection.execute(
        "INSERT INTO base.things (id, at) VALUES (1, '2026-01-01 00:30:00'), (2, '2025-12-31 23:30:00')"
    )
    become(connection, claims(EU, rows=[{"at": {"type": "timestamp", "from": "2026-01-01T00:00:00Z"}}]))
    for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"):
        connection.execute(sql.SQL("SET LOCAL TIME ZONE {}").format(sql.Literal(zone)))
        assert ids(connection) == [1]


def test_policies_of_others_neither_widen_the_scope_nor_lose_their_rows(
    database: PostgresProcess, loaded: PolicySet, tmp_path: Path
) -> None:
    """A permissive policy for everybody, from before: ours is restrictive, and theirs goes on for them."""
    script = tmp_path / "scopegate.sql"
    script.write_text(postgres_files(loaded, loaded.warehouses["lake"])["scopegate.sql"])
    with database.connect() as made:
        made.execute("CREATE ROLE app NOLOGIN")
        made.execute("GRANT USAGE ON SCHEMA base TO app")
        made.execute("GRANT SELECT ON base.some TO app")
        _two(made)
        made.execute("SET LOCAL ROLE app")
        assert len(made.execute("SELECT * FROM base.some").fetchall()) == 2
        made.execute("RESET ROLE")
        made.execute("CREATE POLICY theirs ON base.some USING (true)")
        become(made, claims(EU))
        assert ids(made, "some") == [1]
        made.rollback()


BREAKS = [
    (
        "ALTER ROLE scopegate_owner BYPASSRLS",
        "ALTER ROLE scopegate_owner NOBYPASSRLS",
        "does not hold for it",
    ),
    (
        "ALTER ROLE scopegate_reader SUPERUSER",
        "ALTER ROLE scopegate_reader NOSUPERUSER",
        "does not hold for it",
    ),
    ("GRANT SELECT ON base.some TO PUBLIC", "REVOKE SELECT ON base.some FROM PUBLIC", "without the view"),
    (
        "GRANT SELECT (id) ON base.some TO PUBLIC",
        "REVOKE SELECT (id) ON base.some FROM PUBLIC",
        "without the view",
    ),
    (
        "ALTER TABLE base.some OWNER TO scopegate_owner",
        "ALTER TABLE base.some OWNER TO admin",
        "for its owner",
    ),
    (
        "ALTER TABLE base.things DROP COLUMN born CASCADE",
        "ALTER TABLE base.things ADD COLUMN born date",
        "which has a label",
    ),
]


@pytest.mark.parametrize(("damage", "repair", "said"), BREAKS)
def test_a_database_in_which_the_policies_would_not_hold_is_refused(
    database: PostgresProcess, loaded: PolicySet, tmp_path: Path, *, damage: str, repair: str, said: str
) -> None:
    """The script ends with an error, and what it had begun is gone."""
    script = tmp_path / "scopegate.sql"
    script.write_text(postgres_files(loaded, loaded.warehouses["lake"])["scopegate.sql"])
    with database.connect(autocommit=True) as made:
        made.execute(damage)  # type: ignore[arg-type]
        try:
            done = database.run_file(script)
        finally:
            made.execute(repair)  # type: ignore[arg-type]
    assert done.returncode == 3
    assert said in done.stderr
    assert database.run_file(script).returncode == 0


def test_alternatives_are_counted_as_the_renderer_counts_them(connection: Connection) -> None:
    """The last one that is sent is looked at."""
    last = any_of(
        where({"region": OneOf((f"r{n}",)), "customer": OneOf((n,))}) for n in range(MAX_ALTERNATIVES)
    )
    assert isinstance(last, Where)
    assert len(last.disjuncts) == MAX_ALTERNATIVES
    for n in range(MAX_ALTERNATIVES):
        connection.execute(
            "INSERT INTO base.things (id, region, customer) VALUES (%s, %s, %s)", [n, f"r{n}", n]
        )
    become(connection, claims(last))
    assert ids(connection) == list(range(MAX_ALTERNATIVES))
