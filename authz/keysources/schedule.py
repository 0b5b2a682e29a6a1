"""When to look again: pure arithmetic on seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The bounds of refreshing, in seconds."""

    first_retry: float = 1.0
    longest_retry: float = 60.0
    longest_interval: float = 3_600.0
    """However long an issuer says that its keys are fresh: a key that it withdraws must go within this time."""
    demand_interval: float = 2.0
    """The mean time between looks that tokens with unknown keys ask for: a flood of made-up `kid`s must not become
    our flood. While it lasts, a key that the issuer takes into use is found so much later at the most."""
    demand_burst: int = 10
    """So many of them may follow each other at once."""
    same_key_interval: float = 5.0
    """A key that was looked for and not found is not looked for again before this."""
    most_waiting: int = 256
    """Checks that wait for one issuer; what comes beyond them is denied at once."""

    def after_success(self, refresh_seconds: float, max_age: int | None, chance: float) -> float:
        """The wait after a success: `refresh_seconds`, longer if the issuer says so. `chance` is in [0, 1)."""
        wanted = refresh_seconds if max_age is None else min(float(max_age), self.longest_interval)
        return max(refresh_seconds, wanted) * (0.9 + 0.1 * chance)

    def after_failure(self, refresh_seconds: float, failures: int, chance: float) -> float:
        """The wait after the given number of failures in a row: doubling, with jitter, never above the interval."""
        ceiling = min(refresh_seconds, self.longest_retry)
        doubled = self.first_retry * 2.0 ** min(failures - 1, 30)
        return min(ceiling, doubled) * (0.5 + 0.5 * chance)
