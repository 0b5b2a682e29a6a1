"""A file is read whole, or not at all: real files, real writers."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from authz.wholefile import read_whole

WAIT = """\
import sys
with open(sys.argv[1], "r+") as file:
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_text("whole\n")
    return made


def test_a_file_that_nobody_writes_is_read(file: Path) -> None:
    """Up to the limit, as often as asked."""
    for _ in range(2):
        with file.open("rb") as opened:
            assert read_whole(opened, 100) == b"whole\n"
    with file.open("rb") as opened:
        assert read_whole(opened, 3) == b"who"


def test_a_file_that_somebody_has_open_for_writing_is_not(file: Path) -> None:
    """However long the pause between its halves; as soon as it is closed, it is read."""
    with subprocess.Popen(
        [sys.executable, "-c", WAIT, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        with (
            file.open("rb") as opened,
            pytest.raises(OSError, match="another process is writing it") as found,
        ):
            read_whole(opened, 100)
        assert found.value.errno == errno.EBUSY
    with file.open("rb") as opened:
        assert read_whole(opened, 100) == b"whole\n"


class Slow:
    """An open file that does something between two looks at its state."""

    def __init__(self, file: BinaryIO, meanwhile: Callable[[], object]) -> None:
        self._file = file
        self._meanwhile = meanwhile

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, limit: int) -> bytes:
        self._meanwhile()
        return self._file.read(limit)


def _slow(file: BinaryIO, meanwhile: Callable[[], object]) -> BinaryIO:
    return Slow(file, meanwhile)  # type: ignore[return-value]  # all that is asked of it


def test_whoever_wants_to_write_meanwhile_waits_and_ends_nobody(file: Path) -> None:
    """The kernel tells the reader of it by a signal, whose usual one would end the process."""
    waits = threading.Event()
    before = signal.signal(signal.SIGURG, lambda *_: waits.set())
    writers: list[subprocess.Popen[bytes]] = []

    def write() -> None:
        writers.append(subprocess.Popen(["sh", "-c", 'printf other > "$0"', str(file)]))
        ends = time.monotonic() + 10
        while not waits.is_set() and time.monotonic() < ends:
            time.sleep(0.01)

    try:
        with file.open("rb") as opened:
            assert read_whole(_slow(opened, write), 100) == b"whole\n"
    finally:
        signal.signal(signal.SIGURG, before)
    assert waits.is_set()
    assert writers[0].wait(10) == 0
    assert file.read_text() == "other"


def test_a_change_under_our_eyes_is_noticed(file: Path) -> None:
    """Where no lease is given, too: a time that has changed is enough."""
    with file.open("rb") as opened, pytest.raises(OSError, match="it changes while it is read") as found:
        read_whole(_slow(opened, lambda: os.utime(file, ns=(1, 1))), 100)
    assert found.value.errno == errno.EAGAIN


def test_a_file_that_gives_no_lease_is_read_as_it_is() -> None:
    """Not ours, or on a file system that has none: nobody can know who writes it."""
    with Path("/proc/self/status").open("rb") as opened:
        assert read_whole(opened, 5) == b"Name:"
