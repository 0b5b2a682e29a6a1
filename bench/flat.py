"""Whether a check of somebody known costs the same with few and with many grants, and with few and many groups in the token.

Each question is a new one, so that nothing of its answer is known but the person and the decision.

.venv/bin/python bench/flat.py [--grants 10 --grants 100000] [--groups 1 --groups 1000]
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from statistics import quantiles

import click
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from bench.inprocess import InProcess
from bench.questions import ask, token

GRANTS = (10, 100, 1_000, 10_000, 100_000)
GROUPS = (1, 10, 100, 1_000)
CHECKS = 2_000
WARM_UP = 300


def by_turns(works: Mapping[int, Callable[[], object]], checks: int) -> dict[int, dict[str, float]]:
    """Microseconds of CPU of each (first quartile), and its ratio to the first of them.

    One call of each in turn, so that whatever else the machine does, it does to all. A call before each that counts
    brings its own data into the caches.
    """
    for work in works.values():
        for _ in range(min(WARM_UP, checks)):
            work()
    clock = time.thread_time_ns
    taken: dict[int, list[float]] = {name: [] for name in works}
    for _ in range(checks):
        for name, work in works.items():
            work()
            began = clock()
            work()
            taken[name].append((clock() - began) / 1e3)
    first = next(iter(taken.values()))
    return {
        name: {
            "microseconds": quantiles(row)[0],
            "ratio": quantiles([one / other for one, other in zip(row, first, strict=True)])[1],
        }
        for name, row in taken.items()
    }


def asking(parts: InProcess, bearer: str, checks: int) -> Callable[[], object]:
    """So many questions of one person, each a new one. Raises ValueError if the first is denied."""
    many = 2 * checks + WARM_UP + 1
    coming = cycle([ask(bearer, f"/api/sales?page={number}") for number in range(1000, 1000 + many)])
    if CheckResponse.FromString(parts.engine.decide(next(coming))).status.code:
        raise ValueError("the question of the benchmark is denied")
    return lambda: parts.engine.decide(next(coming))


def flatness(
    grants: Sequence[int], groups: Sequence[int], checks: int = CHECKS
) -> dict[str, dict[int, dict[str, float]]]:
    """A check by number of grants (four groups in the token), and by number of groups (ten grants)."""
    few = InProcess(10)
    emma = token("emma")
    by_grants = {
        number: asking(few if number == 10 else InProcess(number), emma, checks) for number in grants
    }
    by_groups = {
        number: asking(few, token("emma", ("team-3", *(f"g{n}" for n in range(number - 1)))), checks)
        for number in groups
    }
    return {
        "grants": by_turns(by_grants, checks),
        "groups": by_turns(by_groups, checks),
        "groups in tokens of one length": by_turns(_of_one_length(few, max(groups), checks), checks),
    }


def _of_one_length(parts: InProcess, groups: int, checks: int) -> dict[int, Callable[[], object]]:
    """Few groups with long names, and `groups` with short ones: what is left when the bytes cost the same."""
    many = token("emma", ("team-3", *(f"g{n}" for n in range(groups - 1))))
    names = [f"{n:03}{'x' * 180}" for n in range(groups)]
    number = next(
        count for count in range(1, groups + 1) if len(token("emma", ("team-3", *names[:count]))) >= len(many)
    )
    few = token("emma", ("team-3", *names[:number]))
    return {number + 1: asking(parts, few, checks), groups: asking(parts, many, checks)}


@click.command()
@click.option("--grants", multiple=True, type=int, default=GRANTS)
@click.option("--groups", multiple=True, type=int, default=GROUPS)
@click.option("--checks", default=CHECKS, show_default=True)
def main(grants: tuple[int, ...], groups: tuple[int, ...], checks: int) -> None:
    """Measure whether the cost of a check is flat."""
    for name, row in flatness(grants, groups, checks).items():
        table = Table(name, *(f"{number:,}" for number in row), title="one new question of somebody known")
        table.add_row("CPU µs", *(f"{one['microseconds']:.1f}" for one in row.values()))
        table.add_row("ratio", *(f"{one['ratio']:.2f}" for one in row.values()))
        Console().print(table)


if __name__ == "__main__":
    main()
