"""Takes note of each decision: audit trail and metrics."""

from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING

from authz.audit.record import Recorder
from authz.audit.sink import AuditSink
from authz.case import Occasion
from authz.check import Phase
from authz.errors import Denied, Reason
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

    def decided(self, occasion: Occasion) -> "Kept | None":
        """Take note; see `Observer`."""
        case = occasion.case
        try:
            future = self._audit.offer((self._recorder, occasion))
        except Denied as denied:
            self._count(occasion, denied.reason if case.allowed else case.reason)
            if case.allowed:
                raise
            return None  # the sink has counted what is lost
        if future is None or not case.allowed:
            self._metrics.noted(occasion)
            if case.reason is Reason.INTERNAL_ERROR:
                self._metrics.defect()
            return None if future is None else Kept(future, lambda _: None)
        return Kept(future, partial(self._count, occasion))

    def _count(self, occasion: Occasion, reason: Reason) -> None:
        self._metrics.decided(
            occasion.case.warehouse,
            reason,
            occasion.seconds,
            warm=occasion.case.outcome.remembered,
            traceparent=occasion.traceparent,
            at=occasion.at,
        )

    def timed(self, phases: Iterable[tuple[Phase, float]]) -> None:
        """Take note; see `Observer`."""
        self._metrics.timed(phases)
