"""`scopegate serve --opa`: Trino's own OPA plugin asks a real server over HTTP, beside Envoy's checks."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.scopegate_server import PATIENCE_SECONDS, Scopegate, eventually, replace
from tests.opa_questions import ORDERS, body, question, several, table
from tests.tokens import jwks, rsa_key

POLICY = """\
version: 1
issuers:
  okta: {{issuer: https://issuer.example/oauth2/default, audiences: [api://warehouse], groups_claim: groups,
          jwks_file: jwks.json}}
assertion: {{keys: [signing.pem], issuer: "https://edge.example"}}
revocations: {{file: revoked.yaml}}
dimensions: {{region: {{type: string}}}}
warehouses:
  lake:
    kind: trino
    routes: [{{prefix: /}}]
    upstream: http://trino:8080
    trino: {{opa: {{issuer: okta}}}}
    tables: {{lake.sales.orders: {{columns: {{region: region}}, labels: {{email: pii}}}}}}
grants:
  - {{id: emea, to: {{groups: [emea]}}, on: all, scope: {{region: [{regions}]}}}}
"""
BLOCKED = "---\nversion: 1\nsubjects: [{issuer: okta, subject: emma}]\n...\n"


def write(directory: Path, regions: str = "EU, UK") -> Path:
    (directory / "jwks.json").write_bytes(jwks(rsa_key()))
    replace(directory / "scopegate.yaml", POLICY.format(regions=regions))
    return directory / "scopegate.yaml"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    from tests.signingkeys import ec_pem, write_key

    write_key(tmp_path / "signing.pem", ec_pem("opa"))
    replace(tmp_path / "revoked.yaml", "---\nversion: 1\nsubjects: []\n...\n")
    return tmp_path


@pytest.fixture
def server(directory: Path) -> Iterator[Scopegate]:
    with Scopegate(write(directory), "--opa=127.0.0.1:0", f"--audit={directory / 'audit.jsonl'}") as started:
        started.wait_for("ready")
        yield started


def post(server: Scopegate, path: str, data: bytes, method: str = "POST") -> tuple[int, dict[str, Any]]:
    address = server.wait_for("listening")["opa"]
    request = urllib.request.Request(
        f"http://{address}{path}",
        data if method == "POST" else None,
        {"Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
            return error.code, json.loads(text) if text.startswith(b"{") else {}


def told(server: Scopegate, endpoint: str, document: dict[str, Any]) -> Any:
    status, answer = post(server, f"/v1/opa/lake/{endpoint}", body(document))
    assert status == 200, answer
    return answer["result"]


def filters(server: Scopegate) -> Any:
    return told(server, "row-filters", question("GetRowFilters", table()))


def test_a_query_is_asked_about_in_its_parts(server: Scopegate, directory: Path) -> None:
    """In the order in which Trino 476 asks, each with its record."""
    assert told(server, "allow", question("ExecuteQuery")) is True
    masks = several(
        "GetColumnMask",
        [
            {"column": {**table()["table"], "columnName": name, "columnType": "varchar"}}
            for name in ("id", "email")
        ],
    )
    assert told(server, "column-masks", masks) == [{"index": 1, "viewExpression": {"expression": "NULL"}}]
    assert filters(server) == [{"expression": "\"region\" IN ('EU', 'UK')"}]
    assert told(server, "allow", question("SelectFromColumns", table(ORDERS, "id", "region"))) is True
    assert told(server, "allow", question("SelectFromColumns", table(ORDERS, "email"))) is False
    assert (
        told(server, "allow", question("SelectFromColumns", table(ORDERS, "id"), user="zoe", groups=["x"]))
        is False
    )
    status, lost = post(server, "/v1/opa/lake/allow", body({"input": {}}))
    assert (status, lost["error"]) == (400, "request_malformed")
    trail = directory / "audit.jsonl"
    records = lambda: [  # noqa: E731
        line for line in map(json.loads, trail.read_text().splitlines()) if line["kind"] == "decision"
    ]
    eventually(lambda: len(records()) == 7)
    asked = [(each["asked"]["statement"] or {}).get("kind") for each in records()]
    assert asked == ["ExecuteQuery", "GetColumnMask", "GetRowFilters", *["SelectFromColumns"] * 3, None]
    assert [each["reason"] for each in records()] == [
        *["granted"] * 4, "column_hidden", "no_grant", "request_malformed",
    ]  # fmt: skip
    assert records()[0]["actor"]["methods"] == ["warehouse"]
    assert records()[3]["asked"]["statement"]["tables"] == ["lake.sales.orders"]
    assert lost["decision_id"] == records()[6]["decision_id"]


def test_a_changed_policy_and_a_blocked_person_count_at_once(server: Scopegate, directory: Path) -> None:
    """Nothing is remembered beyond them."""
    assert filters(server) == [{"expression": "\"region\" IN ('EU', 'UK')"}]
    write(directory, regions="JP")
    eventually(lambda: filters(server) == [{"expression": "\"region\" = 'JP'"}])
    replace(directory / "revoked.yaml", BLOCKED)
    eventually(lambda: filters(server) == [{"expression": "FALSE"}])
    assert told(server, "allow", question("SelectFromColumns", table(ORDERS, "id"))) is False
    assert told(server, "batch", several("FilterTables", [table()])) == []


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v1/opa/lake/allow", "GET", 405),
        ("/v1/opa/lake/allow/", "POST", 404),
        ("/v1/opa/lake", "POST", 404),
        ("/v1/opa/ledger/allow", "POST", 404),
        ("/v1/opa/lake/query", "POST", 404),
        ("/metrics", "GET", 404),
        ("/v1/opa/lake%2fallow/allow", "POST", 404),
    ],
)
def test_nothing_else_is_there(server: Scopegate, path: str, method: str, status: int) -> None:
    """Neither another warehouse nor what operators see."""
    assert post(server, path, body(question("ExecuteQuery")), method)[0] == status


def test_a_question_that_is_too_long_fails_the_query(server: Scopegate) -> None:
    """413; a long one that is not passes."""
    many = several("FilterTables", [table(("lake", "sales", f"table_{n:06d}")) for n in range(20_000)])
    assert told(server, "batch", many) == []
    assert post(server, "/v1/opa/lake/batch", b" " * (5 * 1024 * 1024))[0] == 413


def test_without_the_option_nothing_listens(directory: Path) -> None:
    """Off unless it is asked for."""
    with Scopegate(write(directory)) as quiet:
        assert "opa" not in quiet.wait_for("listening")


def test_a_taken_port_is_said_at_once(directory: Path, server: Scopegate) -> None:
    """Exit status 2."""
    taken = server.wait_for("listening")["opa"]
    process = Scopegate(directory / "scopegate.yaml", f"--opa={taken}")
    try:
        process.wait_for("cannot_start")
        assert process.wait() == 2
    finally:
        process.close()
