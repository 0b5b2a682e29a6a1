"""Audit records as JSON Lines, written by one thread: an `AuditSink`.

Back pressure: the check never waits for a disk. Records go through a bounded queue; when it is full, or a
write fails, records are dropped, every one is counted (`scopegate_audit_records_total`), and the first of an
episode is told to the log. The trail then has a gap that says so in the metric, and warehouses stay reachable.
"""

import json
import os
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
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
    members = dict(zip(_RECORD_NAMES, _record_values(record), strict=True))
    if record.asked is not None:
        members["asked"] = dict(zip(_ASKED_NAMES, _asked_values(record.asked), strict=True))
    # `actor` is the first of the sorted names, so what is remembered of it goes in front.
    rest = _encode(members)
    return f'{{"actor":{_actor_json(record.actor)},{rest[1:]}\n'.encode("ascii")


def _sorted_names(of: type[AuditRecord | Actor | Asked]) -> tuple[str, ...]:
    return tuple(sorted(field.name for field in fields(of)))


_encode: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_encode_sorted: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True, default=dict).encode
_RECORD_NAMES: Final = tuple(name for name in _sorted_names(AuditRecord) if name != "actor")
_ASKED_NAMES: Final = _sorted_names(Asked)
_ACTOR_NAMES: Final = _sorted_names(Actor)
_record_values: Final = attrgetter(*_RECORD_NAMES)
_asked_values: Final = attrgetter(*_ASKED_NAMES)
_actor_values: Final = attrgetter(*_ACTOR_NAMES)


@lru_cache(4_096)  # the same object for every record of a principal
def _actor_json(actor: Actor | None) -> str:
    if actor is None:
        return "null"
    return _encode_sorted(dict(zip(_ACTOR_NAMES, _actor_values(actor), strict=True)))


def _opened(target: Path | int) -> int:
    if isinstance(target, int):
        return target
    # Readable for the group, so that a collector needs no more rights than that.
    return os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
