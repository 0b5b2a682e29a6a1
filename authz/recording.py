"""Takes note of each decision: audit trail and metrics."""

from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING

from authz.audit.record import Recorder, traceparent_of
from authz.audit.sink import AuditSink
from authz.check import Outcome, Phase
from authz.errors import Denied, Reason
from authz.policy.decision import Allow, Deny
from authz.request import AccessRequest
from authz.telemetry.metrics import Metrics
from authz.transport.tracing import CheckTrace

if TYPE_CHECKING:
    from asyncio import Future


class Kept:
    """Is awaited before an answer leaves. Raises `Denied(audit_unavailable)` where the record could not be kept."""

    __slots__ = ("_count", "_future")

    def __init__(self, future: "Future[bool]", count: Callable[[Reason], None]) -> None:
        self._future = future
        self._count = count

    def __await__(self) -> Generator[object, None, None]:
        reason = Reason.GRANTED
        try:
            if not (yield from self._future.__await__()):
                reason = Reason.AUDIT_UNAVAILABLE
                raise Denied(reason, "the audit record could not be written")
        finally:
            self._count(reason)


def untraced(_: CheckTrace) -> None:
    """Nobody wants to know."""


class Recording:
    """The engine's `Observer` under one policy."""

    __slots__ = ("_audit", "_metrics", "_recorder", "traced")

    def __init__(
        self,
        recorder: Recorder,
        *,
        metrics: Metrics,
        audit: AuditSink,
        traced: Callable[[CheckTrace], None] = untraced,
    ) -> None:
        self.traced = traced
        self._recorder = recorder
        self._metrics = metrics
        self._audit = audit

    def decided(  # noqa: PLR0913 - facts of one check; a value that holds them would be made for each
        self,
        outcome: Outcome,
        request: AccessRequest | None,
        *,
        decision_id: str,
        at: float,
        seconds: float,
        traceparent: str | None = None,
    ) -> "Kept | None":
        """Take note; see `Observer`."""
        decision = outcome.decision
        allowed = isinstance(decision, Allow)
        reason = decision.reason if isinstance(decision, Deny) else Reason.GRANTED
        if traceparent is None:
            traceparent = traceparent_of(request)
        note = self._recorder.note(outcome, request, decision_id=decision_id, at=at, traceparent=traceparent)
        try:
            future = self._audit.offer(note)
        except Denied as denied:
            reason = denied.reason if allowed else reason
            self._count(outcome, reason, at=at, seconds=seconds, traceparent=traceparent)
            if allowed:
                raise
            return None  # the sink has counted what is lost
        if future is None or not allowed:
            self._count(outcome, reason, at=at, seconds=seconds, traceparent=traceparent)
            return None if future is None else Kept(future, lambda _: None)
        return Kept(future, partial(self._count, outcome, at=at, seconds=seconds, traceparent=traceparent))

    def _count(
        self, outcome: Outcome, reason: Reason, *, at: float, seconds: float, traceparent: str | None
    ) -> None:
        self._metrics.decided(
            None if outcome.warehouse is None else outcome.warehouse.name,
            reason,
            seconds,
            warm=outcome.remembered,
            traceparent=traceparent,
            at=at,
        )
        if reason is Reason.INTERNAL_ERROR:
            self._metrics.defect()

    def timed(self, phases: Iterable[tuple[Phase, float]]) -> None:
        """Take note; see `Observer`."""
        self._metrics.timed(phases)
