"""What happened in one check of a sampled trace: who asked for it, the parts and their times, and what came out."""

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from authz.check import Outcome
    from authz.transport.laps import Laps

SETTLE: Final = "settle"
"""Somebody outside is asked what the check could not know."""
KEEP: Final = "keep"
"""The answer waits for the record of it."""


class CheckTrace:
    """Filled while the check runs; read when its answer leaves. Times are in seconds since the epoch."""

    __slots__ = ("_parts", "_to_wall", "began", "decision_id", "outcome", "parent")

    def __init__(self, parent: str) -> None:
        self.parent = parent
        """The caller's `traceparent`, sampled; believed in its form only."""
        began = time.perf_counter()
        self.began = time.time()
        # The clock may be set while a check runs; what is measured is not.
        self._to_wall = self.began - began
        self._parts: list[tuple[str, float, float]] = []
        self.outcome: Outcome | None = None
        self.decision_id = ""

    def decided(self, outcome: "Outcome", decision_id: str, laps: "Laps") -> None:
        """The check has come to an end, perhaps not for the last time."""
        self.outcome, self.decision_id = outcome, decision_id
        began = laps.began
        for phase, seconds in laps.end():
            self._parts.append((phase.value, began, began + seconds))
            began += seconds

    @contextmanager
    def waiting(self, name: str) -> "Iterator[None]":
        """Around a part that is waited for."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._parts.append((name, began, time.perf_counter()))

    def parts(self) -> "Iterator[tuple[str, float, float]]":
        """Name, beginning and end of each part, in their order."""
        return ((name, began + self._to_wall, ended + self._to_wall) for name, began, ended in self._parts)

    def ended(self) -> float:
        """Now, by the clock that the parts are measured with."""
        return time.perf_counter() + self._to_wall


class TraceGate:
    """Which checks are traced: those of sampled traces, as many in a second as are allowed.

    Whether a trace is kept is the caller's to say, and a client may have said it: without a bound it would choose
    what its checks cost.
    """

    __slots__ = ("_at", "_clock", "_left", "_limited", "_per_second")

    def __init__(
        self,
        per_second: float,
        *,
        limited: "Callable[[], None]",
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        """`limited` is called for each check that is not traced because too many are. `clock` is in seconds."""
        self._per_second = per_second
        self._limited = limited
        self._clock = clock
        self._left = self._most
        self._at = clock()

    @property
    def _most(self) -> float:
        return max(self._per_second, 1.0)

    def parent(self, metadata: "Iterable[tuple[str, str | bytes]] | None") -> str | None:
        """The caller's `traceparent`, if this check is to be traced."""
        found = sampled_parent(metadata)
        if found is None:
            return None
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            self._limited()
            return None
        self._left -= 1
        return found


def sampled_parent(metadata: "Iterable[tuple[str, str | bytes]] | None") -> str | None:
    """The caller's `traceparent` out of a call's metadata, if it came once and its trace is kept.

    https://www.w3.org/TR/trace-context/#sampled-flag: the last bit of the flags.
    """
    found = [value for name, value in metadata or () if name == "traceparent"]
    if len(found) != 1:
        return None
    value = found[0]
    with suppress(IndexError, ValueError):
        if isinstance(value, str) and int(value[-1], 16) & 1:
            return value
    return None
