"""Spans of checks for an OpenTelemetry collector, in the trace that Envoy has begun or continued.

Only traces that are sampled come here. What a span says is from closed sets, configured names, and ids that say
nothing by themselves: no person, no path, no claim, no credential.
https://opentelemetry.io/docs/specs/otel/trace/
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from opentelemetry import trace as api
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from authz import __version__
from authz.policy.decision import Allow, Deny
from authz.transport.tracing import CheckTrace

MAX_WAITING: Final = 4_096
"""Spans that wait for the collector; more are dropped, and counted."""
EXPORT_SECONDS: Final = 5.0
_EVERY_MILLISECONDS: Final = 1_000
_BATCH: Final = 512
_NANOSECONDS: Final = 1_000_000_000

_propagator: Final = TraceContextTextMapPropagator()


class SpanFate(StrEnum):
    """What became of spans."""

    EXPORTED = "exported"
    FAILED = "failed"
    """The collector did not take them."""
    DROPPED = "dropped"
    """Too many waited for the collector."""
    LIMITED = "limited"
    """Never made, because of too many traces in a second: one for each check."""


class Spans:
    """Makes spans of checks and hands them to a collector, in a thread of its own."""

    def __init__(self, exporter: SpanExporter, *, counted: Callable[[SpanFate, int], None]) -> None:
        self._counted = counted
        self._exporter = _Counting(exporter, counted)
        self._made = 0
        resource = Resource.create({"service.name": "scopegate", "service.version": __version__})
        self._provider = TracerProvider(
            # Whoever is not sampled never gets here; a caller that says it is, is believed.
            sampler=ParentBased(ALWAYS_ON),
            resource=resource,
            span_limits=SpanLimits(max_span_attributes=16, max_span_attribute_length=128),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._exporter,
                max_queue_size=MAX_WAITING,
                schedule_delay_millis=_EVERY_MILLISECONDS,
                max_export_batch_size=_BATCH,
            )
        )
        self._tracer = self._provider.get_tracer("scopegate", __version__)

    def traced(self, trace: CheckTrace) -> None:
        """The span of a check and of each of its parts."""
        parent = _propagator.extract({"traceparent": trace.parent})
        if not api.get_current_span(parent).get_span_context().is_valid:
            return
        parts = list(trace.parts())
        # What the processor's own queue cannot take it would drop in silence.
        if self._made - self._exporter.done + len(parts) + 1 > MAX_WAITING:
            self._counted(SpanFate.DROPPED, len(parts) + 1)
            return
        self._made += len(parts) + 1
        span = self._tracer.start_span(
            "check",
            context=parent,
            kind=api.SpanKind.SERVER,
            attributes=attributes_of(trace),
            start_time=_nanoseconds(trace.began),
        )
        within = api.set_span_in_context(span, parent)
        for name, began, ended in parts:
            part = self._tracer.start_span(f"check.{name}", context=within, start_time=_nanoseconds(began))
            part.end(_nanoseconds(ended))
        span.end(_nanoseconds(trace.ended()))

    def close(self) -> None:
        """Hand over what waits, for a bounded time."""
        self._provider.shutdown()


def attributes_of(trace: CheckTrace) -> dict[str, str | bool]:
    """What a span says of a check."""
    found: dict[str, str | bool] = {"scopegate.decision_id": trace.decision_id}
    outcome = trace.outcome
    if outcome is None:
        return found
    found["scopegate.outcome"] = "allow" if isinstance(outcome.decision, Allow) else "deny"
    found["scopegate.reason"] = (
        outcome.decision.reason.value if isinstance(outcome.decision, Deny) else "granted"
    )
    found["scopegate.policy_version"] = outcome.policy_version
    found["scopegate.remembered"] = outcome.remembered
    if outcome.warehouse is not None:
        found["scopegate.warehouse"] = outcome.warehouse.name
    return found


def collector(url: str) -> SpanExporter:
    """Posts spans to an OTLP collector (`http://host:4318/v1/traces`)."""
    return OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECONDS)


class _Counting(SpanExporter):
    def __init__(self, exporter: SpanExporter, counted: Callable[[SpanFate, int], None]) -> None:
        self._exporter = exporter
        self._counted = counted
        self.done = 0
        """Spans that are not waiting any more; written by the exporter's thread alone."""

    # Python 3.11 has no typing.override, hence the remarks.
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # type: ignore[explicit-override]
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - whatever it is, the spans are lost and nothing else
            result = SpanExportResult.FAILURE
        fate = SpanFate.EXPORTED if result is SpanExportResult.SUCCESS else SpanFate.FAILED
        self.done += len(spans)
        self._counted(fate, len(spans))
        return result

    def shutdown(self) -> None:  # type: ignore[explicit-override]
        self._exporter.shutdown()


def _nanoseconds(seconds: float) -> int:
    return int(seconds * _NANOSECONDS)
