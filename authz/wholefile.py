"""Reading a file whole, or not at all.

A policy of which half is written can be a good policy: one whose restrictions are missing. Whoever replaces a file by
renaming shows nobody the half; this is for those who write in place.
"""

import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO


def read_whole(file: BinaryIO, limit: int) -> bytes:
    """At most `limit` bytes of an open file that nobody writes to meanwhile.

    Raises OSError: `EBUSY` while a process has it open for writing, which is known where the file is ours or we have
    CAP_LEASE and its file system is a local one; `EAGAIN` if it has changed under our eyes, which is known everywhere.
    """
    descriptor = file.fileno()
    with _unwritten(descriptor):
        before = _state(descriptor)
        data = file.read(limit)
        if _state(descriptor) != before:
            raise OSError(errno.EAGAIN, "it changes while it is read")
    return data


def _state(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns


@contextmanager
def _unwritten(descriptor: int) -> Iterator[None]:
    """A read lease (fcntl(2), "Leases"): given only while nobody has the file open for writing.

    Whoever wants to write meanwhile waits for us, for as long as reading takes.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        yield
        return
    # Of one who waits we are told by a signal: by this one, which nobody minds; SIGIO would end the process.
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise OSError(errno.EBUSY, "another process is writing it") from None
        # Not our file, or one of a file system without leases.
        yield
        return
    try:
        yield
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
