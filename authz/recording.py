"""Takes note of each decision: audit trail and metrics."""

from collections.abc import Iterable

from authz.audit.record import Recorder
from authz.audit.sink import AuditSink
from authz.check import Outcome, Phase
from authz.errors import Reason
from authz.policy.decision import Allow
from authz.request import AccessRequest
from authz.telemetry.metrics import Metrics
from authz.telemetry.traces import TRACEPARENT


class Recording:
    """The engine's `Observer` under one policy."""

    __slots__ = ("_audit", "_metrics", "_recorder")

    def __init__(self, recorder: Recorder, *, metrics: Metrics, audit: AuditSink) -> None:
        self._recorder = recorder
        self._metrics = metrics
        self._audit = audit

    def decided(
        self, outcome: Outcome, request: AccessRequest | None, *, decision_id: str, at: float, seconds: float
    ) -> None:
        """Take note; see `Observer`."""
        decision = outcome.decision
        reason = Reason.GRANTED if isinstance(decision, Allow) else decision.reason
        self._metrics.decided(
            None if outcome.warehouse is None else outcome.warehouse.name,
            reason,
            seconds,
            warm=outcome.remembered,
            traceparent=_traceparent(request),
            at=at,
        )
        if reason is Reason.INTERNAL_ERROR:
            self._metrics.defect()
        self._audit.offer(self._recorder.record(outcome, request, decision_id=decision_id, at=at))

    def timed(self, phases: Iterable[tuple[Phase, float]]) -> None:
        """Take note; see `Observer`."""
        self._metrics.timed(phases)


def _traceparent(request: AccessRequest | None) -> str | None:
    values = None if request is None else request.headers.get(TRACEPARENT)
    return values[0] if values is not None and len(values) == 1 else None
