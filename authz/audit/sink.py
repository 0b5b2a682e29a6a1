"""Where audit records go."""

from enum import StrEnum
from typing import Protocol

from authz.audit.record import AuditRecord


class Fate(StrEnum):
    """What became of a record."""

    WRITTEN = "written"
    DROPPED_QUEUE_FULL = "dropped_queue_full"
    DROPPED_WRITE_FAILED = "dropped_write_failed"


class AuditSink(Protocol):
    """Takes records from the check's thread, so `offer` neither waits nor raises."""

    def offer(self, record: AuditRecord) -> None:
        """Take over `record`, or count it as dropped."""

    def reopen(self) -> None:
        """Open the file anew: a log rotation has moved it away."""

    def close(self) -> None:
        """Write what was taken over, then end. Waits for that, within a bound."""


class NoAudit:
    """Keeps no records: the operator has chosen so."""

    def offer(self, record: AuditRecord) -> None:
        pass

    def reopen(self) -> None:
        pass

    def close(self) -> None:
        pass
