"""Servers as processes of their own: what they have used of the CPU and of memory, with all their children; their end."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
TETHER: Final = (sys.executable, "-I", "-S", str(Path(__file__).with_name("tether.py")))
END_SECONDS: Final = 15.0
STARTED: Final = 19
"""Where the moment at which a process started stands in what `_all_stats` gives: its id alone may be another's by now."""


class Ended(Exception):  # noqa: N818 - it is what has happened
    """A server ended by itself, or never got ready."""


class Group:
    """A process, everything that it starts, and everything that those start.

    It leads a session of its own, so a child whose parent has gone is still found. Start it from the main thread: it is
    ended with the thread that has started it.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SCOPEGATE_")}
        with log.open("ab") as out:
            self._leader = subprocess.Popen(
                [*TETHER, str(os.getpid()), *(str(part) for part in command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**clean, **(environment or {})},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self._leader.pid

    def members(self) -> list[int]:
        """The process ids of all that live."""
        stats = _all_stats()
        found = {self.pid} | {pid for pid, stat in stats.items() if int(stat[3]) == self.pid}
        grown = True
        while grown:
            more = {pid for pid, stat in stats.items() if int(stat[1]) in found} - found
            found |= more
            grown = bool(more)
        return sorted(found & stats.keys())

    def cpu_seconds(self) -> float:
        """User and system time of all of them, with that of children that have ended and were waited for."""
        stats = _all_stats()
        return sum(sum(map(int, stats[pid][11:15])) for pid in self.members() if pid in stats) / TICKS

    def resident_bytes(self) -> int:
        """Their memory: pages that several of them share are counted once (PSS), so that a sum makes sense."""
        return sum(map(_proportional_bytes, self.members()))

    def check(self) -> None:
        """Raises `Ended` with the end of its log, if it runs no more."""
        if self._leader.poll() is not None:
            raise Ended(f"ended with status {self._leader.returncode}:\n{self.log()[-2000:]}")

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self._leader.send_signal(number)

    def end(self) -> None:
        """End all of them: the leader first and politely, then whoever is left."""
        stats = _all_stats()
        known = {pid: stats[pid][STARTED] for pid in self.members() if pid in stats}
        if self._leader.poll() is None:
            self._leader.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._leader.wait(END_SECONDS)
        for pid, stat in _all_stats().items():
            if known.get(pid) == stat[STARTED]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._leader.wait(END_SECONDS)


def _all_stats() -> dict[int, list[str]]:
    """The fields of /proc/PID/stat from the third on (proc_pid_stat(5)), of every process."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                text = Path(entry.path, "stat").read_text()
                found[int(entry.name)] = text[text.rindex(")") + 2 :].split()
    return {pid: stat for pid, stat in found.items() if stat[0] != "Z"}


def _proportional_bytes(pid: int) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return 0


def wait_for(condition: Callable[[], object], group: Group, what: str, seconds: float = 60.0) -> float:
    """Seconds until `condition()` holds. Raises `Ended` when the process has ended or the time is over."""
    began = time.monotonic()
    while not condition():
        group.check()
        if time.monotonic() - began > seconds:
            raise Ended(f"waited {seconds:.0f} s in vain: {what}\n{group.log()[-2000:]}")
        time.sleep(0.005)
    return time.monotonic() - began
