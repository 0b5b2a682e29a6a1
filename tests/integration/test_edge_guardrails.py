"""Guardrails through the real Envoy and two real workers: what reaches a warehouse, and what does not."""

import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.edge_client import Headers, Reply
from tests.edge_counterparts import Answer
from tests.envoy_process import wait_until
from tests.integration.whole_system import WholeSystem, whole_system
from tests.signingkeys import ec_pem, write_key

CANARY = "canary-9b1e"
POLICY = """\
version: 1
edge:
  public_url: https://edge.example
  certificate: {directory}/server.crt
  private_key: {directory}/server.key
  scopegate: [{sockets}]
  admin: unix:{directory}/admin.sock
  per_address: 1000/s
issuers:
  okta: {{issuer: "{issuer}", audiences: ["{audience}"], groups_claim: groups, jwks_file: "{directory}/jwks.json"}}
assertion: {{keys: ["{key}"]}}
dimensions:
  region: {{type: string}}
warehouses:
  lake:
    kind: trino
    routes: [{{prefix: /}}]
    upstream: "{upstream}"
    tables:
      lake.sales.orders: {{columns: {{region: region}}}}
      lake.sales.customers: {{columns: {{region: region}}, labels: {{email: pii}}}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: all, scope: {{region: [EU, UK]}}}}
  - {{id: stewards, to: {{groups: [stewards]}}, on: all, scope: {{region: all}}, clear: [pii]}}
"""
SESSION = [("x-trino-catalog", "lake"), ("x-trino-schema", "sales")]
_FIRST = {"id": "20261123_080910_00001_ab3de", "stats": {"state": "FINISHED"}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSystem]:
    key = write_key(tmp_path_factory.mktemp("keys") / "signing.pem", ec_pem("edge-guardrails"))
    with whole_system(policy_text=POLICY, key=str(key)) as started:
        yield started


@pytest.fixture
def system(running: WholeSystem) -> WholeSystem:
    running.warehouse.reset()
    running.warehouse.answer = lambda _: Answer(
        200, (("content-type", "application/json"),), json.dumps(_FIRST).encode()
    )
    return running


def post(
    system: WholeSystem,
    statement: str | bytes,
    headers: Headers = (),
    group: str = "analysts-emea",
    **request: Any,
) -> Reply:
    body = statement.encode() if isinstance(statement, str) else statement
    return system.ask(
        "/v1/statement",
        system.token("ann", group),
        method="POST",
        body=body,
        headers=[*SESSION, *headers],
        **request,
    )


def reason(reply: Reply) -> str:
    """The reason in the words of a query that has failed; empty for one that began."""
    error = reply.json().get("error")
    return "" if error is None else error["message"].rpartition(" (decision")[0].rpartition(": ")[2]


def test_an_allowed_statement_and_its_neighbours(system: WholeSystem) -> None:
    """What one person is refused another is not, and the warehouse sees the allowed ones only, unchanged."""
    allowed = "SELECT id FROM orders WHERE region = 'EU' -- by Tableau"
    assert reason(post(system, allowed)) == ""
    assert reason(post(system, "SELECT email FROM customers", group="stewards")) == ""
    assert [seen.body.decode() for seen in system.warehouse.take()] == [
        allowed,
        "SELECT email FROM customers",
    ]
    for statement, expected in (
        ("SELECT email FROM customers", "column_hidden"),
        ("SELECT * FROM customers", "column_hidden"),
        ("SELECT id FROM secrets", "table_denied"),
        ("DROP TABLE orders", "statement_denied"),
        ("SELECT 1; DROP TABLE orders", "statement_denied"),
        ("EXPLAIN SELECT id FROM orders", "statement_denied"),
        ("SELECT * FROM TABLE(pg.system.query(query => 'select 1'))", "function_denied"),
        ("SELECT 'unfinished", "statement_malformed"),
        ("", "statement_malformed"),
        ("SELECT '" + "x" * 70_000 + "'", "statement_too_large"),
    ):
        assert reason(post(system, statement)) == expected, statement[:40]
    assert system.warehouse.take() == []


def test_bodies_that_could_be_read_as_another(system: WholeSystem) -> None:
    """Compressed, in another character set, or no text at all."""
    statement = "SELECT id FROM orders"
    for body, headers in (
        (gzip.compress(statement.encode()), [("content-encoding", "gzip")]),
        (statement.encode(), [("content-encoding", "gzip")]),
        (statement.encode("utf-16"), [("content-type", "text/plain; charset=utf-16")]),
        (statement.encode(), [("content-type", 'text/plain; charset="UTF-7"')]),
        (b"SELECT '\xff'", []),
    ):
        assert reason(post(system, body, headers)) == "statement_malformed"
    assert system.warehouse.take() == []
    assert reason(post(system, statement, [("content-type", "text/plain; charset=utf-8")])) == ""


def test_longer_than_envoy_keeps(system: WholeSystem) -> None:
    """413 from Envoy; nobody is asked."""
    assert post(system, b"x" * 300_000).status == 413
    assert system.warehouse.take() == []


def test_prepared_statements(system: WholeSystem) -> None:
    """Each that comes along is examined, whether it is executed or not."""

    def prepared(**statements: str) -> Headers:
        entries = (f"{name}={quote(text)}" for name, text in statements.items())
        return [("x-trino-prepared-statement", ",".join(entries))]

    good, bad = "SELECT id FROM orders WHERE region = ?", "SELECT email FROM customers"
    assert reason(post(system, "EXECUTE a USING 'EU'", prepared(a=good))) == ""
    for statement, headers, expected in (
        ("EXECUTE a USING 'EU'", prepared(a=bad), "column_hidden"),
        ("EXECUTE a USING 'EU'", prepared(a=good, b=bad), "column_hidden"),
        ("EXECUTE b USING 'EU'", prepared(a=good), "statement_denied"),
        ("EXECUTE a", prepared(a="DROP TABLE orders"), "statement_denied"),
        ("EXECUTE a", [("x-trino-prepared-statement", "a=%24zstd%3AKLUv")], "statement_malformed"),
        ("EXECUTE a", [*prepared(a=good), *prepared(A=bad)], "request_ambiguous"),
        ("EXECUTE IMMEDIATE 'SELECT email FROM customers'", [], "column_hidden"),
    ):
        assert reason(post(system, statement, headers)) == expected, statement
    assert len(system.warehouse.take()) == 1


def test_the_trail_has_kind_tables_and_a_fingerprint(system: WholeSystem) -> None:
    """No literal is in it, nor in any log, of what was allowed and of what was denied."""
    texts = (
        f"SELECT id FROM orders WHERE region = '{CANARY}'",
        f"SELECT email FROM customers WHERE email = '{CANARY}'",
        f"SELECT '{CANARY}",
    )
    seen = len(system.audit())
    for text in texts:
        post(system, text)

    def decisions() -> list[dict[str, Any]]:
        return [record for record in system.audit()[:] if record["kind"] == "decision"]

    wait_until(lambda: len(system.audit()) >= seen + len(texts), "the records are written")
    asked = {record["reason"]: record["asked"]["statement"] for record in decisions()[-20:]}
    granted = asked["granted"]
    assert (granted["kind"], granted["tables"]) == ("select", ["lake.sales.orders"])
    assert asked["column_hidden"]["tables"] == ["lake.sales.customers"]
    assert len({asked[name]["fingerprint"] for name in ("granted", "column_hidden")}) == 2
    assert asked["statement_malformed"] is None
    assert CANARY not in json.dumps(system.audit())
    assert CANARY not in system.envoy.log_text()
    assert not any(CANARY in worker.log() for worker in system.workers)
