"""The commands of `python -m bench`."""

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from bench import measure
from bench.generators import find_h2load
from bench.machine import machine, versions
from bench.measure import Figure
from bench.plan import FAILURES, SIZES, Run
from bench.plots import draw
from bench.report import show, write_document
from bench.targets import PEERS, ROOT, TARGETS, Place, Running

RESULTS = ROOT / "bench" / "results"

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
                except FAILURES as failed:
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


@main.command()
@click.option(
    "--size", "size_name", default="full", type=click.Choice(list(SIZES)), help="smoke proves nothing."
)
@click.option("--quick", is_flag=True, help="The same as --size quick: a few minutes.")
@click.option("--target", "names", multiple=True, type=click.Choice(list(TARGETS)), help="All, if left out.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Where the results go."
)
@click.option("--step", "only", multiple=True, help="Only steps with this text in their name.")
@click.option(
    "--document/--no-document", default=None, help="Write docs/performance.md and its plots; full runs do."
)
def run(  # noqa: PLR0913 - click hands every option over as a parameter
    size_name: str,
    *,
    quick: bool,
    names: tuple[str, ...],
    only: tuple[str, ...],
    json_file: Path | None,
    document: bool | None,
) -> None:
    """Measure everything, once: what `make bench` does. Exit status 1 if a step failed."""
    size_name = "quick" if quick else size_name
    results = _measured(size_name, names or tuple(TARGETS), only)
    if json_file is None:
        folder = RESULTS if size_name == "full" else PEERS
        json_file = folder / f"{results['machine']['when'][:10]}-{size_name}.json"
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(json.dumps(results, indent=1) + "\n")
    _reported(results, document=size_name == "full" if document is None else document)
    console.print(f"results: {json_file}", highlight=False)
    if results["failed"]:
        console.print(f"FAILED: {', '.join(results['failed'])}", style="bold red", markup=False)
        sys.exit(1)


@main.command()
@click.argument("json_file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--document/--no-document", default=False, help="Write docs/performance.md and its plots.")
def report(json_file: Path, *, document: bool) -> None:
    """Show the tables of an earlier run."""
    _reported(json.loads(json_file.read_text()), document=document)


def _measured(size_name: str, names: tuple[str, ...], only: tuple[str, ...]) -> dict[str, Any]:
    size = SIZES[size_name]
    facts = {"machine": machine(), "versions": versions(), "size": {"name": size_name, **asdict(size)}}
    with tempfile.TemporaryDirectory(prefix="sgb-") as directory:
        made = Run(Place(Path(directory), population=size.people), size, names)
        for name, why in made.results["absent"].items():
            console.print(f"absent: {name}: {why}", style="yellow", markup=False)
        steps = [step for step in made.steps() if not only or any(text in step[0] for text in only)]
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=len(steps))
            for name, step in steps:
                progress.update(task, description=name)
                if (failed := made.attempt(name, step)) is not None:
                    progress.console.print(f"FAILED: {name}: {failed}", style="red", markup=False)
                elif not console.is_terminal:
                    progress.console.print(f"done: {name}", markup=False, highlight=False)
                progress.advance(task)
    facts["machine"]["load_after"] = round(os.getloadavg()[0], 2)
    plain: dict[str, Any] = json.loads(json.dumps({**facts, **made.results}))
    return plain


def _reported(results: dict[str, Any], *, document: bool) -> None:
    show(results, Console(width=max(150, Console().width)))
    if not document:
        return
    try:
        plots = draw(results)
    except ImportError as missing:
        console.print(f"no plots: {missing}; help: pip install -r requirements/bench.txt", style="yellow")
        plots = []
    write_document(results, plots)
