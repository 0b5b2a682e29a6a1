"""A trail's file: whole lines or nothing, rotated, compressed, found again."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from authz.audit.filestore import FileStore
from authz.audit.options import Rotation
from authz.audit.query import TrailDatabase
from authz.audit.reading import find_files
from authz.audit.verify import verify
from tests.audit_trails import VERIFIER, decisions_of, kinds_of, lines_of, noted, open_trail, write_trail


def _report(place: Path) -> list[str]:
    return [finding.text for finding in verify(find_files([place]), [VERIFIER]).findings]


def test_a_rotated_file_is_opened_anew_and_the_chain_goes_on(tmp_path: Path) -> None:
    """After logrotate's rename and a SIGHUP; without a rename nothing happens but a seal."""
    path = tmp_path / "audit.jsonl"
    trail = open_trail(path)
    trail.reopen()
    trail.offer(noted(0))
    while 0 not in decisions_of(path):
        pass
    path.rename(tmp_path / "audit.jsonl.1")
    trail.reopen()
    trail.offer(noted(1))
    trail.close()
    assert kinds_of(tmp_path / "audit.jsonl.1")[-1] == "seal:reopened"
    assert kinds_of(path)[:2] == ["continued", "policy"]
    assert (decisions_of(tmp_path / "audit.jsonl.1"), decisions_of(path)) == ([0], [1])
    assert _report(tmp_path) == []


@pytest.mark.parametrize("compress", [False, True])
def test_a_file_is_put_away_at_its_size(tmp_path: Path, *, compress: bool) -> None:
    """Each part ends with a seal, each further one says that it continues; together they are one chain."""
    rotation = Rotation(max_bytes=2_000, compress=compress)
    trail = open_trail(tmp_path / "audit.jsonl", rotation=rotation)
    for number in range(40):
        trail.offer(noted(number))
        while trail.queued:
            pass
    trail.close()
    parts = sorted(tmp_path.glob("audit-*"))
    assert len(parts) >= 3
    assert all(part.name.endswith(".jsonl.gz" if compress else ".jsonl") for part in parts)
    assert all(part.stat().st_mode & 0o777 == 0o640 for part in parts)
    report = verify(find_files([tmp_path]), [VERIFIER])
    assert (report.findings, report.records, len(report.chains)) == ([], 40, 1)
    parts[1].unlink()
    assert any("missing" in text for text in _report(tmp_path))


def test_a_file_is_put_away_at_midnight(tmp_path: Path) -> None:
    """UTC, at the first record of the new day."""
    now = [86_400.0 * 20_000]
    path = tmp_path / "audit.jsonl"
    write_trail(path, 1)
    os.utime(path, (now[0] - 1, now[0] - 1))
    trail = open_trail(path, rotation=Rotation(daily=True), clock=lambda: now[0])
    trail.offer(noted(5))
    trail.close()
    (away,) = tmp_path.glob("audit-*")
    assert decisions_of(away) == [0]
    assert decisions_of(path) == [5]
    assert _report(tmp_path) == []


def test_a_line_that_a_crash_tore_is_ended_and_vouched_for(tmp_path: Path) -> None:
    """The next writer says what it found: the fragment is no forgery, and no part of the next line."""
    path = tmp_path / "audit.jsonl"
    write_trail(path, 3)
    whole = path.read_bytes()
    cut = whole[: whole.rindex(b"\n", 0, -1) - 40]  # in the last but one line
    path.write_bytes(cut)
    write_trail(path, 1)
    report = verify(find_files([path]), [VERIFIER])
    assert report.findings == []
    assert any("crash" in notice for notice in report.notices)
    path.write_bytes(path.read_bytes().replace(b'"reason":"no_gr', b'"reason":"no_Gr', 1))
    assert any("chain_broken" in text or "not_a_line" in text for text in _report(path))


def test_a_new_file_names_the_end_of_the_one_before(tmp_path: Path) -> None:
    """Also when the one before was moved away or compressed while nobody wrote."""
    path = tmp_path / "audit.jsonl"
    write_trail(path, 1)
    head = lines_of(path)[-1]
    path.rename(tmp_path / "audit.jsonl.1")
    write_trail(path, 1)
    assert lines_of(path)[0]["after"]["seq"] == head["seq"]
    (tmp_path / "audit.jsonl.1").unlink()
    assert any("predecessor_missing" in text for text in _report(tmp_path))


_LIMITED = """
import resource, sys
from pathlib import Path
from tests.audit_trails import Notes, noted, open_trail
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, resource.RLIM_INFINITY))
notes = Notes()
trail = open_trail(Path(sys.argv[1]), notes)
for number in range(100):
    trail.offer(noted(number))
while not notes.told:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
trail.close()
print(notes.told)
"""


def test_a_write_that_ends_half_way_is_taken_back(tmp_path: Path) -> None:
    """A real limit of the operating system: the file holds whole lines only, and all of them in the end."""
    path = tmp_path / "audit.jsonl"
    result = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "File too large" in result.stdout
    assert decisions_of(path) == list(range(100))
    assert _report(path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_device_that_is_always_full_is_an_error_at_the_start() -> None:
    """The first line cannot be written, so there is no trail."""
    with pytest.raises(OSError, match="No space left"):
        open_trail(Path("/dev/full"))


def test_a_store_that_is_closed_is_broken(tmp_path: Path) -> None:
    """Whoever finds it so opens it again."""
    store = FileStore(tmp_path / "audit.jsonl")
    assert store.is_broken
    store.open()
    assert not store.is_broken
    store.close()
    assert store.is_broken


def test_what_a_crash_left_of_a_compression_is_tidied_up(tmp_path: Path) -> None:
    """Or every line of that file would stand twice; another worker's files are not touched."""
    path = tmp_path / "audit.jsonl"
    trail = open_trail(path, rotation=Rotation(max_bytes=1, compress=True))
    trail.offer(noted(0))
    trail.close()
    packed = next(tmp_path.glob("audit-*.jsonl.gz"))
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.with_name(f"{packed.name}.part").write_bytes(b"half")
    other = tmp_path / f"audit-1-20261101T000000Z-{'0' * 16}-1.jsonl.gz.part"
    other.touch()
    assert any("sequence_broken" in text for text in _report(tmp_path))
    write_trail(path, 1)
    assert _report(tmp_path) == []
    assert other.exists()


def test_compressed_files_can_be_asked(tmp_path: Path) -> None:
    """Together with plain ones."""
    trail = open_trail(tmp_path / "audit.jsonl", rotation=Rotation(max_bytes=1_000, compress=True))
    for number in range(20):
        trail.offer(noted(number))
        while trail.queued:
            pass
    trail.close()
    files = [file.path for file in find_files([tmp_path])]
    assert any(path.suffix == ".gz" for path in files)
    answer = TrailDatabase(files).ask_sql("SELECT count(*) FROM decisions", lambda _: None)
    assert list(answer.rows) == [(20,)]
