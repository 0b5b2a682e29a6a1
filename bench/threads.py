"""Which threads of a server work for a check, and how often each is woken: where the time goes at a low rate.

    .venv/bin/python bench/threads.py [--target scopegate-zttp] [--rate 1000] [--seconds 3]

Of each thread, for one check: CPU in microseconds, how long it waited for a core, how often it was put to sleep (a
voluntary switch: one hop to it) and how often it was interrupted.
"""

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import generators
from bench.targets import PEERS, TARGETS, Place, Running

Counts = dict[str, list[float]]


def threads(running: Running) -> Counts:
    """By name of the thread: seconds of CPU, seconds of waiting for a core, voluntary and other switches."""
    found: Counts = defaultdict(lambda: [0.0] * 4)
    for pid in running.group.members():
        for task in Path(f"/proc/{pid}/task").iterdir():
            on_cpu, waiting, _ = map(int, (task / "schedstat").read_text().split())
            status = dict(
                line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line
            )
            switches = (int(status[f"{kind}_ctxt_switches"]) for kind in ("voluntary", "nonvoluntary"))
            name = f"{Path(f'/proc/{pid}/comm').read_text().strip()}/{(task / 'comm').read_text().strip()}"
            for at, value in enumerate((on_cpu / 1e9, waiting / 1e9, *switches)):
                found[name][at] += value
    return found


@click.command()
@click.option("--target", default="scopegate-zttp", type=click.Choice(list(TARGETS)))
@click.option(
    "--rate", default=1000.0, show_default=True, help="Checks a second; 0 asks as fast as it answers."
)
@click.option("--seconds", default=3.0, show_default=True)
def main(target: str, rate: float, seconds: float) -> None:
    """Show what each thread does for a check."""
    if (why := TARGETS[target].absent()) is not None:
        raise click.ClickException(f"{target}: absent: {why}")
    with (
        tempfile.TemporaryDirectory(prefix="sgb-") as directory,
        Running(TARGETS[target], place := Place(Path(directory))) as running,
    ):
        warm = TARGETS[target].warm(place)
        load = PEERS / "load"
        generators.closed_loop(load, running.address, warm, seconds=min(0.5, seconds))
        before = threads(running)
        if rate:
            heard = generators.open_loop(load, running.address, warm, rate=rate, seconds=seconds)
        else:
            heard = generators.closed_loop(load, running.address, warm, seconds=seconds)
        after = threads(running)
    table = Table("thread", "CPU µs", "waiting µs", "sleeps", "interrupted", title=f"{target}: for one check")
    for name, row in sorted(after.items(), key=lambda item: -item[1][0]):
        was = before.get(name, [0.0] * 4)
        cpu, waiting, slept, moved = (
            (now - then) / heard.answers for now, then in zip(row, was, strict=True)
        )
        if slept > 0.01 or cpu > 1e-6:
            table.add_row(name, f"{cpu * 1e6:.1f}", f"{waiting * 1e6:.1f}", f"{slept:.2f}", f"{moved:.2f}")
    Console().print(table)
    print(
        f"{heard.per_second:,.0f}/s",
        *(f"{name} {taken:.2f} ms" for name, taken in heard.milliseconds.items()),
    )


if __name__ == "__main__":
    main()
