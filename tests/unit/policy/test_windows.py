"""Rolling windows: never longer than said, and the same in between two steps."""

from datetime import UTC, date, datetime, timedelta

import pytest

from authz.policy.terms import Last
from authz.policy.windows import rolling
from authz.scopes.constraints import Between
from authz.scopes.values import ValueType

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_days_move_at_midnight_utc() -> None:
    """From today minus the window through today, until the next midnight."""
    constraint, until = rolling(Last(400 * DAY, DAY), ValueType.DATE, at("2026-03-10T12:00:00"))
    assert constraint == Between(low=date(2025, 2, 3), high=date(2026, 3, 10))
    assert until == at("2026-03-11T00:00:00")


@pytest.mark.parametrize("time", ["00:00:00", "00:00:01", "23:59:59.999"])
def test_days_stay_the_same_all_day(time: str) -> None:
    """A scope that changed within the day would empty the cache for nothing."""
    term = Last(30 * DAY, DAY)
    noon = rolling(term, ValueType.DATE, at("2026-03-10T12:00:00"))
    assert rolling(term, ValueType.DATE, at(f"2026-03-10T{time}")) == noon
    assert rolling(term, ValueType.DATE, at("2026-03-11T00:00:00")) != noon


def test_steps_of_several_days_round_the_lower_bound_up() -> None:
    """Never longer ago than said; the upper bound covers what arrives until the step ends."""
    term = Last(30 * DAY, 7 * DAY)
    constraint, until = rolling(term, ValueType.DATE, at("2026-03-10T12:00:00"))
    assert isinstance(constraint, Between)
    assert date(2026, 2, 8) <= constraint.low <= date(2026, 2, 14)  # type: ignore[operator]
    assert date(2026, 3, 10) <= constraint.high <= date(2026, 3, 16)  # type: ignore[operator]
    assert rolling(term, ValueType.DATE, until - 1)[0] == constraint
    assert rolling(term, ValueType.DATE, until)[0] != constraint


def test_part_of_a_day_is_no_day() -> None:
    """36 hours of dates are yesterday and today, not the day before."""
    constraint, _ = rolling(Last(36 * HOUR, HOUR), ValueType.DATE, at("2026-03-10T12:00:00"))
    assert constraint == Between(low=date(2026, 3, 9), high=date(2026, 3, 10))


def test_timestamps_round_both_bounds_up() -> None:
    """A quarter past twelve: the last day begins at one o'clock yesterday and ends at one today."""
    constraint, until = rolling(Last(DAY, HOUR), ValueType.TIMESTAMP, at("2026-03-10T12:15:00"))
    assert constraint == Between(low=moment("2026-03-09T13:00:00"), high=moment("2026-03-10T13:00:00"))
    assert at("2026-03-10T13:00:00") <= until < at("2026-03-10T13:00:01")


def test_a_window_that_is_no_whole_number_of_steps_moves_when_either_bound_does() -> None:
    """Ninety minutes in hourly steps: the lower bound moves at half past."""
    term = Last(timedelta(minutes=90), HOUR)
    constraint, until = rolling(term, ValueType.TIMESTAMP, at("2026-03-10T12:15:00"))
    assert constraint == Between(low=moment("2026-03-10T11:00:00"), high=moment("2026-03-10T13:00:00"))
    assert at("2026-03-10T12:30:00") <= until < at("2026-03-10T12:30:01")
    assert rolling(term, ValueType.TIMESTAMP, until - 0.001)[0] == constraint
    assert rolling(term, ValueType.TIMESTAMP, until)[0] != constraint


def test_a_window_longer_than_the_calendar_begins_with_it() -> None:
    """Thousands of years are everything up to now, and no error."""
    for type_ in (ValueType.DATE, ValueType.TIMESTAMP):
        constraint, _ = rolling(Last(timedelta(days=999_999), DAY), type_, at("2026-03-10T12:00:00"))
        assert isinstance(constraint, Between)
        assert constraint.low in {date.min, datetime.min.replace(tzinfo=UTC)}


def test_what_has_no_time_has_no_window() -> None:
    """The parser refuses it; a policy made otherwise must not get past it either."""
    with pytest.raises(ValueError, match="string"):
        rolling(Last(DAY, DAY), ValueType.STRING, 0.0)
