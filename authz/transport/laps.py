"""How long the phases of one check took."""

import time
from collections.abc import Iterator
from typing import Final

from authz.check import Phase


class Laps:
    """A stopwatch that begins with the first phase."""

    __slots__ = ("_entered",)

    def __init__(self) -> None:
        self._entered = [(Phase.READ, time.perf_counter())]

    @property
    def began(self) -> float:
        """When the first phase began, in seconds of `time.perf_counter`."""
        return self._entered[0][1]

    def enter(self, phase: Phase) -> None:
        """The phase before it ends, and `phase` begins."""
        self._entered.append((phase, time.perf_counter()))

    def end(self) -> Iterator[tuple[Phase, float]]:
        """Each phase that was entered, with its seconds, up to now."""
        ends = [*(began for _, began in self._entered[1:]), time.perf_counter()]
        for (phase, began), ended in zip(self._entered, ends, strict=True):
            yield phase, ended - began


class _Untimed(Laps):
    __slots__ = ()

    # Python 3.11 has no typing.override, hence the remark.
    def enter(self, phase: Phase) -> None:  # type: ignore[explicit-override]
        pass


UNTIMED: Final = _Untimed()
"""For the many checks that are not timed."""
