"""A trail at an OpenTelemetry collector: each line is the body of one log record, byte for byte.

Posted by the exporter itself, without the SDK's batching: that drops in silence when its queue is full.
https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import errno
import time
from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from authz import __version__
from authz.audit.tail import BEGINNING

_TIMEOUT_SECONDS: Final = 5.0
_SCOPE: Final = InstrumentationScope("scopegate.audit", __version__)


class OtlpStore:
    """Posts lines. What the collector has acknowledged counts as kept and as durable."""

    def __init__(self, url: str, *, synced: Callable[[float], None] = lambda _: None) -> None:
        self._exporter = OTLPLogExporter(endpoint=url, timeout=_TIMEOUT_SECONDS)
        self._resource = Resource.create({"service.name": "scopegate", "service.version": __version__})
        self._synced = synced
        self.is_broken = True

    def open(self) -> None:
        """Nothing can be read back: the chain before this one is the collector's to know."""
        self.is_broken = False

    def append(self, lines: Sequence[bytes], *, durable: bool) -> None:  # noqa: ARG002 - it is acknowledged or not
        started = time.perf_counter()
        result = self._exporter.export([self._record(line) for line in lines])
        if result is not LogRecordExportResult.SUCCESS:
            # It may have taken them all the same: what comes next is a new chain.
            self.is_broken = True
            raise OSError(errno.EIO, "the collector has not taken it")
        self._synced(time.perf_counter() - started)

    def wants_rotation(self, now: float) -> bool:  # noqa: ARG002 - as in `Store`
        return False

    def rotate(self, now: float, name: str) -> None:
        raise NotImplementedError

    def reopen(self) -> bool:
        return False

    def close(self) -> None:
        self.is_broken = True

    def _record(self, line: bytes) -> ReadableLogRecord:
        now = time.time_ns()
        kind = BEGINNING.match(line)
        record = LogRecord(
            timestamp=now,
            observed_timestamp=now,
            severity_number=SeverityNumber.INFO,
            body=line.rstrip(b"\n").decode("ascii"),
            event_name=f"scopegate.audit.{kind[1].decode('ascii') if kind else 'unknown'}",
        )
        return ReadableLogRecord(log_record=record, resource=self._resource, instrumentation_scope=_SCOPE)
