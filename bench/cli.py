"""The commands of `python -m bench`."""

import os
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench import measure
from bench.generators import LoadFailed, find_h2load
from bench.measure import Figure
from bench.processes import Ended
from bench.targets import PEERS, TARGETS, Place, Running

console = Console(stderr=True)


@click.group()
def main() -> None:
    """Measure Scopegate beside what else people run."""


@main.command()
@click.option("--target", "names", multiple=True, type=click.Choice(list(TARGETS)), help="All, if left out.")
@click.option("--seconds", default=3.0, show_default=True, help="For each figure.")
@click.option(
    "--rounds", default=2, show_default=True, help="The cheapest of so many, one target after the other."
)
@click.option(
    "--rate", default=1000.0, show_default=True, help="Checks a second of the open loop; 0 leaves it out."
)
def compare(names: tuple[str, ...], seconds: float, rounds: int, rate: float) -> None:
    """CPU for one warm check, throughput and latency of each target, side by side."""
    with tempfile.TemporaryDirectory(prefix="sgb-") as directory:
        place = Place(Path(directory))
        found: dict[str, list[dict[str, Figure]]] = {}
        for number in range(rounds):
            for name in names or TARGETS:
                if (why := TARGETS[name].absent()) is not None:
                    console.print(f"{name}: absent: {why}")
                    continue
                console.print(f"round {number + 1}: {name} ...", highlight=False)
                try:
                    found.setdefault(name, []).append(_one(name, place, seconds, rate))
                except (Ended, LoadFailed) as failed:
                    console.print(f"{name}: FAILED: {failed}", style="red", markup=False)
        Console(width=max(150, Console().width)).print(_compared(found, rate))
        console.print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _one(name: str, place: Place, seconds: float, rate: float) -> dict[str, Figure]:
    load = PEERS / "load"
    figures = {}
    with Running(TARGETS[name], place) as running:
        warm = running.target.warm(place)
        if load.is_file():
            figures["saturated"] = measure.saturated(running, load, warm, seconds, "allowed")
            if rate:
                figures["rate"] = measure.at_rate(running, load, warm, rate, seconds)
        if find_h2load():
            figures["h2load"] = measure.saturated_by_h2load(running, warm, seconds)
    return figures


def _compared(found: dict[str, list[dict[str, Figure]]], rate: float) -> Table:
    table = Table(title="one warm RS256 check")
    for column in (
        *("target", "CPU µs", "of go", "checks/s", "CPU µs, h2load", "checks/s, h2load"),
        *(f"CPU µs at {rate:.0f}/s", "p50 ms", "p99 ms", "p99.9 ms", "memory MiB"),
    ):
        table.add_column(column, justify="left" if column == "target" else "right")

    def best(name: str, kind: str) -> Figure | None:
        figures = [one[kind] for one in found.get(name, []) if kind in one]
        return min(figures, key=lambda one: one.cpu) if figures else None

    go = best("go", "saturated")
    for name in found:
        full, h2, open_ = best(name, "saturated"), best(name, "h2load"), best(name, "rate")
        known = full or h2
        table.add_row(
            name,
            f"{full.cpu:.1f}" if full else "",
            f"{full.cpu / go.cpu:.2f}" if full and go else "",
            f"{full.per_second:,.0f}" if full else "",
            f"{h2.cpu:.1f}" if h2 else "",
            f"{h2.per_second:,.0f}" if h2 else "",
            f"{open_.cpu:.0f}" if open_ else "",
            *(f"{open_.milliseconds[q]:.2f}" if open_ else "" for q in ("p50", "p99", "p99.9")),
            f"{known.memory / 2**20:.0f}" if known else "",
        )
    return table
