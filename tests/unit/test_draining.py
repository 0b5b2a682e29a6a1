"""The end of an Envoy: what is asked of it, and how long is waited."""

import pytest

from authz.draining import Admin, drain_envoy


class FakeAdmin(Admin):
    """An Envoy with so many open requests at each look; the last figure stays."""

    def __init__(self, *open_requests: int) -> None:
        super().__init__("/nowhere")
        self._open = list(open_requests)
        self.announced_at: float | None = None

    def announce_end(self) -> None:
        assert self.announced_at is None
        self.announced_at = CLOCK.now

    def open_requests(self) -> int:
        assert self.announced_at is not None
        return self._open.pop(0) if len(self._open) > 1 else self._open[0]


class Clock:
    """Time that passes by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


CLOCK = Clock()


@pytest.fixture(autouse=True)
def _midnight() -> None:
    CLOCK.now = 0.0


def drained(admin: Admin, *, notice: float = 5, longest: float = 60) -> bool:
    return drain_envoy(admin, notice_seconds=notice, longest_seconds=longest, clock=CLOCK, sleep=CLOCK.sleep)


def test_a_request_that_never_ends_is_waited_for_only_so_long() -> None:
    """The deployment's own patience is longer, so that this one's end is said."""
    assert not drained(FakeAdmin(1))
    assert 60 <= CLOCK.now < 61


def test_the_end_of_the_last_request_ends_it() -> None:
    """The neighbour: no longer than needed."""
    assert drained(FakeAdmin(2, 1, 1, 0))
    assert 5 < CLOCK.now < 6


def test_an_idle_envoy_is_kept_through_the_notice() -> None:
    """Clients are still led here."""
    admin = FakeAdmin(0)

    assert drained(admin)
    assert (admin.announced_at, CLOCK.now) == (0.0, 5.0)
