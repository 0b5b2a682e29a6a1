"""Envoy flooded with connections, and restarted, under load."""

import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest

from authz.edge.bootstrap import MAX_CONNECTIONS
from tests.drills.breakages import CONNECTIONS, edge_flooded, envoy_gone, still_open
from tests.drills.system import Drill, drill_system
from tests.drills.table import NO_ANSWER, ROWS
from tests.envoy_process import wait_until

PROBES = 40


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
            _ask_operators_port(drill, PROBES)
            with edge_flooded(drill, PROBES) as late:
                # Who has just got through the handshake may be counted on both sides of it at that moment.
                assert max(_places_taken(drill) for _ in range(50)) <= MAX_CONNECTIONS + 1
                wait_until(lambda: still_open(late) < PROBES, "whoever comes now is sent away")
                sent_away = Counter({NO_ANSWER: PROBES - still_open(late)})
            row.assert_told(before, drill.scrape())
            wait_until(lambda: still_open(connections) == 0, "connections that say nothing are closed")
            load.until_well()
        row.assert_seen(load.statuses(mark) + sent_away)
    drill.assert_kept(load)


def _ask_operators_port(drill: Drill, times: int) -> None:
    """As probes do, each with a connection of its own."""
    for _ in range(times):
        with urllib.request.urlopen(f"http://{drill.edge_port}/healthz", timeout=10) as answer:
            assert answer.status == 200


def _places_taken(drill: Drill) -> int:
    """Connections of clients, with or without a handshake."""
    port = drill.whole.envoy.port
    wanted = f"/stats?filter=^listener.127.0.0.1_{port}.downstream_(pre_)?cx_active$"
    text = drill.whole.envoy.admin(wanted).body.decode()
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
    drill.assert_kept(load)
