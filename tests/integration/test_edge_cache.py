"""The shared edge cache of the real Envoy: who may share an answer, and who never does."""

import time
from collections.abc import Iterator

import pytest

from authz.policy.policyset import Route
from tests.edge_client import Headers, Reply
from tests.edge_counterparts import Answer, allow
from tests.edge_policies import edge_warehouse
from tests.envoy_process import wait_until
from tests.integration.edge_system import StubbedEdge, stubbed_edge

EMEA, US = "e" * 32, "f" * 32


@pytest.fixture(scope="module", params=["memory", "directory"])
def system(request: pytest.FixtureRequest) -> Iterator[StubbedEdge]:
    kept_in = {} if request.param == "memory" else {"cache_directory": "{directory}"}
    with stubbed_edge(
        lambda upstream, _: [
            edge_warehouse("shared", Route(prefix="/"), upstream=upstream, ttl=60),
            edge_warehouse("other", upstream=upstream, ttl=60),
            edge_warehouse("private", upstream=upstream),
            edge_warehouse("brief", upstream=upstream, ttl=2),
        ],
        **kept_in,
    ) as running:
        yield running


@pytest.fixture
def edge(system: StubbedEdge) -> StubbedEdge:
    system.reset()
    return system


def ask(
    edge: StubbedEdge,
    target: str,
    scope: str = EMEA,
    *,
    who: str = "ann",
    method: str = "GET",
    headers: Headers = (),
) -> Reply:
    answer = allow("shared", query=[("__scope", scope)], principal=who)
    return edge.ask(target, answer, method=method, headers=headers)


def test_another_scope_never_sees_a_kept_answer(edge: StubbedEdge) -> None:
    """The same question within another scope is asked anew."""
    assert [ask(edge, "/apart?q=1", scope).body for scope in (EMEA, US, EMEA, US)] == [
        b"rows 1",
        b"rows 2",
        b"rows 1",
        b"rows 2",
    ]
    assert len(edge.warehouse.take()) == 2


def test_the_partition_alone_keeps_scopes_apart(edge: StubbedEdge) -> None:
    """Negative control: with one partition for two scopes the second person gets the first one's rows.

    So the tests of this module would notice if answers were shared between scopes.
    """
    assert ask(edge, "/control", EMEA, who="ann").body == b"rows 1"
    assert ask(edge, "/control", EMEA, who="somebody of another scope").body == b"rows 1"


def test_colleagues_share_one_query_and_each_is_asked_about(edge: StubbedEdge) -> None:
    """One query of the warehouse, one decision for each person, a decision id of their own."""
    replies = [ask(edge, "/colleagues?q=1", who=who) for who in ("ann", "bob", "cy")]

    assert {reply.body for reply in replies} == {b"rows 1"}
    assert len(edge.warehouse.take()) == 1
    assert len(edge.stub.take()) == 3
    assert len({reply.header("x-scope-decision-id") for reply in replies}) == 3


@pytest.mark.parametrize("query", [[], [("__scope", "")], [("__scope2", EMEA)], [("x", f"__scope.{EMEA}")]])
def test_an_allow_without_a_partition_is_refused_where_answers_are_shared(
    edge: StubbedEdge, query: Headers
) -> None:
    """A forgotten partition would share everything with everybody."""
    reply = edge.ask("/forgotten", allow("shared", query=query))

    assert (reply.status, reply.json()["reason"]) == (503, "decision_incomplete")
    assert edge.warehouse.take() == []


def test_two_warehouses_with_one_upstream_share_nothing(edge: StubbedEdge) -> None:
    """The cluster is part of the key, and each warehouse has one of its own."""
    first = edge.ask("/other/x", allow("other", query=[("__scope", EMEA)]))
    second = ask(edge, "/otherx")
    again = edge.ask("/other/x", allow("other", query=[("__scope", EMEA)]))

    assert [first.body, second.body, again.body] == [b"rows 1", b"rows 2", b"rows 1"]


def test_a_warehouse_without_a_cache_is_asked_each_time_whatever_it_says(edge: StubbedEdge) -> None:
    """An answer with a lifetime is not kept where no partition keeps people apart."""
    edge.warehouse.answer = lambda _seen: Answer(headers=[("cache-control", "public, max-age=600")])
    replies = [edge.ask("/private/x", allow("private")) for _ in range(2)]

    assert len(edge.warehouse.take()) == 2
    assert [reply.header("cache-control") for reply in replies] == ["private, no-store"] * 2


@pytest.mark.parametrize(
    "headers",
    [
        [("cache-control", "no-cache")],
        [("cache-control", "no-store, max-age=0")],
        [("pragma", "no-cache")],
        [("if-none-match", '"x"')],
        [("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT")],
        [("if-range", '"x"')],
        [("accept-encoding", "gzip")],
    ],
)
def test_a_client_cannot_make_the_warehouse_answer_again(edge: StubbedEdge, headers: Headers) -> None:
    """Neither cache directives nor conditions of the client's reach the cache."""
    target = f"/reload/{headers[0][0]}/{len(headers[0][1])}"
    first, second = ask(edge, target), ask(edge, target, headers=headers)

    assert (second.status, second.body) == (200, first.body)
    assert len(edge.warehouse.take()) == 1


def test_the_lifetime_stays_inside_the_edge(edge: StubbedEdge) -> None:
    """No cache behind the edge knows scopes, so none may keep the answer."""
    for reply in (ask(edge, "/lifetime"), ask(edge, "/lifetime")):
        assert reply.header("cache-control") == "private, no-store"
        assert reply.header("age") is None


def test_cookies_of_the_warehouse_reach_nobody(edge: StubbedEdge) -> None:
    """A kept Set-Cookie would give one person's session to the next."""
    edge.warehouse.answer = lambda _seen: Answer(headers=[("set-cookie", "session=1"), ("Set-Cookie", "b=2")])
    replies = [ask(edge, "/cookie"), ask(edge, "/cookie"), edge.ask("/private/cookie", allow("private"))]

    assert [reply.header("set-cookie") for reply in replies] == [None] * 3


@pytest.mark.parametrize(
    "vary", ["accept-encoding", "Accept, Accept-Encoding", "Cookie, Authorization,Accept-Language"]
)
def test_an_answer_that_varies_by_what_is_in_the_partition_is_kept(edge: StubbedEdge, vary: str) -> None:
    """The policy names the headers that count; the rest of these never reach the warehouse."""
    edge.warehouse.answer = lambda _seen: Answer(headers=[("vary", vary)])
    for encoding in ("gzip", "br"):
        ask(edge, f"/vary/{len(vary)}", headers=[("accept-encoding", encoding)])

    (seen,) = edge.warehouse.take()
    assert seen.values("accept-encoding") == []


@pytest.mark.parametrize("vary", ["user-agent", "accept, x-tenant", "*"])
def test_an_answer_that_varies_by_anything_else_is_not_kept(edge: StubbedEdge, vary: str) -> None:
    """One person's form of it would be given to another."""
    edge.warehouse.answer = lambda _seen: Answer(headers=[("vary", vary)])
    for _ in range(2):
        ask(edge, f"/varied/{len(vary)}")

    assert len(edge.warehouse.take()) == 2


def test_no_answer_is_kept_longer_than_the_policy_or_the_warehouse_says(edge: StubbedEdge) -> None:
    """The shorter lifetime counts: a changed row is not unseen for longer than the policy promises (here 2 s)."""
    seconds = {
        "max-age=3600": 2,
        "public, s-maxage=86400, max-age=1": 1,
        "max-age=3600, s-maxage=1": 1,
        "public, immutable": 2,
        "": 2,
    }
    said = {f"/brief/{number}": directives for number, directives in enumerate(seconds)}
    edge.warehouse.answer = lambda seen: Answer(headers=[("cache-control", said[seen.target])])
    edge.stub.answer = lambda _call: allow("brief", query=[("__scope", EMEA)])
    start = time.monotonic()
    for target in [*said, *said]:
        edge.ask(target)
    assert [seen.target for seen in edge.warehouse.take()] == list(said)

    for target, directives in sorted(said.items(), key=lambda item: seconds[item[1]]):
        wait_until(
            lambda asked=target: edge.ask(asked) and edge.warehouse.take(), f"`{directives}` has ended", 5
        )
        assert time.monotonic() - start > seconds[directives] - 1, directives


@pytest.mark.parametrize("directive", ["no-store", "private", "Private, max-age=60"])
def test_a_warehouse_that_forbids_keeping_is_obeyed(edge: StubbedEdge, directive: str) -> None:
    """The policy's lifetime is for answers without one."""
    edge.warehouse.answer = lambda _seen: Answer(headers=[("cache-control", directive)])
    for _ in range(2):
        ask(edge, f"/forbidden/{len(directive)}")

    assert len(edge.warehouse.take()) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
def test_failures_are_not_kept(edge: StubbedEdge, status: int) -> None:
    """A failed query is tried again; its status and body are the warehouse's own."""
    edge.warehouse.answer = lambda _seen: Answer(
        status=status, headers=[("cache-control", "max-age=60")], body=b"no"
    )
    replies = [ask(edge, f"/failure/{status}") for _ in range(2)]

    assert [(reply.status, reply.body) for reply in replies] == [(status, b"no")] * 2
    assert len(edge.warehouse.take()) == 2


def test_posts_are_never_kept(edge: StubbedEdge) -> None:
    """A body is no part of the key."""
    assert [ask(edge, "/post", method="POST").body for _ in range(2)] == [b"rows 1", b"rows 2"]


def test_a_head_request_gets_no_body(edge: StubbedEdge) -> None:
    """HEAD is answered from what GET left, or by the warehouse."""
    assert ask(edge, "/head").body == b"rows 1"
    reply = ask(edge, "/head", method="HEAD")

    assert (reply.status, reply.body) == (200, b"")


def test_what_a_part_or_a_head_left_is_not_taken_for_the_whole(edge: StubbedEdge) -> None:
    """The first question for a target may be for a range of it, or for its headers only."""
    assert ask(edge, "/head-first", method="HEAD").status == 200
    assert ask(edge, "/head-first").body.startswith(b"rows ")
    ranged = ask(edge, "/range-first", headers=[("range", "bytes=0-1")])
    assert (ranged.status, ranged.body) in {(206, b"ro"), (200, b"rows 3"), (200, b"rows 2")}
    assert ask(edge, "/range-first").body.startswith(b"rows ")


def test_the_warehouse_never_sees_the_partition_or_who_asked_first(edge: StubbedEdge) -> None:
    """What everybody is given depends neither on the scope's id nor on an address."""
    ask(edge, "/partition")
    ask(edge, "/partition?a=1")
    ask(edge, "/partition?a=1&b", method="POST")
    first, second, third = edge.warehouse.take()

    assert [first.target, second.target] == ["/partition", "/partition?a=1"]
    assert "__scope" not in third.target
    assert all(not seen.values("x-forwarded-for") for seen in (first, second, third))
