"""A driver of ClickHouse's own through the real Envoy and Scopegate, to a real engine with the rendered row policies."""

from collections.abc import Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from authz.rendering.targets.clickhouse import SETTING
from tests.integration.whole_system import WholeSystem
from tests.warehouses.clickhouse_system import clickhouse_system


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSystem]:
    with clickhouse_system(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


def _regions(system: WholeSystem, person: str, group: str, statement: str) -> list[tuple[object, ...]]:
    client = clickhouse_connect.get_client(
        host="localhost",
        port=system.envoy.port,
        secure=True,
        ca_cert=str(system.directory / "ca.pem"),
        username=person,
        password=system.token(person, group),
    )
    try:
        return [tuple(row) for row in client.query(statement).result_rows]
    finally:
        client.close()


def test_the_driver_sees_its_persons_rows(system: WholeSystem) -> None:
    """With user and password as everybody types them in, the password being the token."""
    statement = "SELECT region, count() FROM sales.orders GROUP BY region ORDER BY region"
    assert _regions(system, "ann", "analysts-emea", statement) == [("EU", 1), ("UK", 1)]
    assert _regions(system, "bob", "analysts-us", statement) == [("US", 2)]
    with pytest.raises(ClickHouseError, match="no_grant"):
        _regions(system, "eve", "nobody", statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count() FROM sales.orders SETTINGS readonly = 0",
        f"SELECT count() FROM sales.orders SETTINGS {SETTING} = 'x'",
        "SELECT count() FROM merge('sales', '.*')",
        "INSERT INTO sales.orders VALUES (9, 'EU')",
        "SELECT * FROM sales.other",
    ],
)
def test_what_a_statement_may_not_ask_the_driver_is_told(system: WholeSystem, statement: str) -> None:
    """And nothing of it reaches the warehouse."""
    with pytest.raises(ClickHouseError):
        _regions(system, "ann", "analysts-emea", statement)
    assert not [seen for seen in system.warehouse.seen if statement.encode() in seen.body]


@pytest.mark.parametrize(
    ("target", "status", "reason"),
    [
        (f"/?{SETTING}=x", 403, "parameter_denied"),
        ("/?readonly=0", 403, "parameter_denied"),
        ("/?user=default&password=", 403, "parameter_denied"),
        ("/?role=admin", 403, "parameter_denied"),
        ("/?query_id=a&query_id=b", 400, "request_ambiguous"),
        ("/play", 404, "route_unknown"),
    ],
)
def test_a_request_says_nothing_of_who_it_is(
    system: WholeSystem, target: str, status: int, reason: str
) -> None:
    """In the driver's own form of an error."""
    statement = b"SELECT count() FROM sales.orders"
    system.warehouse.seen.clear()
    reply = system.ask(target, system.token(), method="POST", body=statement)
    assert reply.status == status, reply
    assert reason in reply.body.decode()
    assert system.warehouse.seen == []


def test_a_clients_own_user_and_key_do_not_arrive(system: WholeSystem) -> None:
    """The warehouse knows one user, whose key the edge has."""
    headers = [("x-clickhouse-user", "default"), ("x-clickhouse-key", "x"), ("x-clickhouse-quota", "q")]
    system.warehouse.seen.clear()
    reply = system.ask(
        "/", system.token(), method="POST", body=b"SELECT count() FROM sales.orders", headers=headers
    )
    assert (reply.status, reply.body) == (200, b"2\n")
    (seen,) = system.warehouse.seen
    assert seen.values("x-clickhouse-quota") == []
    assert seen.values("authorization") == []
