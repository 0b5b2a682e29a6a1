"""The stopwatch of a check."""

from authz.check import Phase
from authz.transport.laps import UNTIMED, Laps


def test_each_phase_ends_where_the_next_begins() -> None:
    """In the order in which they were entered; one that a denial skipped is missing."""
    laps = Laps()
    laps.enter(Phase.IDENTIFY)
    laps.enter(Phase.ANSWER)
    phases = list(laps.end())
    assert [phase for phase, _ in phases] == [Phase.READ, Phase.IDENTIFY, Phase.ANSWER]
    assert all(seconds >= 0 for _, seconds in phases)


def test_the_untimed_keep_nothing() -> None:
    """One object stands for every check that is not timed."""
    UNTIMED.enter(Phase.ANSWER)
    assert [phase for phase, _ in UNTIMED.end()] == [Phase.READ]
