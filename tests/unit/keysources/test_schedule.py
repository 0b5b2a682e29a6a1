"""When to look again."""

import pytest

from authz.keysources.schedule import Schedule

SCHEDULE = Schedule()


@pytest.mark.parametrize(
    ("max_age", "expected"),
    [(None, 300.0), (0, 300.0), (60, 300.0), (600, 600.0), (3_600, 3_600.0), (999_999_999, 3_600.0)],
)
def test_an_issuer_may_lengthen_the_interval_within_bounds(max_age: int | None, expected: float) -> None:
    """Never below what is configured, never above an hour."""
    assert SCHEDULE.after_success(300.0, max_age, 1.0) == pytest.approx(expected)
    assert SCHEDULE.after_success(300.0, max_age, 0.0) == pytest.approx(0.9 * expected)


def test_a_long_configured_interval_is_kept() -> None:
    """The operator's word is the floor."""
    assert SCHEDULE.after_success(7_200.0, 60, 1.0) == pytest.approx(7_200.0)


def test_failures_are_retried_ever_more_slowly() -> None:
    """Doubling up to a ceiling, however long the outage."""
    waits = [SCHEDULE.after_failure(300.0, failures, 1.0) for failures in (1, 2, 3, 6, 7, 10_000)]
    assert waits == pytest.approx([1.0, 2.0, 4.0, 32.0, 60.0, 60.0])


def test_a_retry_never_waits_longer_than_a_refresh_would() -> None:
    """A short interval stays short."""
    assert SCHEDULE.after_failure(5.0, 100, 1.0) == pytest.approx(5.0)


def test_jitter_keeps_workers_apart() -> None:
    """Workers that failed together do not return together."""
    assert SCHEDULE.after_failure(300.0, 3, 0.0) == pytest.approx(2.0)
