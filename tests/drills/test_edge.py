"""Envoy flooded with connections, and restarted, under load."""

import urllib.request
from collections.abc import Iterator

import pytest

from authz.edge.bootstrap import MAX_CONNECTIONS
from tests.drills.breakages import CONNECTIONS, edge_flooded, envoy_gone, still_open
from tests.drills.system import Drill, drill_system
from tests.drills.table import NO_ANSWER, ROWS
from tests.envoy_process import wait_until

LATE = 60
FEW = 5
"""Places that the people who ask meanwhile may have left."""


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    with drill_system() as running:
        yield running


def test_connections_at_envoy_take_no_more_than_their_places(
    drill: Drill, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is connected goes on, who comes is sent away; being scraped opens no place; those who say nothing are closed."""
    row = ROWS["edge-flooded"]
    with drill.load() as load:
        load.until_well()
        before, mark = drill.scrape(), load.mark
        with edge_flooded(drill) as connections:
            if len(connections) < CONNECTIONS:
                with capsys.disabled():
                    print(f"\nonly {len(connections):,} connections: this machine gives no more descriptors")
            assert len(connections) > MAX_CONNECTIONS
            wait_until(lambda: still_open(connections) <= MAX_CONNECTIONS, "what is too much is closed")
            _ask_operators_port(drill, 20)
            with edge_flooded(drill, LATE) as late:
                # Whoever asks is sent away, too: when that has happened often enough, all of these have been looked at.
                before_others = _sent_away(drill)
                wait_until(lambda: _sent_away(drill) > before_others + 2 * LATE, "others were sent away")
                assert still_open(late) <= FEW
            load.until(mark, NO_ANSWER)
            row.assert_told(before, drill.scrape())
            wait_until(lambda: still_open(connections) == 0, "connections that say nothing are closed")
            load.until_well()
        row.assert_seen(load.statuses(mark))
    drill.assert_kept(load)


def _ask_operators_port(drill: Drill, times: int) -> None:
    """As probes do, each with a connection of its own."""
    for _ in range(times):
        with urllib.request.urlopen(f"http://{drill.edge_port}/healthz", timeout=10) as answer:
            assert answer.status == 200


def _sent_away(drill: Drill) -> int:
    """Connections that Envoy has closed because all places were taken."""
    text = drill.whole.envoy.admin("/stats?filter=^listener.*cx_overflow$").body.decode()
    return sum(int(line.rpartition(" ")[2]) for line in text.splitlines())


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
