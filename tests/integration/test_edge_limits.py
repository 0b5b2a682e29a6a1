"""Rate limits of the real Envoy: per address before the decision, per principal after it."""

from collections.abc import Iterator

import pytest

from authz.policy.policyset import RateLimit
from tests.edge_counterparts import allow, deny
from tests.edge_policies import edge_warehouse
from tests.integration.edge_system import StubbedEdge, stubbed_edge

PER_PRINCIPAL, PER_ADDRESS = 3, 12
_HOUR = 3_600


@pytest.fixture(scope="module")
def system() -> Iterator[StubbedEdge]:
    with stubbed_edge(
        lambda upstream, _: [
            edge_warehouse(
                "sales", upstream=upstream, per_principal=RateLimit(requests=PER_PRINCIPAL, seconds=_HOUR)
            ),
            edge_warehouse(
                "cached", upstream=upstream, per_principal=RateLimit(requests=2, seconds=_HOUR), ttl=60
            ),
            edge_warehouse("free", upstream=upstream),
        ],
        per_address=RateLimit(requests=PER_ADDRESS, seconds=_HOUR),
    ) as running:
        yield running


@pytest.fixture
def edge(system: StubbedEdge) -> StubbedEdge:
    system.reset()
    return system


def test_a_principal_has_a_limit_and_no_effect_on_another(edge: StubbedEdge) -> None:
    """The fourth request of one is 429 from whatever address; another principal is served."""
    replies = [
        edge.ask("/sales/x", allow(principal="ann"), source=f"127.0.1.{number}")
        for number in range(PER_PRINCIPAL + 1)
    ]
    other = edge.ask("/sales/x", allow(principal="bob"), source="127.0.1.9")

    assert [reply.status for reply in replies] == [200] * PER_PRINCIPAL + [429]
    assert [reply.header("x-ratelimit-remaining") for reply in replies] == ["2", "1", "0", "0"]
    assert replies[-1].json()["reason"] == "rate_limited"
    assert other.status == 200
    assert len(edge.warehouse.take()) == PER_PRINCIPAL + 1


def test_the_limit_is_of_one_warehouse_and_counts_kept_answers(edge: StubbedEdge) -> None:
    """Each warehouse has its own bucket; the cache is no way around it."""
    for _ in range(2):
        assert (
            edge.ask(
                "/cached/x", allow("cached", principal="cy", query=[("__scope", "a")]), source="127.0.2.1"
            ).status
            == 200
        )
    limited = edge.ask(
        "/cached/x", allow("cached", principal="cy", query=[("__scope", "a")]), source="127.0.2.1"
    )
    elsewhere = edge.ask("/sales/x", allow("sales", principal="cy"), source="127.0.2.1")

    assert (limited.status, elsewhere.status) == (429, 200)
    assert len(edge.warehouse.take()) == 2


def test_a_warehouse_without_a_limit_has_none(edge: StubbedEdge) -> None:
    """The small bucket for requests without metadata is not its own."""
    statuses = [edge.ask("/free/x", allow("free"), source="127.0.3.1").status for _ in range(8)]

    assert statuses == [200] * 8


def test_an_address_has_a_limit_before_anybody_is_asked(edge: StubbedEdge) -> None:
    """A flood of bad credentials costs Scopegate no more than the limit; other addresses are served."""
    replies = [
        edge.ask("/sales/x", deny(16, 401, "token_malformed"), source="127.0.4.1")
        for _ in range(PER_ADDRESS + 3)
    ]
    asked = len(edge.stub.take())
    other = edge.ask("/sales/x", deny(16, 401, "token_malformed"), source="127.0.4.2")

    assert [reply.status for reply in replies] == [401] * PER_ADDRESS + [429] * 3
    assert asked == PER_ADDRESS
    assert other.status == 401


def test_a_forged_address_has_no_bucket_of_its_own(edge: StubbedEdge) -> None:
    """X-Forwarded-For does not choose the bucket."""
    statuses = [
        edge.ask(
            "/sales/x",
            deny(16, 401, "token_malformed"),
            source="127.0.5.1",
            headers=[("x-forwarded-for", f"203.0.113.{number}")],
        ).status
        for number in range(PER_ADDRESS + 1)
    ]

    assert statuses[-1] == 429
