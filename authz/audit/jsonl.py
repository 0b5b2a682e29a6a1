"""Audit records as JSON Lines, written by one thread: an `AuditSink`.

Back pressure: the check never waits for a disk. Records go through a bounded queue; when it is full, or a
write fails, records are dropped, every one is counted (`scopegate_audit_records_total`), and the first of an
episode is told to the log. The trail then has a gap that says so in the metric, and warehouses stay reachable.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Final

from authz.audit.record import Actor, Asked, AuditRecord
from authz.audit.sink import Fate

MAX_QUEUED: Final = 50_000
_MAX_BATCH: Final = 500
_CLOSE_SECONDS: Final = 5.0

Counted = Callable[[Fate, int], None]
Told = Callable[[str], None]


class JsonLines:
    """Appends one line of JSON a record to a file, or to an open descriptor such as stdout's.

    Raises OSError if the file cannot be opened. `counted` is called from the check's thread and the writer's,
    `told` (with a sentence for the log) likewise.
    """

    def __init__(
        self, target: Path | int, *, counted: Counted, told: Told, max_queued: int = MAX_QUEUED
    ) -> None:
        self._target = target
        self._descriptor = _opened(target)
        self._counted = counted
        self._told = told
        self._max_queued = max_queued
        self._queue: SimpleQueue[AuditRecord | None] = SimpleQueue()
        self._reopen = Event()
        self._overflowing = False
        self._failing = False
        self._torn = False
        self._writer = Thread(target=self._write_all, name="audit", daemon=True)
        self._writer.start()

    def offer(self, record: AuditRecord) -> None:
        if self._queue.qsize() >= self._max_queued:
            self._counted(Fate.DROPPED_QUEUE_FULL, 1)
            if not self._overflowing:
                self._overflowing = True
                self._told(f"the audit queue is full at {self._max_queued} records: records are dropped")
            return
        self._overflowing = False
        self._queue.put(record)

    def reopen(self) -> None:
        self._reopen.set()

    def close(self) -> None:
        self._queue.put(None)
        self._writer.join(_CLOSE_SECONDS)
        if self._writer.is_alive():
            self._told(f"the audit trail could not be finished within {_CLOSE_SECONDS:.0f} s")

    def _write_all(self) -> None:
        ended = False
        while not ended:
            batch = [self._queue.get()]
            try:
                while len(batch) < _MAX_BATCH:
                    batch.append(self._queue.get_nowait())
            except Empty:
                pass
            ended = None in batch
            self._write([record for record in batch if record is not None])
        if isinstance(self._target, Path):
            os.close(self._descriptor)

    def _write(self, records: list[AuditRecord]) -> None:
        lines = b"".join(map(line_of, records))
        if not lines:
            return
        try:
            if self._reopen.is_set():
                self._reopen.clear()
                self._open_anew()
            # A write that ended within a line: the next record must not be glued to the torn one.
            data = (b"\n" if self._torn else b"") + lines
            while data:
                written = os.write(self._descriptor, data)
                self._torn = data[written - 1 : written] != b"\n"
                data = data[written:]
        except OSError as error:
            self._counted(Fate.DROPPED_WRITE_FAILED, len(records))
            if not self._failing:
                self._told(f"audit records cannot be written and are dropped: {type(error).__name__}")
            self._failing = True
            return
        self._failing = False
        self._counted(Fate.WRITTEN, len(records))

    def _open_anew(self) -> None:
        if isinstance(self._target, Path):
            fresh = _opened(self._target)
            os.close(self._descriptor)
            self._descriptor = fresh
            self._torn = False


def line_of(record: AuditRecord) -> bytes:
    """One record as one line: ASCII only, keys sorted, so that equal records are equal bytes.

    Everything in a record is JSON already: claims came from JSON, the rest is text, numbers and tuples of it.
    """
    text = json.dumps(record, default=_plain, sort_keys=True, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


_FIELDS: Final[dict[type[object], tuple[str, ...]]] = {
    cls: tuple(f.name for f in fields(cls)) for cls in (AuditRecord, Actor, Asked)
}


def _plain(value: object) -> object:
    names = _FIELDS.get(type(value))
    if names is not None:
        return {name: getattr(value, name) for name in names}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def _opened(target: Path | int) -> int:
    if isinstance(target, int):
        return target
    # Readable for the group, so that a collector needs no more rights than that.
    return os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
