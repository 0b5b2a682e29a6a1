"""Rolling windows: the last so many days or hours, moving in steps so that a scope stays the same in between."""

import math
from datetime import UTC, date, datetime, timedelta

from authz.policy.terms import Last
from authz.scopes.constraints import Constraint, between
from authz.scopes.values import ValueType

_DAY = timedelta(days=1)
_DAY_SECONDS = 86_400
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_EPOCH_DAY = _EPOCH.date().toordinal()


def rolling(term: Last, type: ValueType, now: float) -> tuple[Constraint | None, float]:  # noqa: A002 - as in scopes
    """What a window selects at `now`, and until when; both times in seconds since the epoch.

    Both bounds are rounded up to whole steps since the epoch: the lower one so that the window is never longer
    than said, the upper one so that what arrives within a step is seen. Raises `ValueError` for a type that has
    no time.
    """
    if type is ValueType.DATE:
        # Part of a day is no day; part of a step cannot be told from a whole one.
        window = term.window // _DAY
        step = max(1, -(-term.step // _DAY))
        today = math.floor(now / _DAY_SECONDS)
        low, high, last = _bounds(today, window, step)
        return between(type, low=_day(low), high=_day(high)), float((last + 1) * _DAY_SECONDS)
    if type is ValueType.TIMESTAMP:
        window = term.window // _MICROSECOND
        step = max(1, term.step // _MICROSECOND)
        low, high, last = _bounds(math.floor(now * 1_000_000), window, step)
        return between(type, low=_instant(low), high=_instant(high)), (last + 1) / 1_000_000
    raise ValueError(f"a rolling window over values of type {type.value}")


def _bounds(now: int, window: int, step: int) -> tuple[int, int, int]:
    """Both bounds, and the last moment at which they are these."""
    low = _up(now - window, step)
    high = _up(now, step)
    return low, high, min(low + window, high)


def _up(moment: int, step: int) -> int:
    return -(-moment // step) * step


def _day(days: int) -> date:
    return date.fromordinal(min(max(days + _EPOCH_DAY, 1), date.max.toordinal()))


def _instant(microseconds: int) -> datetime:
    return _EPOCH + _MICROSECOND * min(max(microseconds, _FIRST), _LAST)
