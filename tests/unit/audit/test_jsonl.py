"""The JSON Lines sink: every record once, in order, or counted as dropped."""

import json
import os
from collections import Counter
from pathlib import Path
from threading import Event

import pytest

from authz.audit.jsonl import JsonLines, line_of
from authz.audit.record import Actor, AuditRecord
from authz.audit.sink import Fate, NoAudit


def _record(number: int, **actor: object) -> AuditRecord:
    known = dict.fromkeys(Actor.__dataclass_fields__)
    return AuditRecord(
        decision_id=f"{number:032x}",
        at=float(number),
        outcome="deny",
        reason="no_grant",
        detail="",
        rules=(),
        scope_id=None,
        policy_version="v1",
        warehouse=None,
        actor=Actor(**{**known, **actor}) if actor else None,  # type: ignore[arg-type]
        asked=None,
    )


class Notes:
    """What the sink counts and tells."""

    def __init__(self) -> None:
        self.fates: Counter[Fate] = Counter()
        self.told: list[str] = []

    def count(self, fate: Fate, records: int) -> None:
        self.fates[fate] += records


def _ids(path: Path) -> list[int]:
    return [int(json.loads(line)["decision_id"], 16) for line in path.read_text().splitlines()]


def test_a_file_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path) -> None:
    """A server that was told to keep a trail does not start without one."""
    notes = Notes()
    with pytest.raises(OSError, match="No such file"):
        JsonLines(tmp_path / "absent" / "audit.jsonl", counted=notes.count, told=notes.told.append)


def test_every_record_is_written_in_order(tmp_path: Path) -> None:
    """Across batches, appended to what was there."""
    path, notes = tmp_path / "audit.jsonl", Notes()
    path.write_bytes(line_of(_record(0)))
    sink = JsonLines(path, counted=notes.count, told=notes.told.append)
    for number in range(1, 2_000):
        sink.offer(_record(number))
    sink.close()
    assert _ids(path) == list(range(2_000))
    assert notes.fates == {Fate.WRITTEN: 1_999}
    assert notes.told == []


def test_the_file_is_not_for_everybody(tmp_path: Path) -> None:
    """Names of people stand in it: owner and group only."""
    path, notes = tmp_path / "audit.jsonl", Notes()
    JsonLines(path, counted=notes.count, told=notes.told.append).close()
    assert path.stat().st_mode & 0o007 == 0


def test_a_full_queue_drops_and_counts_and_says_so_once(tmp_path: Path) -> None:
    """Nothing waits: what the writer cannot take is counted, and the trail says nothing false."""
    reader, writer = os.pipe()
    os.set_blocking(writer, True)
    notes, blocked = Notes(), b"x" * (1 << 20)
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, blocked)
        except BlockingIOError:
            break
    os.set_blocking(writer, True)  # the next write waits until somebody reads
    sink = JsonLines(writer, counted=notes.count, told=notes.told.append, max_queued=10)
    for number in range(100):
        sink.offer(_record(number))
    dropped = notes.fates[Fate.DROPPED_QUEUE_FULL]
    assert dropped >= 80
    assert len(notes.told) == 1
    assert "full" in notes.told[0]
    os.set_blocking(reader, False)
    ended = Event()
    while not ended.is_set():
        try:
            if not os.read(reader, 1 << 20):
                break
        except BlockingIOError:
            if notes.fates[Fate.WRITTEN] + dropped == 100:
                ended.set()
    sink.close()
    os.close(reader)
    os.close(writer)


def test_a_write_that_fails_is_counted_and_told_once() -> None:
    """A full disk: records are lost, and nobody can say that they were not told."""
    reader, writer = os.pipe()
    os.close(reader)  # writing fails from now on (EPIPE)
    notes = Notes()
    sink = JsonLines(writer, counted=notes.count, told=notes.told.append)
    for number in range(3):
        sink.offer(_record(number))
    sink.close()
    os.close(writer)
    assert notes.fates == {Fate.DROPPED_WRITE_FAILED: 3}
    assert len(notes.told) == 1


def test_a_rotated_file_is_opened_anew(tmp_path: Path) -> None:
    """After logrotate's rename and a SIGHUP the next record is in a fresh file."""
    path, notes = tmp_path / "audit.jsonl", Notes()
    sink = JsonLines(path, counted=notes.count, told=notes.told.append)
    path.rename(tmp_path / "audit.1")
    sink.reopen()
    sink.offer(_record(1))
    sink.close()
    assert _ids(path) == [1]
    assert _ids(tmp_path / "audit.1") == []


@pytest.mark.parametrize("text", ["a\nb", "\u2028", "Zoë", "\ud800", '"', "\\", "\x00"])
def test_a_record_is_one_line_of_ascii(text: str) -> None:
    """Whatever a subject is called, it cannot end a line or a string."""
    line = line_of(_record(1, subject=text, claims={"department": [text]}, groups=(text,)))
    assert line.count(b"\n") == 1
    assert line.isascii()
    actor = json.loads(line)["actor"]
    assert (actor["subject"], actor["claims"], actor["groups"]) == (text, {"department": [text]}, [text])


def test_equal_records_are_equal_lines() -> None:
    """Keys are sorted, so that a line can be compared and hashed."""
    assert line_of(_record(1)) == line_of(_record(1))
    assert list(json.loads(line_of(_record(1)))) == sorted(json.loads(line_of(_record(1))))


def test_no_audit_takes_everything_and_keeps_nothing() -> None:
    """`--audit off` is a sink like another."""
    sink = NoAudit()
    sink.offer(_record(1))
    sink.reopen()
    sink.close()
