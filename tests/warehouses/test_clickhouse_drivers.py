"""A driver of ClickHouse's own through the real Envoy and Scopegate, to a real engine with the rendered row policies.

The engine has no HTTP server of its own here: one of a few lines passes on what the real one would, and what the real one
would refuse it refuses.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from authz.config.load import load_policy
from authz.rendering.targets.clickhouse import SETTING, USER
from tests.edge_counterparts import Answer, Seen
from tests.integration.whole_system import WholeSystem, whole_system
from tests.warehouses.clickhouse_engine import Asked, engine

if TYPE_CHECKING:
    from pathlib import Path

KEY = "the-warehouses-own-key"
POLICY = """\
version: 1
edge:
  certificate: {directory}/server.crt
  private_key: {directory}/server.key
  scopegate: [{sockets}]
  admin: unix:{directory}/admin.sock
  per_address: 100000/s
issuers:
  okta: {{issuer: "{issuer}", audiences: ["{audience}"], groups_claim: groups, jwks_file: "{directory}/jwks.json"}}
dimensions:
  region: {{type: string}}
warehouses:
  events:
    kind: clickhouse
    routes: [{{prefix: /}}]
    upstream: "{upstream}"
    upstream_api_key_file: {directory}/clickhouse.key
    credentials: [bearer, {{basic: sub}}]
    tables:
      sales.orders: {{columns: {{region: region}}}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: all, scope: {{region: [EU, UK]}}}}
  - {{id: us, to: {{groups: [analysts-us]}}, on: all, scope: {{region: [US]}}}}
"""
SETUP = [
    "CREATE DATABASE sales",
    "CREATE TABLE sales.orders (id UInt32, region String) ENGINE = MergeTree ORDER BY id",
    "INSERT INTO sales.orders VALUES (1, 'EU'), (2, 'UK'), (3, 'US'), (4, 'US'), (5, '')",
]


class Server:
    """What ClickHouse's HTTP side does with a request."""

    def __init__(self, connection: str) -> None:
        self._connection = connection

    def __call__(self, seen: Seen) -> Answer:
        if seen.values("x-clickhouse-user") != [USER] or seen.values("x-clickhouse-key") != [KEY]:
            return Answer(status=403, body=b"Code: 516. DB::Exception: Authentication failed.")
        told = parse_qsl(urlsplit(seen.target).query, keep_blank_values=True, strict_parsing=True)
        assert [name for name, _ in told[:2]] == [SETTING, "readonly"], told
        facts = dict(told)
        assert facts["readonly"] == "1"
        assert len(facts) == len(told)
        formats = seen.values("x-clickhouse-format") or [facts.get("default_format", "TabSeparated")]
        asked = Asked(self._connection, facts[SETTING].strip("'"))
        try:
            body = asked.bytes(seen.body.decode() or facts["query"], formats[0])
        except RuntimeError as error:
            return Answer(status=500, body=str(error).encode())
        finally:
            asked.close()
        return Answer(
            headers=(("x-clickhouse-format", formats[0]), ("x-clickhouse-timezone", "UTC")), body=body
        )


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSystem]:
    with whole_system(
        policy_text=POLICY,
        prepare=lambda directory, _: (directory / "clickhouse.key").write_text(KEY) and None,
    ) as running:
        policy = load_policy(running.directory / "scopegate.yaml")
        data: Path = tmp_path_factory.mktemp("clickhouse")
        running.warehouse.answer = Server(engine(data, policy, policy.warehouses["events"], SETUP))
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
