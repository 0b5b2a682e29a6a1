"""The trail's writer: every record once, in order, chained; what is lost is told; an allow waits if it must."""

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from authz.audit import trail as trail_module
from authz.audit.keys import Verifier
from authz.audit.lines import LINE
from authz.audit.options import Mode, Overflow
from authz.audit.reading import find_files
from authz.audit.sink import Fate, NoAudit
from authz.audit.verify import verify
from authz.errors import Denied, Reason
from tests.audit_trails import (
    OTHER_VERIFIER,
    VERIFIER,
    Fragile,
    Notes,
    decisions_of,
    kinds_of,
    lines_of,
    noted,
    open_trail,
    write_trail,
)
from tests.unit.transport.outcomes import allowed

FULL = OSError(errno.ENOSPC, "No space left on device")


def _intact(path: Path, *keys: Verifier) -> bool:
    return verify(find_files([path]), keys or [VERIFIER]).is_intact


def test_a_file_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    """A server that was told to keep a trail does not start without one."""
    with pytest.raises(OSError, match="No such file"):
        open_trail(tmp_path / "absent" / "audit.jsonl")


def test_a_file_that_somebody_else_writes_is_an_error_at_the_start(tmp_path: Path) -> None:
    """Two writers of one file would rotate it away from each other."""
    first = open_trail(tmp_path / "audit.jsonl")
    with pytest.raises(OSError, match="each worker needs its own"):
        open_trail(tmp_path / "audit.jsonl")
    first.close()
    open_trail(tmp_path / "audit.jsonl").close()


def test_every_record_is_written_in_order_and_proven(tmp_path: Path) -> None:
    """Across batches and seals; every line is one of the published kinds."""
    path, notes = tmp_path / "audit.jsonl", Notes()
    trail = open_trail(path, notes, seal_records=700)
    for number in range(2_000):
        trail.offer(noted(number))
    trail.close()
    assert decisions_of(path) == list(range(2_000))
    assert notes.fates == {Fate.WRITTEN: 2_000}
    assert notes.told == []
    for line in path.read_bytes().splitlines():
        LINE.validate_json(line)
    assert kinds_of(path)[:3] == ["start", "policy", "decision"]
    assert kinds_of(path)[-1] == "seal:closed"
    assert _intact(path)
    assert not _intact(path, OTHER_VERIFIER)


def test_no_rest_bounds_what_a_second_may_bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records rest to be written together, but not while more than one batch of them waits."""
    monkeypatch.setattr(trail_module, "_GATHER_SECONDS", 2.0)
    trail = open_trail(tmp_path / "audit.jsonl")
    for number in range(9_500):
        trail.offer(noted(number))
    _wait_for(lambda: trail.queued < 1_000)
    trail.close()


def test_what_a_policy_reads_stands_before_its_first_record(tmp_path: Path) -> None:
    """A group that it names and that a record lacks was not in the token."""
    write_trail(tmp_path / "audit.jsonl", 2)
    policy = lines_of(tmp_path / "audit.jsonl")[1]
    assert policy["reads"] == {"sales": {"groups": ["emea"], "claims": [["department"]], "path": False}}


def test_the_file_is_not_for_everybody(tmp_path: Path) -> None:
    """Names of people stand in it: owner and group only."""
    write_trail(tmp_path / "audit.jsonl", 1)
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o640


def test_a_restart_names_the_end_that_it_found(tmp_path: Path) -> None:
    """Then nobody can cut off what was there without being seen."""
    path = tmp_path / "audit.jsonl"
    write_trail(path, 3)
    before = lines_of(path)[-1]
    write_trail(path, 3)
    second = next(line for line in lines_of(path)[1:] if line["kind"] == "start")
    assert (second["after"]["writer"], second["after"]["seq"]) == (before["writer"], before["seq"])
    assert second["writer"] != before["writer"]
    assert _intact(path)


def test_a_full_queue_refuses_allows_and_leaves_a_gap(tmp_path: Path) -> None:
    """Nothing is lost in silence: counted, told once, and a gap in the trail itself; denials are not held up."""
    notes, writing, go_on = Notes(), Event(), Event()
    store = Fragile(tmp_path / "audit.jsonl")
    trail = open_trail(store, notes, max_queued=10)  # type: ignore[arg-type]
    store.before = lambda: (writing.set(), go_on.wait(10))
    trail.offer(noted(0))
    assert writing.wait(10)
    for number in range(1, 11):
        trail.offer(noted(number))
    for number in range(11, 14):
        with pytest.raises(Denied) as denied:
            trail.offer(noted(number, allowed()))
        assert denied.value.reason is Reason.AUDIT_UNAVAILABLE
    assert notes.fates[Fate.DROPPED_QUEUE_FULL] == 3
    assert len(notes.told) == 1
    go_on.set()
    trail.close()
    (gap,) = [line for line in lines_of(tmp_path / "audit.jsonl") if line["kind"] == "gap"]
    assert (gap["lost"], gap["since"], gap["until"], gap["cause"]) == (3, 11.0, 13.0, "queue_full")
    assert decisions_of(tmp_path / "audit.jsonl") == list(range(11))
    report = verify(find_files([tmp_path / "audit.jsonl"]), [VERIFIER])
    assert report.is_intact
    assert report.chains[0].lost == 3


async def test_a_full_queue_can_hold_back_instead(tmp_path: Path) -> None:
    """Back-pressure: answers wait until their records are written; only what piles up behind is refused."""
    notes, writing, go_on = Notes(), Event(), Event()
    store = Fragile(tmp_path / "audit.jsonl")
    trail = open_trail(store, notes, max_queued=2, overflow=Overflow.WAIT)  # type: ignore[arg-type]
    store.before = lambda: (writing.set(), go_on.wait(10))
    trail.offer(noted(0))
    assert await asyncio.to_thread(writing.wait, 10)
    assert trail.offer(noted(1, allowed())) is None
    assert trail.offer(noted(2, allowed())) is None
    waiting = [trail.offer(noted(number, allowed())) for number in (3, 4)]
    with pytest.raises(Denied):
        trail.offer(noted(5, allowed()))
    assert all(future is not None and not future.done() for future in waiting)
    go_on.set()
    assert await asyncio.gather(*(future for future in waiting if future is not None)) == [True, True]
    await asyncio.to_thread(trail.close)
    assert decisions_of(tmp_path / "audit.jsonl") == list(range(5))


async def test_strict_an_allow_waits_until_its_record_is_durable(tmp_path: Path) -> None:
    """A denial does not: it tells nobody anything."""
    writing, go_on = Event(), Event()
    store = Fragile(tmp_path / "audit.jsonl")
    trail = open_trail(store, mode=Mode.STRICT)  # type: ignore[arg-type]
    store.before = lambda: (writing.set(), go_on.wait(10))
    assert trail.offer(noted(0)) is None
    future = trail.offer(noted(1, allowed()))
    assert future is not None
    assert await asyncio.to_thread(writing.wait, 10)
    assert not future.done()
    go_on.set()
    assert await future is True
    assert 1 in decisions_of(tmp_path / "audit.jsonl")
    await asyncio.to_thread(trail.close)


async def test_strict_a_full_disk_refuses_until_there_is_room(tmp_path: Path) -> None:
    """What could not be written is not in the file, not even in part, and is told as a gap afterwards."""
    notes, store = Notes(), Fragile(tmp_path / "audit.jsonl")
    trail = open_trail(store, notes, mode=Mode.STRICT)  # type: ignore[arg-type]
    store.failure = FULL
    for number in range(3):
        future = trail.offer(noted(number, allowed()))
        assert future is not None
        assert await future is False
    assert len(notes.told) == 1
    assert "No space left" in notes.told[0]
    store.failure = None
    future = trail.offer(noted(3, allowed()))
    assert future is not None
    assert await future is True
    await asyncio.to_thread(trail.close)
    assert decisions_of(tmp_path / "audit.jsonl") == [3]
    assert notes.fates == {Fate.DROPPED_WRITE_FAILED: 3, Fate.WRITTEN: 1}
    assert [line["lost"] for line in lines_of(tmp_path / "audit.jsonl") if line["kind"] == "gap"] == [3]
    assert _intact(tmp_path / "audit.jsonl")


def test_buffered_a_full_disk_keeps_records_until_there_is_room(tmp_path: Path) -> None:
    """The queue holds them; nothing is lost as long as it does."""
    notes, tried = Notes(), Event()
    store = Fragile(tmp_path / "audit.jsonl")
    trail = open_trail(store, notes)  # type: ignore[arg-type]
    store.before, store.failure = tried.set, FULL
    for number in range(3):
        trail.offer(noted(number, allowed()))
    assert tried.wait(10)
    store.failure = None
    trail.close()
    assert decisions_of(tmp_path / "audit.jsonl") == [0, 1, 2]
    assert notes.fates == {Fate.WRITTEN: 3}
    assert _intact(tmp_path / "audit.jsonl")


def test_what_a_full_disk_swallows_at_the_end_is_counted(tmp_path: Path) -> None:
    """There is nobody left to wait for."""
    notes, store = Notes(), Fragile(tmp_path / "audit.jsonl")
    trail = open_trail(store, notes)  # type: ignore[arg-type]
    store.failure = FULL
    trail.offer(noted(0))
    trail.close()
    assert notes.fates == {Fate.DROPPED_WRITE_FAILED: 1}


def test_a_seal_comes_by_count_and_by_time(tmp_path: Path) -> None:
    """So that little is unsigned when the process is killed; an idle trail is sealed once."""
    path = tmp_path / "audit.jsonl"
    trail = open_trail(path, seal_records=1_000, seal_seconds=0.05)
    trail.offer(noted(0))
    for _ in range(500):
        if "seal:interval" in kinds_of(path)[2:]:
            break
        Event().wait(0.02)
    trail.close()
    assert kinds_of(path).count("seal:interval") >= 1
    assert kinds_of(path)[-1] == "seal:closed"


def test_a_clock_that_is_set_back_holds_no_seal_back(tmp_path: Path) -> None:
    """Or lines would be unsealed for as long as it had been ahead."""
    now = [10_000.0]
    path = tmp_path / "audit.jsonl"
    trail = open_trail(path, seal_records=1_000, seal_seconds=60.0, clock=lambda: now[0])
    trail.offer(noted(0))
    _wait_for(lambda: kinds_of(path).count("decision") == 1)
    now[0] = 2_000.0
    trail.offer(noted(1))
    _wait_for(lambda: "seal:interval" in kinds_of(path))
    trail.close()


def _wait_for(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        Event().wait(0.02)
    raise AssertionError("it did not come to hold")


def test_no_audit_takes_everything_and_keeps_nothing() -> None:
    """`--audit off` is a sink like another."""
    sink = NoAudit()
    sink.offer(noted())
    sink.reopen()
    sink.close()


def test_a_record_that_cannot_be_made_takes_no_other_with_it(tmp_path: Path) -> None:
    """A defect is told, counted and a gap; the trail goes on."""
    path, notes = tmp_path / "audit.jsonl", Notes()
    trail = open_trail(path, notes)
    trail.offer(noted(0))
    trail.offer(noted(1, case=object()))
    trail.offer(noted(2))
    trail.close()
    assert decisions_of(path) == [0, 2]
    assert notes.fates == {Fate.WRITTEN: 2, Fate.DROPPED_WRITE_FAILED: 1}
    assert any("could not be made" in told for told in notes.told)
