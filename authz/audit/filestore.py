"""A trail in a file: appended, made durable, rotated.

A write that fails half-way is taken back by cutting the file to where it was, so that what is in it is always whole
lines whose fate is known. One process writes to a file: a lock sees to that.
"""

import fcntl
import gzip
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Final

from authz.audit.options import Rotation
from authz.audit.tail import Tail, tail_of, tail_of_file

FILE_MODE: Final = 0o640
"""Names of people stand in it. Readable for the group, so that a collector needs no more rights than that."""

_SECONDS_OF_A_DAY: Final = 86_400


_NEVER: Final = Rotation()


class FileStore:
    """Lines in the file `path`. `told` gets sentences for the log, `synced` the seconds of each fdatasync."""

    def __init__(
        self,
        path: Path,
        *,
        rotation: Rotation = _NEVER,
        told: Callable[[str], None] = lambda _: None,
        synced: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._rotation = rotation
        self._told = told
        self._synced = synced
        self._descriptor = -1
        self._size = 0
        self._day = 0
        self._torn = b""
        self._compressing: Thread | None = None

    @property
    def is_broken(self) -> bool:
        return self._descriptor < 0

    def open(self) -> Tail | None:
        self.close()
        self._descriptor = self._opened()
        if not self._path.is_file():  # a device or a pipe: reading could wait for ever
            return None
        self._tidy()
        with self._path.open("rb") as file:
            tail = tail_of(file)
            self._torn = b"" if tail is None else tail.torn
            if tail is None and self._size:
                file.seek(self._size - 1)
                self._torn = b"" if file.read(1) == b"\n" else b"?"
        return tail if tail is not None or self._size else self._tail_of_last_rotated()

    def append(self, lines: Sequence[bytes], *, durable: bool) -> None:
        if self._torn:
            # What a crash has left gets an end: the first line behind it must not be glued to it.
            lines = [b"\n", *lines]
        try:
            self._write(b"".join(lines))
            if durable:
                started = time.perf_counter()
                os.fdatasync(self._descriptor)
                self._synced(time.perf_counter() - started)
        except OSError:
            self._take_back()
            raise
        self._torn = b""
        self._size += sum(map(len, lines))

    def wants_rotation(self, now: float) -> bool:
        when = self._rotation
        full = when.max_bytes is not None and self._size >= when.max_bytes
        return full or (when.daily and self._size > 0 and now // _SECONDS_OF_A_DAY > self._day)

    def rotate(self, now: float, name: str) -> None:
        os.fdatasync(self._descriptor)
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        away = self._path.with_name(f"{self._path.stem}-{stamp}-{name}{self._path.suffix}")
        self._path.rename(away)
        self._begin_anew()
        if self._rotation.compress:
            self._compress_aside(away)

    def reopen(self) -> bool:
        with suppress(FileNotFoundError):
            if os.path.samestat(self._path.stat(), os.fstat(self._descriptor)):
                return False
        self._begin_anew()
        return True

    def close(self) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1
        if self._compressing is not None:
            self._compressing.join()
            self._compressing = None

    def _opened(self) -> int:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OSError(
                    error.errno, "another process writes to it: each worker needs its own"
                ) from None
            found = os.fstat(descriptor)
            self._size = found.st_size
            self._day = int((found.st_mtime if found.st_size else time.time()) // _SECONDS_OF_A_DAY)
            _sync_directory(self._path.parent)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _begin_anew(self) -> None:
        old, self._descriptor = self._descriptor, -1
        os.close(old)
        self._descriptor = self._opened()

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            # Now nobody knows what is in it, until somebody looks.
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def _tail_of_last_rotated(self) -> Tail | None:
        """Of our own rotation the newest, or what logrotate makes of the name."""
        mine = sorted(self._rotated())
        theirs = [self._path.with_name(f"{self._path.name}.1")]
        for candidate in [*reversed([path for path in mine if path.suffix != ".part"]), *theirs]:
            with suppress(OSError, EOFError):
                if (tail := tail_of_file(candidate)) is not None:
                    return tail
        return None

    def _rotated(self) -> Iterator[Path]:
        # Exactly: `audit-1.jsonl` beside `audit.jsonl` is another worker's.
        name = re.compile(
            rf"{re.escape(self._path.stem)}-\d{{8}}T\d{{6}}Z-[0-9a-f]{{16}}-\d+{re.escape(self._path.suffix)}(\.gz)?(\.part)?"
        )
        return (path for path in self._path.parent.iterdir() if name.fullmatch(path.name))

    def _tidy(self) -> None:
        """What a crash has left of a compression: a part, or the plain file beside the whole compressed one."""
        for path in list(self._rotated()):
            if path.suffix == ".part" or path.with_name(f"{path.name}.gz").exists():
                path.unlink(missing_ok=True)

    def _compress_aside(self, path: Path) -> None:
        if self._compressing is not None:
            self._compressing.join()
        self._compressing = Thread(target=self._compressed, args=(path,), name="audit-gzip", daemon=True)
        self._compressing.start()

    def _compressed(self, path: Path) -> None:
        """Whatever happens, the lines are in one of the two files."""
        part, ready = path.with_name(f"{path.name}.gz.part"), path.with_name(f"{path.name}.gz")
        try:
            with path.open("rb") as plain, os.fdopen(_private(part), "wb") as target:
                with gzip.GzipFile(filename="", fileobj=target, mode="wb", compresslevel=6) as packed:
                    shutil.copyfileobj(plain, packed, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
            part.rename(ready)
            _sync_directory(path.parent)
            path.unlink()
        except OSError as error:
            self._told(f"audit file {path.name} could not be compressed: {error.strerror}")
            with suppress(OSError):
                part.unlink()


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)


def _sync_directory(path: Path) -> None:
    """A new name in a directory is durable only when the directory is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
