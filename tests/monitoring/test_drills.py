"""Each drill once more, and what a real Prometheus says about it; an hour that passes, and clocks that jump."""

import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.drills.breakages import (
    disk_full,
    edge_flooded,
    envoy_gone,
    half_written,
    small_disk,
    without_descriptors,
    worker_flooded,
    worker_hung,
    worker_killed,
)
from tests.drills.clock import Clock
from tests.drills.issuing import issuing_drill
from tests.drills.load import Load
from tests.drills.system import LIMITED, POLICY, Drill, drill_system
from tests.drills.table import ROWS
from tests.envoy_process import wait_until
from tests.monitoring.prometheus_process import Prometheus, tool
from tests.pki import TRUST_DOMAIN, Authority, crl_pem

HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Watched:
    drill: Drill
    prometheus: Prometheus
    mounted: bool = False
    """Whether the trails are on a small disk of their own."""

    @contextmanager
    def broken(self, name: str, breakage: AbstractContextManager[object]) -> Iterator[None]:
        """None of its alerts is there before; all of them are within; those that are about now are gone behind it."""
        alerts = ROWS[name].alerts
        wait_until(lambda: not set(alerts) & set(self.prometheus.alerts()), f"{alerts} are quiet", 30)
        with breakage:
            for alert in alerts:
                self.prometheus.wait_for_alert(alert, 30)
            yield


@contextmanager
def _watched(drill: Drill, *, mounted: bool = False) -> Iterator[Watched]:
    jobs = {"scopegate": drill.whole.operators_ports(), "envoy": [drill.edge_port]}
    with Prometheus(drill.whole.directory, jobs) as prometheus:
        prometheus.scrape()
        yield Watched(drill, prometheus, mounted)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One system for all that mends."""
    tool("prometheus")
    disk = tmp_path_factory.mktemp("disk")
    with (
        small_disk(disk) as mounted,
        drill_system(disk=disk, program=LIMITED) as drill,
        _watched(drill, mounted=mounted) as made,
    ):
        yield made


def _half_of_the_policy(place: Path) -> AbstractContextManager[None]:
    return half_written(place, place.read_text().replace("id: emea", "id: emea-b"), until="grants:")


BREAKAGES: dict[str, Callable[[Watched], AbstractContextManager[object]]] = {
    "worker-killed": lambda watched: worker_killed(watched.drill),
    "worker-hung": lambda watched: worker_hung(watched.drill),
    "worker-flooded": lambda watched: worker_flooded(watched.drill),
    "descriptors-out": lambda watched: without_descriptors(watched.drill),
    "envoy-restarted": lambda watched: envoy_gone(watched.drill),
    "policy-half-written": lambda watched: _half_of_the_policy(
        watched.drill.whole.directory / "scopegate.yaml"
    ),
    "edge-flooded": lambda watched: edge_flooded(watched.drill),
    "disk-full": lambda watched: disk_full(watched.drill, mounted=watched.mounted),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_its_alerts_are_there(watched: Watched, name: str) -> None:
    """As the table says, and not before."""
    with watched.drill.load() as load:
        load.until_well()
        with watched.broken(name, BREAKAGES[name](watched)):
            pass
        load.until_well()
    watched.drill.assert_kept(load)


def test_an_issuer_is_away_for_an_hour(tmp_path: Path) -> None:
    """The hour passes at once: the workers began an hour ago by their clock, and their timers run with it."""
    row = ROWS["issuer-away"]
    clock = Clock(tmp_path / "clock", seconds=-HOUR, passes=True)
    with issuing_drill(environment=clock.environment) as issuing, _watched(issuing.drill) as watched:
        # Good for longer than the hour, at its beginning as at its end.
        begun = int(time.time()) - HOUR - 60
        people = issuing.people(iat=begun, nbf=begun)
        with issuing.drill.load(people) as load:
            load.until_well()
            before, mark = issuing.drill.scrape(), load.mark
            issuing.issuer.outage = True
            load.until(mark, 503, "introspection_unavailable")
            assert not set(row.alerts) & set(watched.prometheus.alerts())
            clock.set(0)
            for alert in row.alerts:
                watched.prometheus.wait_for_alert(alert, 60)
            row.assert_told(before, issuing.drill.scrape())
            late = load.settle()
            load.go_on(200)
            assert {got.person.name for got in load.since(late) if got.status == 200} == {"ann", "uma"}
            row.assert_seen(load.statuses(mark))
            issuing.issuer.outage = False
            load.until_well()
        issuing.drill.assert_kept(load)
        wait_until(lambda: not set(row.alerts) & set(watched.prometheus.alerts()), "it is quiet again", 30)


REVOKING = POLICY.replace(
    'roots: "{directory}/clients.pem"', 'roots: "{directory}/clients.pem", crls: ["{directory}/clients.crl"]'
)


def _write_list(directory: Path, clients: Authority) -> None:
    now = time.time()
    made = clients.crl(this_update=now - 60, next_update=now + HOUR)
    (directory / "clients.crl").write_bytes(crl_pem(made))


@dataclass(frozen=True, slots=True)
class Clocked:
    """The system with a clock, and what a machine that presents a certificate gets."""

    watched: Watched
    clock: Clock
    machine: ssl.SSLContext

    @property
    def drill(self) -> Drill:
        return self.watched.drill

    def by_certificate(self) -> int:
        return self.drill.whole.ask("/api/rows", context=self.machine).status

    def by_token(self, token: str) -> int:
        return self.drill.whole.ask("/ledger/rows", token).status

    def jump(self, name: str, seconds: int, load: Load, reason: str) -> Counter[int]:
        """The clock is set; what people get when it is known to be, and the alerts that there are."""
        row = ROWS[name]
        wait_until(lambda: not set(row.alerts) & set(self.watched.prometheus.alerts()), "it is quiet", 30)
        before, mark = self.drill.scrape(), load.mark
        self.clock.set(seconds)
        load.until(mark, 401, reason)
        for alert in row.alerts:
            self.watched.prometheus.wait_for_alert(alert, 30)
        load.settle()
        row.assert_told(before, self.drill.scrape())
        return load.statuses(mark)


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clocked]:
    assert REVOKING != POLICY
    clock = Clock(tmp_path_factory.mktemp("clock") / "clock")
    with (
        drill_system(policy_text=REVOKING, prepare=_write_list, environment=clock.environment) as drill,
        _watched(drill) as watched,
    ):
        machine = drill.whole.client("extracts", f"spiffe://{TRUST_DOMAIN}/tableau/extract")
        yield Clocked(watched, clock, machine)


def test_the_clock_jumps_ahead(clocked: Clocked) -> None:
    """Good tokens have ended and the list is stale, until it is right again; nobody sees more at any time."""
    with clocked.drill.load() as load:
        load.until_well()
        assert clocked.by_certificate() == 200
        statuses = clocked.jump("clock-ahead", 2 * HOUR, load, "token_expired")
        wait_until(lambda: clocked.by_certificate() == 503, "the list is stale for both workers")
        ROWS["clock-ahead"].assert_seen(statuses + Counter({503: 1}))
        clocked.clock.set(0)
        load.until_well()
        wait_until(lambda: clocked.by_certificate() == 200, "the list is fresh again")
    clocked.drill.assert_kept(load)


def test_the_clock_jumps_back(clocked: Clocked) -> None:
    """New tokens are not valid yet, and one that ended is good again: no more than that, and not for longer."""
    now = int(time.time())
    ended = clocked.drill.whole.token(
        "ann", "analysts-emea", iat=now - 3 * HOUR, nbf=now - 3 * HOUR, exp=now - HOUR
    )
    with clocked.drill.load() as load:
        load.until_well()
        assert clocked.by_token(ended) == 401
        statuses = clocked.jump("clock-behind", -2 * HOUR, load, "token_not_yet_valid")
        wait_until(lambda: clocked.by_token(ended) == 200, "what had ended is good again")
        ROWS["clock-behind"].assert_seen(statuses)
        clocked.clock.set(0)
        load.until_well()
        wait_until(lambda: {clocked.by_token(ended) for _ in range(10)} == {401}, "it has ended")
    clocked.drill.assert_kept(load)
