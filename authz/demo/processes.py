"""Child processes that never outlive the demo, and signals that never interrupt their bookkeeping."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Never, Self

STOP_SECONDS = 5.0
LOG_TAIL_LINES = 15
_POLL_SECONDS = 0.03
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The user (or a supervisor) wants the demo to end: not an `Exception`, so that nothing mistakes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StepFailedError(Exception):
    """A part of the demo did not start or died; the text says which, and shows the end of its log."""


class Signals:
    """Turns SIGINT, SIGTERM and SIGHUP into `Interrupted`, but never in the middle of a `deferred()` block.

    Without that, a Ctrl-C between the start of a process and the note that it was started would leave it running.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._pending: int | None = None
        self._over = False
        self._ignored = False
        self.received: int | None = None
        """The signal that ended it, if one did."""
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in _ENDING:
            self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # it came from signal.signal

    def _received(self, number: int, _frame: FrameType | None) -> None:
        if self._over:
            return
        if self._depth:
            self._pending = number
            return
        self._interrupt(number)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Signals that arrive inside are delivered at the end."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth and self._pending is not None and not self._over:
                self._interrupt(self._pending)

    def _interrupt(self, number: int) -> Never:
        self._over = True  # an impatient second Ctrl-C does not cut the cleaning up short
        self.received = number
        raise Interrupted(number)

    def check(self) -> None:
        """Interrupt again, if that was lost: what a signal raises in the middle of some C code, as of an import, is only printed."""
        if self.received is not None and not self._ignored:
            raise Interrupted(self.received)

    def ignore(self) -> None:
        """From here on (cleaning up) nothing interrupts any more."""
        self._over = self._ignored = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A process of ours and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join(f"    {line}" for line in lines) or "    (it said nothing)"


class Children:
    """Starts processes from the calling thread, which must be the main one: Envoy ends when the thread that
    spawned it does (PR_SET_PDEATHSIG). On leaving, the last one started is stopped first.
    """

    def __init__(self, signals: Signals, logs: Path, *, stop_seconds: float = STOP_SECONDS) -> None:
        self._signals = signals
        self._stop_seconds = stop_seconds
        self._logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signals.ignore()
        for child in reversed(self._children):
            child.process.terminate()
        ends = time.monotonic() + self._stop_seconds
        for child in reversed(self._children):
            try:
                child.process.wait(max(0.0, ends - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def start(self, name: str, command: Sequence[str]) -> Child:
        log = self._logs / f"{name}.log"
        with self._signals.deferred(), log.open("wb") as output:
            # A group of its own: Ctrl-C on a terminal reaches the demo only, which then stops them in order.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "SCOPEGATE_DEMO_PARENT": str(os.getpid())},
                process_group=0,
            )
            child = Child(name=name, process=process, log=log)
            self._children.append(child)
        return child

    def wait_for(self, what: str, ready: Callable[[], bool], *, seconds: float) -> None:
        """Return once `ready()`; raises `StepFailedError` if any child has died, or after `seconds`."""
        ends = time.monotonic() + seconds
        while not ready():
            self.check_alive()
            if time.monotonic() > ends:
                logs = "\n".join(f"  {child.name}:\n{child.tail()}" for child in self._children)
                raise StepFailedError(f"{what}: not ready after {seconds:.0f} s\n{logs}")
            time.sleep(_POLL_SECONDS)

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """If a connection fails inside because a child has died, raise `StepFailedError` about that instead."""
        try:
            yield
        except OSError:
            time.sleep(_POLL_SECONDS)  # its end may be a moment younger than the broken connection
            self.check_alive()
            raise

    def check_alive(self) -> None:
        """Raises `StepFailedError` if one has died; `Interrupted` if the demo is to end."""
        self._signals.check()
        for child in self._children:
            status = child.process.poll()
            if status is not None:
                raise StepFailedError(
                    f"{child.name} ended with status {status}; the end of its log:\n{child.tail()}"
                )
