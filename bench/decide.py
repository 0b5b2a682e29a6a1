"""What one check costs: CPU per warm `decide`, and where it goes.

    .venv/bin/python bench/decide.py [--grants 10 --grants 10000] [--rounds 7] [--checks 4000] [--json FILE]

The whole is measured with the audit trail (to a file), metrics and everything else that a server has, without
gRPC around it. CPU time is that of the process, so the audit writer's thread is in it. Phases are measured one by
one, each with what the phase before it gives, by the CPU time of their thread; what the audit writer does is in
the whole only, and so is what happens between them.
"""

import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

import authz.check
from authz.case import Occasion
from authz.check import check
from authz.identity.credentials import read_credentials
from authz.policy.decision import Allow
from authz.rendering.render import render_request
from authz.transport.codec import parse_check_request
from authz.transport.decision_ids import decision_ids
from authz.transport.questions import read_question
from authz.transport.repeats import Repeats
from bench.inprocess import InProcess
from bench.questions import ask, token

COLD_CHECKS = 300
MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Microseconds for one: the fastest round, the middle one."""

    best: float
    median: float


class Bench(InProcess):
    """A server's parts, and what they cost."""

    def __init__(self, grants: int, directory: Path, rounds: int, checks: int) -> None:
        super().__init__(grants, directory)
        self._rounds = rounds
        self._checks = checks

    def cost(self, work: Callable[[], object], times: int, clock: Callable[[], float]) -> Cost:
        """What one call of `work` costs, by `clock` (seconds)."""
        rounds = []
        for _ in range(self._rounds):
            started = clock()
            for _ in range(times):
                work()
            rounds.append((clock() - started) / times * MICROSECONDS)
        return Cost(best=min(rounds), median=median(rounds))

    def warm(self) -> Cost:
        """CPU of a check whose token has been verified and whose decision has been made before."""
        data = ask(token("emma"))
        self.engine.decide(data)
        return self.cost(lambda: self.engine.decide(data), self._checks, time.process_time)

    def cold(self) -> Cost:
        """CPU of the first check of a person: signature, evaluation, rendering."""
        questions = [ask(token(f"person-{number}")) for number in range(COLD_CHECKS)]

        def once() -> None:
            engine = self.fresh_engine()
            for data in questions:
                engine.decide(data)

        whole = self.cost(once, 1, time.process_time)
        return Cost(best=whole.best / COLD_CHECKS, median=whole.median / COLD_CHECKS)

    def phases(self) -> dict[str, Cost]:
        """What each step costs by itself, warm."""
        data = ask(token("emma"))
        snapshot, policy = self.snapshot, self.policy
        now = time.time()
        request = parse_check_request(data)
        outcome = check(request, snapshot, now)
        decision, warehouse, principal = outcome.decision, outcome.warehouse, outcome.principal
        if not isinstance(decision, Allow) or warehouse is None or principal is None:
            raise SystemExit(f"the benchmark's question is denied: {decision}")
        ids = decision_ids()
        decide = authz.check._decide  # noqa: SLF001 - a phase has no public name
        question = read_question(data)
        if question is None:
            raise SystemExit("the benchmark's question is not in Envoy's form")
        repeats = Repeats(1)
        repeats.keep(question, request, outcome, self.answers.prepare_outcome(outcome), now)
        _, repeat = repeats.find(data, now)
        if repeat is None:
            raise SystemExit("the benchmark's question is not known again")
        occasion = Occasion(
            repeat.case, "0" * 32, now, 3e-5, "192.0.2.7", "8f14e45f-ceea-467f-9e3c-3d2a8f1f0b11"
        )
        steps: dict[str, Callable[[], object]] = {
            "read, by a known layout, and find": lambda: repeats.find(data, now),
            "read, of a layout not known": lambda: read_question(data),
            "codec: parse": lambda: parse_check_request(data),
            "route": lambda: policy.routes.find(request),
            "authenticate (cached)": lambda: snapshot.authenticator.authenticate(
                read_credentials(request, warehouse.accepts), warehouse.accepts, now
            ),
            "decision (remembered)": lambda: decide(request, warehouse, principal, snapshot, now),
            "render the request's part": lambda: render_request(
                decision, principal, request, policy.version, None
            ),
            "codec: serialize": lambda: next(ids).join(self.answers.prepare_outcome(outcome, request)),
            "audit: hand over": lambda: self.audit.offer((self.recorder, occasion)),
            "audit: line (writer's thread)": lambda: self.recorder.body(occasion),
            "metrics": lambda: self.metrics.noted(occasion),
        }
        return {name: self.cost(step, self._checks, time.thread_time) for name, step in steps.items()}


def measured(grants: int, rounds: int, checks: int) -> dict[str, object]:
    """All figures for one number of grants."""
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(grants, Path(directory), rounds, checks)
        try:
            return {
                "grants": grants,
                "load_seconds": bench.load_seconds,
                "warm": bench.warm(),
                "cold": bench.cold(),
                "phases": bench.phases(),
            }
        finally:
            bench.audit.close()


def tables(results: list[dict[str, object]]) -> Table:
    """Fastest round of each, in microseconds."""
    table = Table(title="one check, µs (fastest of the rounds)")
    table.add_column("")
    for result in results:
        table.add_column(f"{result['grants']:,} grants", justify="right")

    def row(name: str, costs: list[Cost], **style: bool) -> None:
        table.add_row(name, *(f"{one.best:.2f}" for one in costs), **style)

    names = list(results[0]["phases"])
    for name in names:
        row(name, [result["phases"][name] for result in results], end_section=name == names[-1])
    row("warm decide, CPU of the process", [result["warm"] for result in results])
    row("cold decide, CPU of the process", [result["cold"] for result in results], end_section=True)
    table.add_row("loading the policy, seconds", *(f"{result['load_seconds']:.2f}" for result in results))
    return table


@click.command()
@click.option("--grants", multiple=True, type=int, default=(10, 10_000), show_default=True)
@click.option("--rounds", default=7, show_default=True, help="The fastest of so many.")
@click.option("--checks", default=4_000, show_default=True, help="Warm checks in a round.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures here, too.")
def main(grants: tuple[int, ...], rounds: int, checks: int, json_file: Path | None) -> None:
    """Measure CPU per check, warm and cold, and each phase of a warm one."""
    results = [measured(number, rounds, checks) for number in grants]
    Console().print(tables(results))
    if json_file is not None:
        plain = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "rounds": rounds,
            "unit": "microseconds",
            "results": results,
        }
        json_file.write_text(
            json.dumps(plain, indent=2, default=lambda c: {"best": c.best, "median": c.median}) + "\n"
        )


if __name__ == "__main__":
    main()
