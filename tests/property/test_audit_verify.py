"""Any change to a closed trail is found, whatever it is; an unchanged one never accuses anybody."""

import random
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from authz.audit.findings import ACCEPTABLE, Fault, Report
from authz.audit.keys import Verifier
from authz.audit.reading import find_files
from authz.audit.verify import verify
from tests.audit_trails import OTHER_VERIFIER, VERIFIER, noted, open_trail, write_trail

Change = Callable[[random.Random, list[bytes]], list[bytes]]


@cache
def _trail() -> tuple[bytes, ...]:
    """Three writers one after the other in one file, the second one killed; sealed every few lines."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "audit.jsonl"
        write_trail(path, 7, seal_records=3)
        killed = path.read_bytes()
        write_trail(path, 9, seal_records=4)
        # As kill -9 leaves it: cut in the middle of a line, behind a seal.
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:-2]) + lines[-2][:50])
        assert len(killed) < path.stat().st_size
        write_trail(path, 5)
        return tuple(path.read_bytes().splitlines(keepends=True))


def verify_bytes(
    data: bytes, key: Verifier = VERIFIER, known: dict[str, tuple[int, str]] | None = None
) -> Report:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "audit.jsonl"
        path.write_bytes(data)
        return verify(find_files([path]), [key], known=known)


def _is_intact(data: bytes, key: Verifier = VERIFIER) -> bool:
    return verify_bytes(data, key).is_intact


@cache
def _whole_chains() -> frozenset[bytes]:
    """What is left when the lines of the last writers are cut off as a whole, behind a closing seal."""
    lines = _trail()
    ends = [number + 1 for number, line in enumerate(lines) if b'"why":"closed"' in line]
    return frozenset(b"".join(lines[:end]) for end in ends[:-1])


def test_the_trail_that_is_changed_below_is_intact() -> None:
    """Or everything below would be found for the wrong reason; another key proves nothing."""
    assert _is_intact(b"".join(_trail()))
    assert not _is_intact(b"".join(_trail()), OTHER_VERIFIER)


def _bit(rng: random.Random, lines: list[bytes]) -> list[bytes]:
    number = rng.randrange(len(lines))
    line = bytearray(lines[number])
    line[rng.randrange(len(line))] ^= 1 << rng.randrange(8)
    return [*lines[:number], bytes(line), *lines[number + 1 :]]


def _removal(rng: random.Random, lines: list[bytes]) -> list[bytes]:
    first = rng.randrange(len(lines))
    return lines[:first] + lines[first + rng.randint(1, 4) :]


def _repetition(rng: random.Random, lines: list[bytes]) -> list[bytes]:
    number, to = rng.randrange(len(lines)), rng.randrange(len(lines) + 1)
    return [*lines[:to], lines[number], *lines[to:]]


def _swap(rng: random.Random, lines: list[bytes]) -> list[bytes]:
    one, other = rng.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return lines


def _move(rng: random.Random, lines: list[bytes]) -> list[bytes]:
    line = lines.pop(rng.randrange(len(lines)))
    lines.insert(rng.randrange(len(lines) + 1), line)
    return lines


def _insertion(rng: random.Random, lines: list[bytes]) -> list[bytes]:
    at = rng.randrange(len(lines) + 1)
    new = rng.choice([b"\n", b"{}\n", b"x", rng.choice(lines)[:-1] + b" \n", rng.choice(lines).upper()])
    return [*lines[:at], new, *lines[at:]]


def _cut(rng: random.Random, lines: list[bytes]) -> list[bytes]:
    data = b"".join(lines)
    return [data[: rng.randrange(len(data))]]


def _edit(rng: random.Random, lines: list[bytes]) -> list[bytes]:
    number = rng.randrange(len(lines))
    start = rng.randrange(len(lines[number]))
    end = min(len(lines[number]), start + rng.randint(0, 20))
    new = rng.randbytes(rng.randint(0, 5))
    return [*lines[:number], lines[number][:start] + new + lines[number][end:], *lines[number + 1 :]]


@settings(max_examples=150)
@given(
    change=st.sampled_from([_bit, _removal, _repetition, _swap, _move, _insertion, _cut, _edit]),
    rng=st.randoms(use_true_random=False),
)
def test_any_change_is_found(change: Change, rng: random.Random) -> None:
    """Bits, lines removed, repeated, swapped, moved and inserted, tails cut at any byte, edits of any kind."""
    before = list(_trail())
    after = b"".join(change(rng, list(before)))
    if after != b"".join(before) and after not in _whole_chains():
        assert not _is_intact(after), change.__name__


def test_every_move_of_a_line_is_found() -> None:
    """Also that of a writer's first line to the front of its file, where it has no line to stand behind."""
    lines = _trail()
    for start, line in enumerate(lines):
        rest = [*lines[:start], *lines[start + 1 :]]
        for end in (0, 1, len(rest) // 2, len(rest)):
            if end != start:
                assert not _is_intact(b"".join([*rest[:end], line, *rest[end:]])), (start, end)


def test_every_line_matters() -> None:
    """Not by sampling: each line removed, each line repeated, each tail cut."""
    lines = list(_trail())
    for number in range(len(lines)):
        assert not _is_intact(b"".join(lines[:number] + lines[number + 1 :])), number
        assert not _is_intact(b"".join([*lines[: number + 1], *lines[number:]])), number
        if (cut := b"".join(lines[:number])) not in _whole_chains():
            assert not _is_intact(cut), number


def test_the_last_writers_lines_cut_off_as_a_whole_are_found_with_an_earlier_report() -> None:
    """The one thing that a trail cannot know of itself, so heads belong elsewhere, too."""
    whole = verify_bytes(b"".join(_trail()))
    known = {chain.writer: (chain.next_seq - 1, chain.head) for chain in whole.chains}
    for cut in _whole_chains():
        assert verify_bytes(cut).is_intact
        report = verify_bytes(cut, known=known)
        assert {finding.fault for finding in report.findings} == {Fault.KNOWN_HEAD_MISSING}
    assert verify_bytes(b"".join(_trail()), known=known).is_intact


@settings(max_examples=25)
@given(records=st.integers(0, 30), every=st.integers(1, 10), writers=st.integers(1, 3))
def test_an_honest_trail_is_intact(records: int, every: int, writers: int) -> None:
    """Whatever the number of records, seals and restarts."""
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(writers):
            write_trail(Path(directory) / "audit.jsonl", records, seal_records=every)
        report = verify(find_files([Path(directory)]), [VERIFIER])
        assert report.findings == []
        assert report.records == records * writers


def test_a_trail_that_is_still_written_is_open_and_nothing_else() -> None:
    """The one doubt that an operator can settle: the server runs."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "audit.jsonl"
        trail = open_trail(path)
        trail.offer(noted(0))
        while trail.queued:
            pass
        report = verify(find_files([path]), [VERIFIER])
        assert {finding.fault.value for finding in report.findings} == {"end_open"}
        accepted = verify(find_files([path]), [VERIFIER], accept=ACCEPTABLE["open"])
        assert accepted.is_intact
        trail.close()
        assert verify(find_files([path]), [VERIFIER]).is_intact
