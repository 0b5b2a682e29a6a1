"""A server under a steady, mixed load for long: whether a call fails, and whether its memory goes on growing.

.venv/bin/python bench/soak.py [--target scopegate-zttp] [--minutes 60] [--rate 300]
"""

import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import generators, measure
from bench.questions import RequestFiles
from bench.targets import PEERS, TARGETS, Place, Running

LOAD = PEERS / "load"
PEOPLE_FOR_MINUTES = 20
"""Their tokens live for an hour: after so many minutes other people come."""


@click.command()
@click.option("--target", "name", default="scopegate-zttp", type=click.Choice(list(TARGETS)))
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--rate", default=300.0, show_default=True, help="Checks a second.")
@click.option("--people", default=1_000, show_default=True)
def main(name: str, minutes: float, rate: float, people: int) -> None:
    """Ask for so long. Exit status 1 if a call failed or the server ended."""
    if not LOAD.is_file():
        raise click.ClickException(
            "the generator of load is not built; help: `make bench-peers`, which needs Go"
        )
    console = Console()
    checks, weights, left = 0, [], 60 * minutes
    with tempfile.TemporaryDirectory(prefix="sgb-") as directory:
        place = Place(Path(directory), population=people)
        with Running(TARGETS[name], place) as running:
            while left > 0:
                files = Path(directory) / f"people-{int(left)}"
                files.mkdir()
                mixed = RequestFiles(files, people).mixed(mapped=running.target.by_map)
                for _ in range(PEOPLE_FOR_MINUTES):
                    seconds = min(60.0, left)
                    if seconds <= 0:
                        break
                    left -= seconds
                    figure = measure.measured(
                        running,
                        lambda mixed=mixed, seconds=seconds: generators.open_loop(
                            LOAD, running.address, mixed, rate=rate, seconds=seconds
                        ),
                    )
                    checks += figure.allowed + figure.denied
                    weights.append(figure.memory / 2**20)
                    console.print(
                        f"{checks:>10,} checks, {figure.allowed:,} allowed and {figure.denied:,} denied in this minute, "
                        f"{figure.cpu:.0f} µs CPU, p99 {figure.milliseconds['p99']:.1f} ms, {weights[-1]:.1f} MiB",
                        highlight=False,
                    )
                mixed.unlink()
    half = weights[len(weights) // 2]
    console.print(
        f"{name}: {checks:,} checks, none failed; {weights[0]:.1f} MiB after the first minute, {half:.1f} at half, "
        f"{weights[-1]:.1f} at the end",
        highlight=False,
    )


if __name__ == "__main__":
    main()
