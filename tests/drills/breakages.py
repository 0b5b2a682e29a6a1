"""The breakages themselves: each is there within its `with`, and mended behind it."""

import contextlib
import itertools
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.drills.system import Drill
from tests.envoy_process import wait_until
from tests.integration.whole_system import deciding, with_children
from tests.reading import readers

CONNECTIONS = 10_000
_SPARE_DESCRIPTORS = 500
_SOURCES = 8
"""Addresses on loopback to connect from: the ports of one would not do."""


@contextlib.contextmanager
def worker_killed(drill: Drill) -> Iterator[None]:
    """The first worker is gone from one moment to the next; then its supervisor starts it again."""
    worker = drill.whole.workers[0]
    processes = with_children(worker)
    worker.kill()
    for pid in processes[1:]:
        # It would drain in peace, as one does whose supervisor is gone.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        yield
    finally:
        worker.__enter__()
        drill.whole.wait_until_healthy()


@contextlib.contextmanager
def worker_hung(drill: Drill) -> Iterator[None]:
    """The second worker's socket takes calls, and nobody answers; then it goes on where it was."""
    with drill.whole.stopped(drill.whole.workers[1:]):
        yield


@contextlib.contextmanager
def envoy_gone(drill: Drill) -> Iterator[None]:
    """Envoy is told to end, and is started again where it was."""
    drill.whole.envoy.__exit__()
    try:
        yield
    finally:
        drill.whole.envoy.__enter__()
        drill.whole.wait_until_healthy()


def possible_connections() -> int:
    """How many connections this process can open, `CONNECTIONS` at most; it may have all descriptors from now on."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return CONNECTIONS if hard == resource.RLIM_INFINITY else min(CONNECTIONS, hard - _SPARE_DESCRIPTORS)


@contextlib.contextmanager
def worker_flooded(drill: Drill) -> Iterator[list[socket.socket]]:
    """Connections at the first worker's socket that say nothing."""
    path = str(drill.whole.directory / "worker-0.sock")

    def connect(_: int) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.connect(path)
        return made

    with many(connect) as made:
        yield made


@contextlib.contextmanager
def edge_flooded(drill: Drill, count: int = CONNECTIONS) -> Iterator[list[socket.socket]]:
    """Connections at Envoy that say nothing, from several addresses."""

    def connect(number: int) -> socket.socket:
        source = f"127.0.0.{2 + number % _SOURCES}"
        return socket.create_connection(
            ("127.0.0.1", drill.whole.envoy.port), timeout=10, source_address=(source, 0)
        )

    with many(connect, count) as made:
        yield made


@contextlib.contextmanager
def many(connect: Callable[[int], socket.socket], count: int = CONNECTIONS) -> Iterator[list[socket.socket]]:
    """So many connections, or as many as this process can have."""
    made: list[socket.socket] = []
    try:
        made.extend(connect(number) for number in range(min(count, possible_connections())))
        yield made
    finally:
        for connection in made:
            connection.close()


def still_open(connections: list[socket.socket]) -> int:
    """How many of them the other side has not closed."""
    found = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            found += connection.recv(1) != b""
        except BlockingIOError:
            found += 1
        except ConnectionError:
            pass
    return found


def _lowest_free(pid: int) -> int:
    taken = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
    return next(number for number in itertools.count() if number not in taken)


@contextlib.contextmanager
def without_descriptors(drill: Drill) -> Iterator[None]:
    """The first worker may have no more descriptors than it has open."""
    pid = deciding(drill.whole.workers[0])
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    # The pipes from a process that still reads would be free numbers afterwards.
    wait_until(lambda: not readers(drill.whole.directory), "no policy is being read")
    # A free number below the limit would still be given away.
    free = min(_lowest_free(pid) for _ in range(20))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """A disk of 256 MiB at `place`, where this process may mount one; whether it may."""
    mounted = os.geteuid() == 0 and _succeeds("mount", "-t", "tmpfs", "-o", "size=256m", "drill", str(place))
    try:
        yield mounted
    finally:
        if mounted:
            assert _succeeds("umount", str(place))


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def disk_full(drill: Drill, *, mounted: bool) -> Iterator[None]:
    """No room for another byte of a trail; then there is.

    A small disk is filled. Where none could be mounted, no worker may make its trail longer (RLIMIT_FSIZE): a write
    ends half-way, too, with EFBIG in place of ENOSPC.
    """
    with _filled(drill.disk) if mounted else _without_longer_files(drill):
        yield


@contextlib.contextmanager
def _filled(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for step in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(step))
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def _without_longer_files(drill: Drill) -> Iterator[None]:
    pids = [deciding(worker) for worker in drill.whole.workers]
    before = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids]
    for pid, trail, (_, hard) in zip(pids, drill.trails(), before, strict=True):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, ((trail / "audit.jsonl").stat().st_size + 100, hard))
    try:
        yield
    finally:
        for pid, limits in zip(pids, before, strict=True):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


@contextlib.contextmanager
def half_written(place: Path, text: str, *, until: str) -> Iterator[None]:
    """`text` is written in place, as `cat` does: up to its line `until`, and later the rest."""
    half, _, rest = text.partition(until)
    assert rest, until
    with place.open("w") as file:
        file.write(half)
        file.flush()
        yield
        file.write(until + rest)
