"""When tokens whose key is not known may have an issuer asked for its keys out of turn.

Whoever makes up tokens asks as often as they like. So there is a bucket of permits for each issuer, and one key is
looked for once in an interval: a client that goes on using a withdrawn key does not empty the bucket.
"""

from dataclasses import dataclass

from cachetools import LRUCache

from authz.keysources.schedule import Schedule

_MAX_REMEMBERED_KEYS = 1_024


@dataclass(frozen=True, slots=True)
class _Sought:
    at: float
    look: int


class Demand:
    """The permits of one issuer: arithmetic on the seconds of a monotonic clock. Looks are counted from 1."""

    __slots__ = ("_filled_at", "_permits", "_schedule", "_sought", "_wanted")

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._permits = float(schedule.demand_burst)
        self._filled_at: float | None = None
        self._sought: LRUCache[bytes, _Sought] = LRUCache(_MAX_REMEMBERED_KEYS)
        self._wanted = 0

    def look_for(self, key: bytes, begun: int, now: float) -> int | None:
        """The number of the look whose end settles whether there is such a `key`; None if none is made for it.

        `begun` is the number of the last look that has begun. A look that began before somebody asked may bring
        what the issuer said before it had the key, so it settles nothing.
        """
        sought = self._sought.get(key)
        if sought is not None and now - sought.at < self._schedule.same_key_interval:
            return sought.look
        look = begun + 1
        if self._wanted < look and not self._take_permit(now):
            return None
        self._wanted = look
        self._sought[key] = _Sought(now, look)
        return look

    def _take_permit(self, now: float) -> bool:
        if self._filled_at is not None:
            filled = self._permits + (now - self._filled_at) / self._schedule.demand_interval
            self._permits = min(float(self._schedule.demand_burst), filled)
        self._filled_at = now
        if self._permits < 1.0:
            return False
        self._permits -= 1.0
        return True
