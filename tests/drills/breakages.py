"""The breakages themselves: each is there within its `with`, and mended behind it."""

import contextlib
from collections.abc import Iterator

from tests.drills.system import Drill


@contextlib.contextmanager
def worker_killed(drill: Drill) -> Iterator[None]:
    """The first worker is gone from one moment to the next; then its supervisor starts it again."""
    worker = drill.whole.workers[0]
    worker.kill()
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
