"""Spans that the collector does not take, or not in time, are lost and counted; a check is not kept waiting."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from authz.spans import MAX_WAITING, SpanFate, Spans
from authz.transport.tracing import CheckTrace
from tests.envoy_process import wait_until

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Hanging(SpanExporter):
    """A collector that answers when it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.result = SpanExportResult.SUCCESS

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.let.wait(30)
        return self.result


@pytest.fixture
def hanging() -> Iterator[tuple[Hanging, Spans, Counter[SpanFate]]]:
    fates: Counter[SpanFate] = Counter()
    exporter = Hanging()

    def counted(fate: SpanFate, spans: int) -> None:
        fates[fate] += spans

    spans = Spans(exporter, counted=counted)
    yield exporter, spans, fates
    exporter.let.set()
    spans.close()


def test_what_the_queue_cannot_take_is_counted(hanging: tuple[Hanging, Spans, Counter[SpanFate]]) -> None:
    """Not one is lost in silence, and there is room again when the collector answers."""
    exporter, spans, fates = hanging
    for _ in range(MAX_WAITING + 100):
        spans.traced(CheckTrace(PARENT))
    assert fates == {SpanFate.DROPPED: 100}
    exporter.let.set()
    wait_until(lambda: fates[SpanFate.EXPORTED] == MAX_WAITING, "all that waited have gone")
    spans.traced(CheckTrace(PARENT))
    wait_until(lambda: fates[SpanFate.EXPORTED] == MAX_WAITING + 1, "there is room again")
    assert fates[SpanFate.DROPPED] == 100


def test_what_the_collector_refuses_is_counted(hanging: tuple[Hanging, Spans, Counter[SpanFate]]) -> None:
    """And does not take the room of others."""
    exporter, spans, fates = hanging
    exporter.result = SpanExportResult.FAILURE
    exporter.let.set()
    for _ in range(10):
        spans.traced(CheckTrace(PARENT))
    wait_until(lambda: fates == {SpanFate.FAILED: 10}, "the loss is counted")


def test_what_is_no_trace_makes_no_span(hanging: tuple[Hanging, Spans, Counter[SpanFate]]) -> None:
    """A caller's text is believed in its form only."""
    exporter, spans, fates = hanging
    exporter.let.set()
    spans.traced(CheckTrace("00-" + "0" * 32 + "-00f067aa0ba902b7-01"))
    spans.traced(CheckTrace(PARENT))
    wait_until(lambda: fates[SpanFate.EXPORTED] == 1, "the good one has gone")
