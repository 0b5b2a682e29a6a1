"""Trino's own OPA plugin and Scopegate: what people see who log in at Trino itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.scopegate_server import eventually
from tests.warehouses import acme
from tests.warehouses.opa_system import LOADER, OpaSystem, TrinoError, opa_system

ORDERS = list(acme.orders())
GROUPS = {**acme.PEOPLE, "lara": "late"}
ZONES = ("UTC", "Pacific/Kiritimati", "America/Los_Angeles")


@pytest.fixture(scope="module")
def system() -> Iterator[OpaSystem]:
    with opa_system(GROUPS) as started:
        yield started


def ids(person: str) -> list[int]:
    return [order.id for order in ORDERS if acme.may_see(person, order)]


def seen(system: OpaSystem, person: str, table: str = "orders", **headers: str) -> list[int]:
    return [row[0] for row in system.query(person, f"SELECT id FROM {table} ORDER BY id", **headers)]


@pytest.mark.parametrize("person", acme.PEOPLE)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("table", ["orders", "zoned"])
def test_each_person_sees_exactly_their_rows(system: OpaSystem, person: str, zone: str, table: str) -> None:
    """As the policy says in plain words, and whatever zone a client says its session has."""
    assert 0 < len(ids(person)) < len(ORDERS)
    assert seen(system, person, table, time_zone=zone) == ids(person)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("table", ["orders", "zoned"])
def test_moments_are_compared_to_the_microsecond(system: OpaSystem, zone: str, table: str) -> None:
    """In columns with a zone and without; a bound that were rounded would let in what is 0.6 ms too early."""
    for when, zoned in (("00.000599", 9_001), ("00.000600", 9_002)):
        for of in ("orders", "zoned"):
            suffix = " UTC" if of == "zoned" else ""
            known = system.query(LOADER, f"SELECT count(*) FROM {of} WHERE id = {zoned}")
            if known == [[0]]:
                system.query(
                    LOADER,
                    f"INSERT INTO {of} (id, region, seen_at) VALUES ({zoned}, 'ZZ', TIMESTAMP '2026-01-02 00:00:{when}{suffix}')",
                )
    late = [order.id for order in ORDERS if order.seen_at.day >= 2 or order.seen_at.month > 1]
    assert 0 < len(late) < len(ORDERS)
    assert seen(system, "lara", table, time_zone=zone) == [*late, 9_002]


def test_masks_and_hidden_columns(system: OpaSystem) -> None:
    """The last four, a year, NULL; a hash is closed like what is hidden, and `*` leaves both out."""
    first = next(order for order in ORDERS if acme.may_see("emma", order))
    row = system.query("emma", f"SELECT card, born, amount FROM orders WHERE id = {first.id}")
    assert row == [[f"{first.id:04d}", f"{first.ordered_at.year}-01-01", f"{first.amount:.2f}"]]
    (all_of_it,) = system.query("emma", f"SELECT * FROM orders WHERE id = {first.id}")
    assert first.email not in all_of_it
    assert len(all_of_it) == 7
    assert {row[0] for row in system.query("carlos", "SELECT amount FROM orders")} == {None}
    assert {row[0] for row in system.query("uma", "SELECT email FROM orders")} <= {o.email for o in ORDERS}
    for person in ("emma", "carlos"):
        for statement in (
            "SELECT email FROM orders",
            "SELECT id FROM orders WHERE email LIKE 'customer-1%'",
            "SELECT count(DISTINCT email) FROM orders",
            "SELECT id FROM orders ORDER BY email",
            "SELECT o.id FROM orders o JOIN orders p ON o.email = p.email",
        ):
            with pytest.raises(TrinoError, match="Cannot select from columns"):
                system.query(person, statement)


def test_a_table_without_a_dimension_is_filtered_by_the_others(system: OpaSystem) -> None:
    """And one that has none is everybody's."""
    assert {row[0] for row in system.query("uma", "SELECT region FROM targets")} == {"US", "JP"}
    assert system.query("carlos", "SELECT count(*) FROM days") == [[31]]


def test_metadata_is_what_is_open(system: OpaSystem) -> None:
    """As the drivers read it."""
    assert system.query("emma", "SHOW CATALOGS") == [["lake"]]
    shown = {row[0] for row in system.query("emma", "SHOW TABLES")}
    assert shown == {"orders", "zoned", "targets", "days", "shown"}
    columns = {row[0] for row in system.query("carlos", "SHOW COLUMNS FROM orders")}
    assert columns == {"id", "region", "ordered_at", "amount", "card", "born", "seen_at"}
    listed = system.query(
        "emma",
        "SELECT table_name FROM system.jdbc.tables WHERE table_cat = 'lake' AND table_schem = 'sales'",
    )
    assert {row[0] for row in listed} == shown


NOTHING = [
    "SELECT * FROM secrets",
    "SELECT secret FROM shown",
    "SELECT * FROM orders UNION ALL SELECT 1, secret, DATE '2025-01-01', 1, 'x', DATE '2025-01-01', now() FROM secrets",
    "SELECT (SELECT max(secret) FROM secrets)",
    "TABLE secrets",
    "SELECT * FROM system.runtime.queries",
    "SELECT * FROM system.metadata.table_comments",
    "SHOW CREATE TABLE orders",
    "CREATE TABLE mine AS SELECT * FROM orders",
    "CREATE VIEW mine AS SELECT * FROM orders",
    "INSERT INTO days VALUES DATE '2030-01-01'",
    "DELETE FROM days",
    "UPDATE days SET day = DATE '2030-01-01'",
    "TRUNCATE TABLE days",
    "DROP TABLE days",
    "SET SESSION query_max_run_time = '1h'",
    "SET TIME ZONE 'Pacific/Kiritimati'",
    "SET SESSION AUTHORIZATION loader",
    "CALL system.runtime.kill_query('x', 'y')",
    "GRANT SELECT ON secrets TO USER emma",
    "EXECUTE IMMEDIATE 'SELECT * FROM secrets'",
    "SHOW STATS FOR secrets",
    "DESCRIBE secrets",
    "ANALYZE orders",
    "CREATE FUNCTION lake.sales.f(x bigint) RETURNS bigint RETURN x",
]


SESSION = {"SET TIME ZONE 'Pacific/Kiritimati'"}
"""Whose effect the client would have to bring along: the next request is the one that is asked about."""


@pytest.mark.parametrize("statement", NOTHING)
def test_what_is_closed_gives_nothing(system: OpaSystem, statement: str) -> None:
    """Reading what is open is all that anybody may."""
    if statement in SESSION:
        assert system.query("emma", statement) == []
        return
    with pytest.raises(TrinoError) as caught:
        system.query("emma", statement)
    assert "canary" not in str(caught.value)


WIDER = [
    "SELECT count(*) FROM orders",
    "SELECT count(*) FROM orders WHERE region = 'US' OR true",
    "SELECT count(*) FROM (SELECT id FROM orders UNION ALL SELECT id FROM orders WHERE false)",
    "WITH orders AS (SELECT id FROM lake.sales.orders) SELECT count(*) FROM orders",
    "SELECT count(*) FROM orders o LEFT JOIN days ON false",
    "SELECT count(*) FROM orders TABLESAMPLE BERNOULLI (100)",
    "SELECT count(*) FROM TABLE(exclude_columns(TABLE(orders), DESCRIPTOR(amount)))",
    "WITH FUNCTION typeof(x date) RETURNS varchar RETURN 'x with time zone' SELECT count(*) FROM orders",
    "WITH FUNCTION typeof(x bigint) RETURNS varchar RETURN typeof(x) SELECT count(*) FROM orders",
]


@pytest.mark.parametrize("person", ["emma", "carlos"])
@pytest.mark.parametrize("statement", WIDER)
def test_no_question_widens_a_scope(system: OpaSystem, person: str, statement: str) -> None:
    """However it is asked, also with functions of one's own by the names of those in a filter."""
    try:
        rows = system.query(person, statement, path="lake.sales")
    except TrinoError:
        return
    assert rows == [[len(ids(person))]]


def test_nobody_is_somebody_else(system: OpaSystem) -> None:
    """Neither a stranger, nor who has another's name in a header, nor who sets a session."""
    for user, headers in (
        ("zoe", {}),
        ("loader2", {}),
        ("emma", {"original_user": "zoe"}),
        ("emma", {"session": "query_max_run_time=1h"}),
        ("emma", {"session": "time_zone_id=Pacific/Kiritimati"}),
    ):
        with pytest.raises(TrinoError):
            system.query(user, "SELECT id FROM orders", **headers)
    assert seen(system, "emma", client_tags="admin", extra_credential="scope=x") == ids("emma")


def test_each_question_has_its_record(system: OpaSystem) -> None:
    """With who, what and on which tables; the person's name is a subject of the issuer."""
    before = len(system.records())
    system.query("emma", "SELECT id FROM orders")
    eventually(lambda: len(system.records()) > before + 4)
    new = system.records()[before:]
    asked = {record["asked"]["statement"]["kind"] for record in new}
    assert asked >= {"ExecuteQuery", "SelectFromColumns", "GetRowFilters", "GetColumnMask"}
    actors: set[Any] = {(r["actor"]["issuer"], r["actor"]["subject"], *r["actor"]["methods"]) for r in new}
    assert actors == {("okta", "emma", "warehouse")}


def test_every_question_of_the_plugin_is_one_that_is_known(system: OpaSystem) -> None:
    """What a real plugin has asked in all these tests: none of it was refused as malformed."""
    assert len(system.relay.seen) > 100
    assert not [record for record in system.records() if record["reason"].startswith("request_")]


def test_without_scopegate_nothing_is_read(system: OpaSystem) -> None:
    """Last, because it does not come back: an error, and never an answer without filters."""
    system.scopegate.close()
    with pytest.raises((TrinoError, OSError)):
        system.query("emma", "SELECT id FROM orders")
