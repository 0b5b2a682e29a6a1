"""What one run measures, step by step. A step that fails says so, in the results, too; the others go on."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench import generators, measure
from bench.edge import Edge, Traffic, jwt_authn, part_of
from bench.flat import flatness
from bench.footprint import footprint, reload_under_load
from bench.generators import LoadFailed, find_h2load
from bench.guard import AT_MOST, found
from bench.processes import Ended
from bench.questions import KEYS, forged, token
from bench.targets import ENGINES, PEERS, TARGETS, Place, Running, Target, scopegate
from bench.verify import verification
from tests.span_collector import SpanCollector

RATE: Final = 1_000.0
SAMPLED: Final = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LOAD: Final = PEERS / "load"
FAILURES: Final = (Ended, LoadFailed, OSError, ValueError, subprocess.SubprocessError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How long and how much. Seconds are those of one figure; `turns` is how often each is asked for its latency."""

    seconds: float
    rounds: int
    people: int
    new: int
    cold: int
    tokens: int
    reload_grants: int
    grants: tuple[int, ...]
    groups: tuple[int, ...]
    pairs: int
    turns: int


FULL: Final = Size(
    seconds=4.0,
    rounds=2,
    people=1_000,
    new=24_000,
    cold=5_000,
    tokens=100_000,
    reload_grants=10_000,
    grants=(10, 100, 1_000, 10_000, 100_000),
    groups=(1, 10, 100, 1_000),
    pairs=2_000,
    turns=6,
)
QUICK: Final = Size(
    seconds=2.0,
    rounds=1,
    people=1_000,
    new=24_000,
    cold=1_500,
    tokens=10_000,
    reload_grants=1_000,
    grants=(10, 1_000, 10_000),
    groups=(1, 100, 1_000),
    pairs=400,
    turns=4,
)
SMOKE: Final = Size(
    seconds=0.2,
    rounds=1,
    people=40,
    new=100,
    cold=60,
    tokens=100,
    reload_grants=50,
    grants=(10, 20),
    groups=(1, 10),
    pairs=20,
    turns=1,
)
SIZES: Final = {"full": FULL, "quick": QUICK, "smoke": SMOKE}

Step = tuple[str, Callable[[], None]]


@dataclass(slots=True)
class Run:
    """One run: its steps, and what they have found so far."""

    place: Place
    size: Size
    names: tuple[str, ...] = tuple(TARGETS)
    results: dict[str, Any] = field(default_factory=dict)
    _strangers: dict[tuple[str, bool], Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        absent = {name: why for name in self.names if (why := TARGETS[name].absent()) is not None}
        if not LOAD.is_file():
            absent["generator of load"] = (
                "not built: Go is not installed; nothing of several requests or a fixed rate"
            )
        if find_h2load() is None:
            absent["h2load"] = "not installed (Debian: nghttp2-client)"
        self.results.update(
            absent=absent, failed={}, checks={}, edge={}, footprint={}, reload={}, opa={}, guard={}
        )

    @property
    def present(self) -> list[Target]:
        return [TARGETS[name] for name in self.names if name not in self.results["absent"]]

    @property
    def engines(self) -> list[str]:
        return [engine for engine in ENGINES if TARGETS[f"scopegate-{engine}"] in self.present]

    def steps(self) -> Iterator[Step]:
        """Everything, cheap and quiet things first; targets by turns, so that no round of one is all bad luck."""
        yield "floors of a warm check", self._guard
        yield "verification beside the libraries", self._verification
        yield "flatness", self._flatness
        for number in range(1, self.size.rounds + 1):
            for target in self.present:
                yield f"round {number}: {target.name}", partial(self._checks, target)
            for target in self._variants() if LOAD.is_file() else ():
                yield f"round {number}: {target.name}", partial(self._variant, target)
            for name, step in self._roads():
                yield f"round {number}: through Envoy: {name}", step
        if LOAD.is_file():
            yield "all of them, by turns", self._by_turns
            yield "through Envoy, by turns", self._roads_by_turns
            for engine in self.engines:
                yield f"memory of {engine}", partial(self._footprint, engine)
                yield f"reload of {engine}", partial(self._reload, engine)
        if any(target.name == "opa" for target in self.present):
            yield "OPA's evaluation alone", self._opa

    def attempt(self, name: str, step: Callable[[], None]) -> str | None:
        """Take one step; what went wrong, if something did."""
        try:
            step()
        except FAILURES as failed:
            self.results["failed"][name] = f"{type(failed).__name__}: {failed}"
            return str(self.results["failed"][name])
        return None

    def _guard(self) -> None:
        self.results["guard"] = {"floors": found(), "at_most": AT_MOST}

    def _verification(self) -> None:
        self.results["verification"] = verification(max(20, self.size.pairs // 2))

    def _flatness(self) -> None:
        self.results["flatness"] = flatness(self.size.grants, self.size.groups, self.size.pairs)

    def _note(self, name: str, kind: str, figure: measure.Figure) -> None:
        self.results["checks"].setdefault(name, {}).setdefault(kind, []).append(figure.plain())

    def _checks(self, target: Target) -> None:
        with Running(target, self.place) as running:
            warm = target.warm(self.place)
            if LOAD.is_file():
                full = measure.saturated(running, LOAD, warm, self.size.seconds, "allowed")
                self._note(target.name, "warm", full)
                self._note(target.name, "at 1,000/s", self._at_rate(running, warm, RATE))
                self._note(target.name, "at half", self._at_rate(running, warm, full.per_second / 2))
            if find_h2load():
                by_h2load = measure.saturated_by_h2load(running, warm, self.size.seconds)
                self._note(target.name, "warm, h2load", by_h2load)
            if target.decides and LOAD.is_file():
                self._decisions(running)

    def _at_rate(self, running: Running, requests: Path, rate: float) -> measure.Figure:
        return measure.at_rate(running, LOAD, requests, rate, self.size.seconds)

    def _by_turns(self) -> None:
        """All at once, and one asked after the other, again and again: what another's work costs, all pay alike.

        What is compared is measured so: within minutes a machine gets faster and slower by a third.
        """
        seconds = self.size.seconds / 2
        with ExitStack() as exits:
            running = self._all_running(exits, "turns")
            for _ in range(self.size.turns):
                for one in running:
                    name, warm = one.target.name, one.target.warm(self.place)
                    self._note(name, "at 1,000/s", self._at_rate(one, warm, RATE))
                    self._note(name, "warm", measure.saturated(one, LOAD, warm, seconds, "allowed"))
                    if one.target.decides:
                        denied = self.place.files.denied(mapped=one.target.by_map)
                        self._note(name, "denied", measure.saturated(one, LOAD, denied, seconds, "denied"))

    def _roads_by_turns(self) -> None:
        """Every server behind an Envoy of its own, by turns as well."""
        traffic = self._traffic(self.size.seconds / 2)
        with ExitStack() as exits:
            edges = [
                (one, exits.enter_context(Edge(self.place.directory, one.name, part_of(one))))
                for one in self._all_running(exits, "behind")
            ]
            for _ in range(self.size.turns):
                for one, edge in edges:
                    before = one.group.cpu_seconds()
                    found = traffic.through(edge, decides=one.target.decides)
                    found["server_cpu_seconds"] = one.group.cpu_seconds() - before
                    self.results["edge"].setdefault(one.target.name, []).append(found)

    def _all_running(self, exits: ExitStack, where: str) -> list[Running]:
        return [
            exits.enter_context(Running(target, self.place, f"{target.name}-{where}"))
            for target in self.present
        ]

    def _decisions(self, running: Running) -> None:
        target, files, seconds = running.target, self.place.files, self.size.seconds
        mapped = target.by_map
        denied = files.denied(mapped=mapped)
        self._note(target.name, "denied", measure.saturated(running, LOAD, denied, seconds, "denied"))
        self._note(
            target.name, "mixed", measure.saturated(running, LOAD, files.mixed(mapped=mapped), seconds)
        )
        new = files.new(self.size.new, mapped=mapped)
        self._note(target.name, "new questions", measure.saturated(running, LOAD, new, seconds, "allowed"))
        for algorithm in KEYS:
            if algorithm != "RS256":
                warm = files.warm(algorithm, mapped=mapped)
                figure = measure.saturated(running, LOAD, warm, seconds, "allowed")
                self._note(target.name, f"warm {algorithm}", figure)
            self._note(target.name, f"cold {algorithm}", self._cold(running, algorithm))

    def _cold(self, running: Running, algorithm: str) -> measure.Figure:
        mapped = running.target.by_map
        if (algorithm, mapped) not in self._strangers:
            self._strangers[algorithm, mapped] = self.place.files.cold(
                self.size.cold, algorithm, mapped=mapped
            )
        # Once through: each server is a process that nobody of them has asked before.
        requests, number = self._strangers[algorithm, mapped], self.size.cold
        return measure.measured(
            running,
            lambda: generators.closed_loop(LOAD, running.address, requests, seconds=60, count=number),
            "allowed",
        )

    def _variants(self) -> Iterator[Target]:
        # Of the default engine: what audit and traces cost is their own work.
        for engine in self.engines[-1:]:
            yield scopegate(engine, f"scopegate-{engine}, no audit", "without audit", audit=False)
            yield scopegate(engine, f"scopegate-{engine}, traced", "every check of a sampled trace")

    def _variant(self, target: Target) -> None:
        if not target.name.endswith("traced"):
            self._warm_only(target, target.name)
            return
        engine = target.name.removeprefix("scopegate-").partition(",")[0]
        with SpanCollector() as collector:
            traced = scopegate(engine, target.name, target.about, f"--traces={collector.url}")
            self._warm_only(traced, target.name, header=SAMPLED)
            if not collector.spans:
                raise LoadFailed(f"{target.name}: no span came")

    def _warm_only(self, target: Target, name: str, **more: object) -> None:
        with Running(target, self.place, name.replace(", ", "-").replace(" ", "-")) as running:
            warm = target.warm(self.place)
            self._note(
                name, "warm", measure.saturated(running, LOAD, warm, self.size.seconds, "allowed", **more)
            )

    def _roads(self) -> Iterator[Step]:
        if not LOAD.is_file():
            return
        jwks = self.place.jwks
        yield "nobody asked", partial(self._road, "Envoy alone", {}, decides=False)
        yield "jwt_authn", partial(self._road, "Envoy's jwt_authn", jwt_authn(jwks, cached=False))
        yield (
            "jwt_authn, cached",
            partial(self._road, "Envoy's jwt_authn, cached", jwt_authn(jwks, cached=True)),
        )

    def _road(self, name: str, part: dict[str, Any], *, decides: bool = True) -> None:
        with Edge(self.place.directory, name.replace(" ", "-").replace("'", ""), part) as edge:
            found = self._traffic(self.size.seconds).through(edge, decides=decides)
        self.results["edge"].setdefault(name, []).append(found)

    def _traffic(self, seconds: float) -> Traffic:
        good, bad = self.place.directory / "good.token", self.place.directory / "forged.token"
        if not good.exists():
            good.write_text(token("emma"))
            bad.write_text(forged())
        return Traffic(load=LOAD, good=good, forged=bad, seconds=seconds, rate=RATE)

    def _footprint(self, engine: str) -> None:
        self.results["footprint"][engine] = footprint(engine, self.place, LOAD, tokens=self.size.tokens)

    def _reload(self, engine: str) -> None:
        directory = self.place.directory / f"reload-{engine}"
        directory.mkdir()
        large = Place(directory, grants=self.size.reload_grants)
        self.results["reload"][engine] = reload_under_load(
            engine, large, LOAD, seconds=max(1.5, 2 * self.size.seconds), turns=self.size.turns
        )

    def _opa(self) -> None:
        request = self.place.files.warm(mapped=True)
        times = 10 * self.size.pairs
        command = [str(PEERS / "opa"), f"-config={self.place.peer_config}", f"-evaluate={times // 10}"]
        done = subprocess.run(
            [*command, f"-request={request}"], capture_output=True, text=True, check=True, timeout=300
        )
        self.results["opa"] = {"evaluation_microseconds": float(done.stdout)}
