"""Takes note of each decision: audit trail and metrics."""

from authz.audit.record import Recorder
from authz.audit.sink import AuditSink
from authz.check import Outcome
from authz.errors import Reason
from authz.policy.decision import Allow
from authz.request import AccessRequest
from authz.telemetry.metrics import Metrics


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
        self._metrics.decided(None if outcome.warehouse is None else outcome.warehouse.name, reason)
        self._metrics.observe_check_seconds(seconds)
        if reason is Reason.INTERNAL_ERROR:
            self._metrics.defect()
        self._audit.offer(self._recorder.record(outcome, request, decision_id=decision_id, at=at))
