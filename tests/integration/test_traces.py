"""One trace from a client through Envoy to Scopegate, at an OpenTelemetry collector; and nothing where none is kept."""

import secrets
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.envoy_process import wait_until
from tests.integration.whole_system import WholeSystem, whole_system
from tests.span_collector import Span, SpanCollector

CLIENTS_SPAN = "b7ad6b7169203331"
PARTS = ["check.read", "check.identify", "check.decide", "check.rewrite", "check.answer", "check.record"]


@pytest.fixture(scope="module")
def traced() -> Iterator[tuple[WholeSystem, SpanCollector]]:
    """Envoy and the workers have one collector; Envoy begins no trace by itself."""
    with (
        SpanCollector() as collector,
        whole_system(
            traces=collector.url,
            options=[f"--traces={collector.url}", "--traces-per-second=1000", "--audit-mode=strict"],
        ) as system,
    ):
        yield system, collector


def _ask(
    system: WholeSystem, *, sampled: bool = True, token: str | None = None, path: str = "/ledger/x"
) -> tuple[int, str]:
    trace = secrets.token_hex(16)
    parent = f"00-{trace}-{CLIENTS_SPAN}-{'01' if sampled else '00'}"
    reply = system.ask(path, token or system.token(), headers=[("traceparent", parent)])
    return reply.status, trace


def _spans(collector: SpanCollector, trace: str) -> list[Span]:
    wait_until(
        lambda: (
            {span.service for span in collector.of(trace)} == {"edge", "scopegate"}
            and any(span.name == "check" for span in collector.of(trace))
        ),
        "Envoy's and Scopegate's spans have arrived",
    )
    return collector.of(trace)


def test_one_trace_goes_from_the_client_through_envoy_to_the_parts_of_the_check(
    traced: tuple[WholeSystem, SpanCollector],
) -> None:
    """Each span has the one before it as its parent."""
    system, collector = traced
    status, trace = _ask(system)
    assert status == 200
    spans = _spans(collector, trace)
    by_id = {span.id: span for span in spans}
    (check,) = [span for span in spans if span.name == "check"]
    asking = by_id[check.parent]
    ingress = by_id[asking.parent]
    assert (asking.service, ingress.service) == ("edge", "edge")
    assert "Authorization" in asking.name
    assert ingress.parent == CLIENTS_SPAN
    parts = sorted((span for span in spans if span.parent == check.id), key=lambda span: span.began)
    assert [part.name for part in parts] == [*PARTS, "check.keep"]
    assert all(check.began <= part.began <= part.ended <= check.ended for part in parts)


def test_a_span_says_the_decision_and_nothing_of_the_request(
    traced: tuple[WholeSystem, SpanCollector],
) -> None:
    """Closed sets, configured names and ids; neither the path nor who asks."""
    system, collector = traced
    status, trace = _ask(
        system, token=system.token("canary-subject", "nobody"), path="/ledger/canary-path?q=canary-query"
    )
    assert status == 403
    spans = _spans(collector, trace)
    (check,) = [span for span in spans if span.name == "check"]
    decision = check.attributes.pop("scopegate.decision_id")
    version = check.attributes.pop("scopegate.policy_version")
    assert len(decision) == len(version) == 32
    assert check.attributes == {
        "scopegate.outcome": "deny",
        "scopegate.reason": "no_grant",
        "scopegate.remembered": False,
        "scopegate.warehouse": "ledger",
    }
    assert not [body for body in collector.bodies if b"canary" in body]


def test_a_trace_that_is_not_kept_leaves_nothing(traced: tuple[WholeSystem, SpanCollector]) -> None:
    """Neither one that a client does not keep, nor a request without a trace."""
    system, collector = traced
    _, kept_out = _ask(system, sampled=False)
    before = len([span for span in collector.spans if span.name == "check"])
    assert system.ask("/ledger/x", system.token()).status == 200
    _, kept = _ask(system)
    _spans(collector, kept)
    assert collector.of(kept_out) == []
    assert len([span for span in collector.spans if span.name == "check"]) == before + 1


def test_what_is_no_traceparent_is_no_trace(traced: tuple[WholeSystem, SpanCollector]) -> None:
    """Whatever a client sends, the answer is the same."""
    system, collector = traced
    for text in (
        "",
        "x",
        "00-" + "0" * 32 + f"-{CLIENTS_SPAN}-01",
        f"00-{'g' * 32}-{CLIENTS_SPAN}-01",
        "01" * 400,
    ):
        assert system.ask("/ledger/x", system.token(), headers=[("traceparent", text)]).status == 200
    assert not collector.of("0" * 32)


def _fates(system: WholeSystem) -> dict[str, float]:
    found: dict[str, float] = {}
    for port in system.operators:
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        for line in text.splitlines():
            if line.startswith("scopegate_trace_spans_total{"):
                fate = line.partition('fate="')[2].partition('"')[0]
                found[fate] = found.get(fate, 0) + float(line.rpartition(" ")[2])
    return found


def test_a_collector_that_fails_costs_spans_and_no_answer(traced: tuple[WholeSystem, SpanCollector]) -> None:
    """They are counted."""
    system, collector = traced
    collector.failing = True
    try:
        began = time.monotonic()
        assert {_ask(system)[0] for _ in range(20)} == {200}
        assert time.monotonic() - began < 10
        wait_until(lambda: _fates(system)["failed"] > 0, "lost spans are counted", 30)
    finally:
        collector.failing = False
    fates = _fates(system)
    assert fates["dropped"] == fates["limited"] == 0
    _, trace = _ask(system)
    _spans(collector, trace)


def test_spans_that_wait_are_handed_over_at_the_end() -> None:
    """A worker that is told to stop has its last traces kept."""
    with SpanCollector() as collector:
        with whole_system(traces=collector.url, options=[f"--traces={collector.url}"]) as system:
            traces = [_ask(system)[1] for _ in range(4)]
        assert all(any(span.name == "check" for span in collector.of(trace)) for trace in traces)


def _records(system: WholeSystem) -> list[dict[str, Any]]:
    return [line for line in system.audit() if "decision_id" in line]


def test_a_client_does_not_choose_how_many_checks_are_traced() -> None:
    """Each is answered; those beyond the rate leave no span and are counted."""
    with (
        SpanCollector() as collector,
        whole_system(
            traces=collector.url, options=[f"--traces={collector.url}", "--traces-per-second=0.01"]
        ) as system,
    ):
        assert {_ask(system)[0] for _ in range(20)} == {200}
        wait_until(
            lambda: (
                _fates(system)["limited"] + len([span for span in collector.spans if span.name == "check"])
                == 20
            ),
            "every check is traced or counted",
        )
        assert _fates(system)["limited"] >= 18


def test_a_trace_that_envoy_begins_leads_to_the_audit_record_and_back() -> None:
    """By trace id and by decision id, though the request says nothing of a trace."""
    with (
        SpanCollector() as collector,
        whole_system(
            traces=collector.url, trace_percent=100, options=[f"--traces={collector.url}"]
        ) as system,
    ):
        assert system.ask("/ledger/x", system.token()).status == 200
        wait_until(lambda: any(span.name == "check" for span in collector.spans), "the span has arrived")
        wait_until(lambda: _records(system), "the record is written")
        (check,) = [span for span in collector.spans if span.name == "check"]
        (record,) = _records(system)
        assert record["asked"]["trace_id"] == check.trace
        assert record["decision_id"] == check.attributes["scopegate.decision_id"]
