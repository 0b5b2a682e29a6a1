"""Progress bars on stderr, where somebody looks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def bytes_read(total: int) -> Iterator[Callable[[int], None]]:
    """A bar of bytes; the function is told how many more were read."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("reading"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("reading", total=total)
        yield lambda more: progress.advance(task, more)


@contextmanager
def percent_done() -> Iterator[Callable[[float], None]]:
    """A bar of percents; the function is told how many are done."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("asking"),
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("asking", total=100)
        yield lambda percent: progress.update(task, completed=percent)
