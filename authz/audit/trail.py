"""The writer of a trail: one thread that turns what was noted into chained lines and keeps them.

The deciding thread appends to a queue and goes on. Strict: an allow carries a future, which is done when its line is
durable; whatever gathered meanwhile is made durable together (group commit). Buffered: an allow leaves once it is in
the queue; a queue that is full refuses or holds back further ones, and what could not be written stays in it.

Nothing is lost in silence: what is, is counted, told to the log, and stands as a gap in the trail itself.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Final

from authz import __version__
from authz.audit.chain import Chain, new_writer_id
from authz.audit.keys import Signer
from authz.audit.options import Mode, Overflow, TrailSettings
from authz.audit.record import Noted, Recorder
from authz.audit.sink import Fate
from authz.audit.store import Store
from authz.case import Occasion
from authz.errors import Denied, Reason

_MAX_BATCH: Final = 1_000
_GATHER_SECONDS: Final = 0.05
"""Buffered: how long to let records gather. So much is lost when the process is killed. Each time the writer takes the
interpreter from whoever answers: with a hundredth, at 1,000 checks a second, one check in four met it."""
_RETRY_SECONDS: Final = 0.5
_CLOSE_SECONDS: Final = 10.0

Waiting = asyncio.Future[bool]
Entry = tuple[Noted, Waiting | None]


@dataclass(slots=True)
class _Gap:
    lost: int = 0
    since: float = 0.0
    until: float = 0.0
    cause: str = ""


class Trail:
    """An `AuditSink`. Raises OSError at once if the store cannot be written to.

    `counted` is called from the thread of the checks and from the writer's, `told` (a sentence for the log) likewise.
    """

    def __init__(  # noqa: PLR0913 - what it tells goes to several places
        self,
        store: Store,
        settings: TrailSettings,
        *,
        signer: Signer | None = None,
        counted: Callable[[Fate, int], None],
        told: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._settings = settings
        self._strict = settings.mode is Mode.STRICT
        self._signer = signer
        self._counted = counted
        self._told = told
        self._clock = clock
        self._queue: deque[Entry] = deque()
        self._limit = settings.max_queued
        self._idle = False
        self._work = Event()
        self._reopen = Event()
        self._closing = Event()
        self._gap = _Gap()
        self._gap_lock = Lock()
        self._overflowing = False
        self._failing = False
        self._announced: set[str] = set()
        self._unsealed = 0
        self._unsealed_since = 0.0
        self._begin()
        self._writer = Thread(target=self._write_all, name="audit", daemon=True)
        self._writer.start()

    @property
    def queued(self) -> int:
        """Records that wait for the writer."""
        return len(self._queue)

    def offer(self, noted: Noted) -> Waiting | None:
        _, occasion = noted
        waiting: Waiting | None = None
        if len(self._queue) >= self._limit:
            waiting = self._overflow(occasion)
        elif self._strict and occasion.case.allowed:
            waiting = asyncio.get_running_loop().create_future()
            self._overflowing = False
        self._queue.append((noted, waiting))
        # INVARIANT: the writer looks at the queue again after it has said that it is idle.
        if self._idle:
            self._idle = False
            self._work.set()
        return waiting

    def reopen(self) -> None:
        self._reopen.set()
        self._work.set()

    def close(self) -> None:
        self._closing.set()
        self._work.set()
        self._writer.join(_CLOSE_SECONDS)
        if self._writer.is_alive():
            self._told(f"the audit trail could not be finished within {_CLOSE_SECONDS:.0f} s")

    # In the thread of the checks.

    def _overflow(self, occasion: Occasion) -> Waiting:
        if not self._overflowing:
            self._overflowing = True
            self._told(f"the audit queue is full at {self._limit:,} records: {self._settings.overflow.value}")
        # A client that gives up leaves its record behind, so there is an end to waiting, too.
        if self._settings.overflow is Overflow.REFUSE or len(self._queue) >= 2 * self._limit:
            self._lost(1, occasion.at, occasion.at, Fate.DROPPED_QUEUE_FULL)
            raise Denied(Reason.AUDIT_UNAVAILABLE, "the audit queue is full")
        return asyncio.get_running_loop().create_future()

    # In both.

    def _lost(self, records: int, since: float, until: float, fate: Fate) -> None:
        self._counted(fate, records)
        cause = "queue_full" if fate is Fate.DROPPED_QUEUE_FULL else "write_failed"
        with self._gap_lock:
            gap = self._gap
            first = since if not gap.lost else min(since, gap.since)
            self._gap = _Gap(gap.lost + records, first, max(until, gap.until), cause)

    # In the writer's thread.

    def _write_all(self) -> None:
        while True:
            batch = self._take()
            self._look_after_the_file()
            if batch:
                self._keep(batch)
            elif self._closing.is_set() and not self._queue:
                break
        self._finish()

    def _take(self) -> list[Entry]:
        """What has gathered; waits for something if nothing has. Empty when there is something else to do."""
        queue = self._queue
        if not queue and not self._closing.is_set():
            self._work.clear()
            self._idle = True
            if not (queue or self._reopen.is_set() or self._closing.is_set()):
                self._work.wait(self._settings.seal_seconds if self._unsealed else None)
            self._idle = False
        # INVARIANT: no rest with a batch or more in the queue, or there were a bound to what a second may bring.
        if not self._strict and len(queue) < _MAX_BATCH and not self._closing.is_set():
            self._closing.wait(_GATHER_SECONDS)
        return [queue.popleft() for _ in range(min(len(queue), _MAX_BATCH))]

    def _keep(self, batch: Sequence[Entry]) -> None:
        position, announced = self._chain.position(), set(self._announced)
        gap = self._gap
        try:
            if self._store.is_broken:
                self._begin()
                position, announced = self._chain.position(), set()
            lines, broken = self._lines(batch, gap)
            self._store.append(lines, durable=self._strict)
        except OSError as error:
            self._chain.return_to(position)
            self._announced = announced
            self._failed(batch, error)
            return
        self._failing = False
        self._close_gap(gap)
        self._note_unsealed(len(lines))
        written = [entry for entry in batch if entry not in broken] if broken else batch
        self._counted(Fate.WRITTEN, len(written))
        _settle(written, kept=True)
        for (_, occasion), _ in broken:
            self._lost(1, occasion.at, occasion.at, Fate.DROPPED_WRITE_FAILED)
        _settle(broken, kept=False)

    def _lines(self, batch: Sequence[Entry], gap: _Gap) -> tuple[list[bytes], list[Entry]]:
        """The lines of a batch, and the records that no line could be made of, because of a defect."""
        chain, lines, broken = self._chain, [], []
        if gap.lost:
            members = {"lost": gap.lost, "since": gap.since, "until": gap.until, "cause": gap.cause}
            lines.append(chain.add_object("gap", {"at": self._clock(), **members}))
        for entry in batch:
            (recorder, occasion), _ = entry
            try:
                body = recorder.body(occasion)
            except Exception as defect:  # noqa: BLE001 - one record must not take the others with it
                self._told(f"an audit record could not be made: {type(defect).__name__}")
                broken.append(entry)
                continue
            version = occasion.case.outcome.policy_version
            if version not in self._announced:
                self._announced.add(version)
                lines.append(self._policy_line(recorder, version))
            lines.append(chain.add("decision", body))
        return lines, broken

    def _policy_line(self, recorder: Recorder, version: str) -> bytes:
        reads = {
            warehouse: {
                "groups": None if each.groups is None else sorted(each.groups),
                "claims": None if each.claims is None else sorted(each.claims),
                "path": each.path,
            }
            for warehouse, each in recorder.reads.items()
        }
        members = {"at": self._clock(), "policy_version": version, "reads": reads}
        return self._chain.add_object("policy", members)

    def _failed(self, batch: Sequence[Entry], error: OSError) -> None:
        if not self._failing:
            self._failing = True
            self._told(f"audit records cannot be written: {error.strerror or type(error).__name__}")
        if self._strict or self._closing.is_set():
            times = [occasion.at for (_, occasion), _ in batch]
            self._lost(len(batch), min(times), max(times), Fate.DROPPED_WRITE_FAILED)
            _settle(batch, kept=False)
            return
        self._queue.extendleft(reversed(batch))
        self._closing.wait(_RETRY_SECONDS)

    def _close_gap(self, written: _Gap) -> None:
        with self._gap_lock:
            if self._gap.lost == written.lost:
                self._gap = _Gap()
            else:
                self._gap.lost -= written.lost

    def _begin(self) -> None:
        """Start a chain behind whatever stands in the store. Raises OSError."""
        tail = self._store.open()
        self._chain = Chain(new_writer_id(), self._signer)
        self._announced = set()
        start = self._chain.add_object(
            "start",
            {
                "at": self._clock(),
                "version": __version__,
                "mode": self._settings.mode.value,
                "after": None if tail is None else tail.predecessor,
            },
        )
        try:
            self._store.append([start], durable=self._strict)
        except OSError:
            self._store.close()
            raise
        self._note_unsealed(1)

    def _note_unsealed(self, lines: int) -> None:
        if not self._unsealed:
            self._unsealed_since = self._clock()
        self._unsealed += lines
        if self._unsealed >= self._settings.seal_records:
            self._seal("interval")

    def _seal(self, why: str) -> bool:
        position = self._chain.position()
        try:
            self._store.append([self._chain.seal(self._clock(), why)], durable=self._strict)
        except OSError as error:
            self._chain.return_to(position)
            self._told(f"the audit trail cannot be sealed: {error.strerror or type(error).__name__}")
            self._unsealed_since = self._clock()
            return False
        self._unsealed = 0
        return True

    def _look_after_the_file(self) -> None:
        now = self._clock()
        if self._store.is_broken:
            return
        try:
            if self._reopen.is_set():
                self._reopen.clear()
                if self._seal("reopened") and self._store.reopen():
                    self._continue(now)
            elif self._store.wants_rotation(now):
                name = f"{self._chain.writer.rpartition('.')[2]}-{self._chain.seq:012d}"
                if self._seal("rotated"):
                    self._store.rotate(now, name)
                    self._continue(now)
        except OSError as error:
            self._told(f"the audit file cannot be changed: {error.strerror or type(error).__name__}")
        # A clock that was set back is no reason to leave lines unsealed for as long as that.
        if self._unsealed and not 0 <= self._clock() - self._unsealed_since < self._settings.seal_seconds:
            self._seal("interval")

    def _continue(self, now: float) -> None:
        self._announced = set()
        position = self._chain.position()
        try:
            self._store.append([self._chain.add_object("continued", {"at": now})], durable=self._strict)
        except OSError:
            self._chain.return_to(position)
            raise
        self._note_unsealed(1)

    def _finish(self) -> None:
        gap = self._gap
        if gap.lost and not self._store.is_broken:
            position = self._chain.position()
            try:
                self._store.append(self._lines([], gap)[0], durable=self._strict)
            except OSError:
                self._chain.return_to(position)
        if not self._store.is_broken:
            self._seal("closed")
        self._store.close()


def _settle(batch: Iterable[Entry], *, kept: bool) -> None:
    """Tell those who wait, with one message to their event loop."""
    futures = [waiting for _, waiting in batch if waiting is not None]
    if futures:
        # The loop may have ended: then nobody waits any more.
        with suppress(RuntimeError):
            futures[0].get_loop().call_soon_threadsafe(_set_all, futures, kept)


def _set_all(futures: Sequence[Waiting], kept: bool) -> None:  # noqa: FBT001 - call_soon_threadsafe passes no keywords
    for future in futures:
        if not future.done():
            future.set_result(kept)
