"""Where audit records go."""

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from authz.audit.record import Noted

if TYPE_CHECKING:
    from asyncio import Future


class Fate(StrEnum):
    """What became of a record."""

    WRITTEN = "written"
    DROPPED_QUEUE_FULL = "dropped_queue_full"
    DROPPED_WRITE_FAILED = "dropped_write_failed"


class AuditSink(Protocol):
    """Takes records from the thread of the checks, so `offer` does not wait."""

    def offer(self, noted: Noted) -> "Future[bool] | None":
        """Take over a record.

        A future: the answer leaves when it is done; an allow only if it is true then.

        Raises `Denied(audit_unavailable)` for a record that cannot be taken; it is counted as lost.
        """

    def reopen(self) -> None:
        """Open the file anew: a log rotation has moved it away."""

    def close(self) -> None:
        """Write what was taken over, then end. Waits for that, within a bound."""


class NoAudit:
    """Keeps no records: the operator has chosen so."""

    def offer(self, noted: Noted) -> None:
        pass

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass
