"""Envoy restarted under load."""

from collections.abc import Iterator

import pytest

from tests.drills.breakages import envoy_gone
from tests.drills.system import Drill, drill_system
from tests.drills.table import NO_ANSWER, ROWS


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    with drill_system() as running:
        yield running


def test_envoy_is_restarted(drill: Drill) -> None:
    """Nobody gets an answer while it is away; the workers stay as they are, and are asked again."""
    row = ROWS["envoy-restarted"]
    with drill.load() as load:
        load.until_well()
        before, mark = drill.scrape(), load.mark
        with envoy_gone(drill):
            load.until(mark, NO_ANSWER)
            row.assert_told(before, drill.scrape())
        load.until_well()
        row.assert_seen(load.statuses(mark))
        back = load.go_on(300)
        assert set(load.statuses(back)) == {200}
    drill.assert_kept(load)
