"""What the real Envoy does with each answer that Scopegate, or something in its place, can give."""

import threading
import time
from collections.abc import Iterator

import grpc
import pytest

from authz.policy.policyset import Route
from tests.edge_counterparts import allow, deny
from tests.edge_policies import edge_warehouse
from tests.integration.edge_system import StubbedEdge, stubbed_edge

DEADLINE_SECONDS = 0.5


@pytest.fixture(scope="module")
def system() -> Iterator[StubbedEdge]:
    with stubbed_edge(
        lambda upstream, _: [
            edge_warehouse("sales", upstream=upstream),
            edge_warehouse("shared", upstream=upstream, ttl=60),
            edge_warehouse("plain", upstream=upstream, ttl=60, query={"region": "region"}),
            edge_warehouse("orders", Route(prefix="/both/", methods=frozenset({"GET"})), upstream=upstream),
            edge_warehouse("loads", Route(prefix="/both/", methods=frozenset({"POST"})), upstream=upstream),
        ],
        check_timeout_seconds=DEADLINE_SECONDS,
    ) as running:
        yield running


@pytest.fixture
def edge(system: StubbedEdge) -> StubbedEdge:
    system.reset()
    return system


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(b"", "decision_incomplete", id="no bytes at all, which Envoy takes for an allow"),
        pytest.param(b"\x12\x00", "decision_incomplete", id="a denial without a status, which it does, too"),
        pytest.param(allow(without=["decision_id"]), "decision_incomplete", id="no decision id"),
        pytest.param(allow(without=["principal"]), "decision_incomplete", id="no principal"),
        pytest.param(allow("shared"), "decision_incomplete", id="for another warehouse"),
        pytest.param(b"\xff\xff\xff\xff", "decision_unavailable", id="no message"),
        pytest.param(allow(headers=[("x-evil", "1")]), "decision_invalid", id="sets what it does not own"),
        pytest.param(allow(remove=["accept"]), "decision_invalid", id="removes what it does not own"),
        pytest.param(allow(headers=[(":method", "DELETE")]), "decision_invalid", id="another method"),
        pytest.param(allow(headers=[(":authority", "other")]), "decision_invalid", id="another authority"),
        pytest.param(allow(headers=[("x-scope-json", "a\r\nb: c")]), "decision_invalid", id="a line break"),
    ],
)
def test_an_answer_that_is_no_whole_decision_is_503_and_reaches_no_warehouse(
    edge: StubbedEdge, answer: bytes, reason: str
) -> None:
    """Whatever comes back, only a complete decision for this warehouse opens the way."""
    reply = edge.ask("/sales/rows", answer)

    assert (reply.status, reply.json()["reason"]) == (503, reason)
    assert reply.header("content-type") == "application/problem+json"
    assert edge.warehouse.take() == []


def test_a_whole_decision_opens_the_way(edge: StubbedEdge) -> None:
    """The neighbour of all the refused answers."""
    reply = edge.ask("/sales/rows?a=1", allow(headers=[("x-scope-json", '{"region":["EU"]}')]))

    assert (reply.status, reply.body) == (200, b"rows 1")
    (seen,) = edge.warehouse.take()
    assert (seen.target, seen.values("x-scope-json")) == ("/sales/rows?a=1", ['{"region":["EU"]}'])


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_a_failed_call_is_503_whatever_its_code(edge: StubbedEdge, code: grpc.StatusCode) -> None:
    """A gRPC status of the call is no decision, not even PERMISSION_DENIED."""
    edge.stub.fail = code
    reply = edge.ask("/sales/rows")

    assert (reply.status, reply.json()["reason"]) == (503, "decision_unavailable")
    assert edge.warehouse.take() == []


def test_a_scopegate_that_hangs_is_503_in_time(edge: StubbedEdge) -> None:
    """Nobody waits much longer than the configured time, and nobody is let through at its end."""
    released = threading.Event()

    def hang(_call: bytes) -> bytes:
        released.wait(30)
        return allow()

    edge.stub.answer = hang
    start = time.monotonic()
    try:
        reply = edge.ask("/sales/rows")
    finally:
        released.set()

    assert (reply.status, reply.json()["reason"]) == (503, "decision_unavailable")
    assert DEADLINE_SECONDS * 0.9 < time.monotonic() - start < 10
    assert edge.warehouse.take() == []


def test_a_scopegate_that_is_gone_is_503_also_for_kept_answers(edge: StubbedEdge) -> None:
    """The cache stands behind the decision, never in its place."""
    kept = allow("shared", query=[("__scope", "gone")])
    assert [edge.ask("/shared/gone", kept).body for _ in range(2)] == [b"rows 1"] * 2

    with edge.without_scopegate():
        replies = [edge.ask("/shared/gone"), edge.ask("/sales/rows"), edge.ask("/unknown")]

    assert [reply.status for reply in replies] == [503] * 3
    assert all(b"rows" not in reply.body for reply in replies)
    assert len(edge.warehouse.take()) == 1
    assert edge.ask("/shared/gone", kept).body == b"rows 1"


@pytest.mark.parametrize(("code", "status"), [(3, 400), (16, 401), (7, 403), (5, 404), (8, 413), (14, 503)])
def test_a_denial_reaches_the_client_as_it_is(edge: StubbedEdge, code: int, status: int) -> None:
    """Status, body and decision id are Scopegate's; Envoy's own words are for its own answers."""
    reply = edge.ask("/sales/rows", deny(code, status, "some_reason"))

    assert reply.status == status
    assert reply.json() == {"status": status, "reason": "some_reason"}
    assert reply.header("content-type") == "application/problem+json"
    assert reply.header("x-scope-decision-id") == "d-0"
    assert edge.warehouse.take() == []


def test_scopegate_is_told_where_the_route_leads(edge: StubbedEdge) -> None:
    """The warehouse of the route comes with the question, so that a mismatch can be refused."""
    for target in ("/sales/a", "/shared/a", "/unknown"):
        edge.ask(target, deny(7, 403, "no_grant"))

    hints = [call.attributes.context_extensions.get("warehouse") for call in edge.stub.take()]
    assert hints == ["sales", "shared", None]


@pytest.mark.parametrize("target", ["/", "/sale", "/salesman", "/sales", "/SALES/rows", "/unknown?x=/sales/"])
def test_what_no_route_matches_is_asked_about_and_leads_nowhere(edge: StubbedEdge, target: str) -> None:
    """A prefix ends where a segment ends; even an allow cannot open a way that does not exist."""
    refused = edge.ask(target, deny(5, 404, "route_unknown"))
    allowed = edge.ask(target, allow())

    assert (refused.status, allowed.status) == (404, 503)
    assert len(edge.stub.take()) == 2
    assert edge.warehouse.take() == []


def test_warehouses_that_share_a_pattern_are_told_apart_by_method(edge: StubbedEdge) -> None:
    """Envoy's choice is the policy's, and a method that nobody takes leads nowhere."""
    assert edge.ask("/both/x", allow("orders")).status == 200
    assert edge.ask("/both/x", allow("loads")).status == 503
    assert edge.ask("/both/x", allow("loads"), method="POST", body=b"q").status == 200
    assert edge.ask("/both/x", allow("orders"), method="PUT", body=b"q").status == 503


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "query",
    [
        "a=1%26b%3D2",
        "a=%23x%3F&b=%2F..%2F",
        "z=1&a=%C3%A9+%2B&m=%2541",
        "%61=1&a%26c=d",
        "a=1;__scope2=1",
    ],
)
def test_the_warehouse_reads_the_same_parameters_as_scopegate(
    edge: StubbedEdge, query: str, method: str
) -> None:
    """Taking the partition away must not decode anything: `%26` would become a parameter nobody decided on."""
    target = f"/shared/{method.lower()}?{query}"
    body = b"q" if method == "POST" else None
    reply = edge.ask(target, allow("shared", query=[("__scope", "0" * 32)]), method=method, body=body)

    assert reply.status == 200
    (seen,) = edge.warehouse.take()
    # Envoy sorts the parameters by name when it adds the partition; their text stays.
    assert sorted(seen.target.partition("?")[2].split("&")) == sorted(query.split("&"))


def test_a_path_that_scopegate_sets_is_what_the_warehouse_gets_and_the_cache_keys_on(
    edge: StubbedEdge,
) -> None:
    """Warehouses with plain parameters get their scope in the target, encoded text and all."""
    eu = "/plain/rows?q=caf%C3%A9&region=EU%2CUK"
    us = "/plain/rows?q=caf%C3%A9&region=US"
    bodies = [
        edge.ask(asked, allow("plain", headers=[(":path", path)], query=[("__scope", scope)])).body
        for asked, path, scope in [
            ("/plain/rows?q=a", eu, "e1"),
            ("/plain/rows?q=b", eu, "e1"),
            ("/plain/rows?q=a", us, "u1"),
        ]
    ]

    assert bodies == [b"rows 1", b"rows 1", b"rows 2"]
    assert [seen.target for seen in edge.warehouse.take()] == [eu, us]


def test_a_path_that_scopegate_sets_leads_to_no_other_warehouse(edge: StubbedEdge) -> None:
    """The route stays the one that was asked about, so that a defect there opens no other upstream."""

    def connected(warehouse: str) -> int:
        return edge.envoy.stat(f"cluster.warehouse-{warehouse}.upstream_rq_total")

    before = connected("plain"), connected("sales")
    reply = edge.ask("/plain/rows", allow("plain", headers=[(":path", "/sales/x?__scope=p1")]), method="POST")

    assert reply.status == 200
    assert (connected("plain"), connected("sales")) == (before[0] + 1, before[1])
