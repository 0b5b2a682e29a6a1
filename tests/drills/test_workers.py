"""A worker that is killed or hangs, under load."""

from collections.abc import Iterator

import pytest

from tests.drills.breakages import worker_hung, worker_killed
from tests.drills.system import Drill, drill_system
from tests.drills.table import ROWS
from tests.envoy_process import wait_until

_IN_FLIGHT = 4
"""The clients of the load, each with one request."""
_MORE = 8
"""Two failures in a row eject a worker; each of Envoy's threads hears of it a moment later."""


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    with drill_system() as running:
        yield running


def test_a_worker_is_killed(drill: Drill) -> None:
    """Envoy takes it out after its first failures; started again it is asked again, and no allow lacks its record."""
    row = ROWS["worker-killed"]
    with drill.load() as load:
        drill.until_well(load)
        before, mark = drill.scrape(), load.mark
        with worker_killed(drill):
            load.until(mark, 503)
            wait_until(lambda: drill.whole.healthy_workers() == 1, "Envoy has taken it out")
            load.settle()
            asked = drill.asked(0)
            load.go_on(300)
            assert drill.asked(0) == asked
            row.assert_seen(load.statuses(mark))
            row.assert_told(before, drill.scrape())
        wait_until(lambda: drill.asked(0) > asked, "it is asked again")
        load.until_well()
    drill.assert_kept(load)


def test_a_worker_that_is_killed_just_after_a_change_is_not_asked_on(drill: Drill) -> None:
    """What Envoy finds in the second after the worker's return counts at once, and not when that second is over."""
    with drill.load() as load:
        drill.until_well(load)
        with worker_killed(drill):
            wait_until(lambda: drill.whole.healthy_workers() == 1, "Envoy has taken it out")
        asked = drill.asked(0)
        wait_until(lambda: drill.asked(0) > asked, "it is asked again")
        mark = load.mark
        with worker_killed(drill):
            load.until(mark, 503)
            load.go_on(300)
            assert load.statuses(mark)[503] <= _IN_FLIGHT + _MORE
        load.until_well()
    drill.assert_kept(load)


def test_a_worker_hangs(drill: Drill) -> None:
    """Envoy gives up once and asks it nothing more, neither at once nor when the first ejection is over."""
    row = ROWS["worker-hung"]
    with drill.load() as load:
        drill.until_well(load)
        before, mark = drill.scrape(), load.mark
        with worker_hung(drill):
            load.until(mark, 503)
            wait_until(lambda: drill.whole.healthy_workers() == 1, "Envoy has taken it out")
            load.settle()
            asked = drill.asked(1)
            wait_until(
                lambda: drill.whole.envoy.stat("cluster.scopegate.health_check.failure") >= 2, "two failed"
            )
            wait_until(
                lambda: drill.whole.envoy.stat("cluster.scopegate.outlier_detection.ejections_active") == 0,
                "the ejection is over",
            )
            load.go_on(300)
            assert drill.asked(1) == asked
            row.assert_seen(load.statuses(mark))
            row.assert_told(before, drill.scrape())
        wait_until(lambda: drill.asked(1) > asked, "it is asked again")
        load.until_well()
    drill.assert_kept(load)
