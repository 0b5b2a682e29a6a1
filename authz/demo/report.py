"""What the demo prints: each step while it starts, then one table an act, each line with its verdict."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from authz.demo.client import Answer
from authz.demo.expected import AnsweredBy, Truth, answered_by, scope_of
from authz.demo.scenes import Scene

NARROWEST = 132
"""Columns of the table where there is no terminal to ask."""

_ROOMY = 110
_LONGEST_REASON = len("token_signature_invalid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One scene, played: `problems` is empty if everything was as expected. `why` is what `explain` says."""

    scene: Scene
    answer: Answer
    truth: Truth | None
    problems: tuple[str, ...]
    why: str


class Report:
    """Prints to `console`; nothing here decides whether a line is right."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Say what is being done while it is done, and how long it took."""
        begun = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(f"{escape(title)} …"):
                yield
        else:
            self._console.print(f"  … {escape(title)}")
            yield
        self._console.print(f"  [green]✔[/] {escape(title)} [dim]{time.monotonic() - begun:.1f} s[/]")

    def say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def act(self, title: str, lines: Sequence[Line]) -> None:
        roomy = self._console.width >= _ROOMY
        table = Table(title=title, title_justify="left", title_style="bold", show_lines=True, expand=True)
        table.add_column("", width=1)
        table.add_column("who asks, and how", ratio=2)
        table.add_column("status, reason" if roomy else "answer", overflow="fold", width=_LONGEST_REASON)
        table.add_column("what Scopegate put in, and why", overflow="fold", ratio=5)
        if roomy:
            table.add_column("rows", justify="right", overflow="fold", width=9)
            table.add_column("answered by", width=11)
        for line in lines:
            verdict = Text("✘", "bold red") if line.problems else Text("✔", "green")
            who = Text.assemble(line.scene.who, "\n", (line.scene.how, "dim"))
            status, injected, rows, by = _status(line), _injected(line), _rows(line), _answered(line.answer)
            if roomy:
                table.add_row(verdict, who, status, injected, rows, by)
            else:
                answer = Text("\n").join([status, Text("rows ") + rows, Text("by ") + by])
                table.add_row(verdict, who, answer, injected)
        self._console.print()
        self._console.print(table)

    def failed(self, text: str) -> None:
        """A part is missing or has died; everything is stopped."""
        self._console.print("[bold red]✘ the demo cannot go on[/]")
        self._console.print(text, markup=False, soft_wrap=True)

    def summary(
        self, *, lines: int, wrong: Sequence[Scene], allowed: int, queries: int, began: float
    ) -> None:
        seconds = time.monotonic() - began
        self._console.print(
            f"\n{lines - len(wrong)} of {lines} lines right in {seconds:.0f} s; "
            f"the warehouse ran {queries} queries for {allowed} answers with data.",
            style="bold green" if not wrong else "bold red",
            soft_wrap=True,
        )
        for scene in wrong:
            self._console.print(
                f"  ✘ wrong: {scene.key} ({scene.who}, {scene.how})", markup=False, style="red"
            )

    def commands(self, commands: Sequence[tuple[str, str]]) -> None:
        for title, command in commands:
            self._console.print(f"\n[dim]# {escape(title)}[/]")
            self._console.print(command, markup=False, highlight=False, soft_wrap=True)


def _status(line: Line) -> Text:
    answer = line.answer
    if answer.status is None:
        return Text("handshake refused", "yellow")
    text = Text(str(answer.status), "green" if answer.status == 200 else "yellow")
    reason = answer.body.get("reason")
    if reason:
        text.append(f"\n{reason}")
    if line.answer.times > 1:
        text.append(f"\nat request {line.answer.times}", "dim")
    return text


def _injected(line: Line) -> Text:
    text = Text()
    scope = scope_of(line.answer)
    if scope:
        text.append(f"x-scope-id: {str(scope.get('id'))[:8]}…\nx-scope-sql: {scope.get('where')}\n", "cyan")
        masked = ",".join(f"{name}={how}" for name, how in dict(scope.get("masked", {})).items())
        hidden = ",".join(scope.get("hidden", []))
        if masked:
            text.append(f"x-scope-masked: {masked}\n", "cyan")
        if hidden:
            text.append(f"x-scope-hidden: {hidden}\n", "cyan")
    text.append("\n".join(part for part in (line.why, line.scene.note) if part), "dim")
    for problem in line.problems:
        text.append(f"\n✘ {problem}", "bold red")
    return text


def _rows(line: Line) -> Text:
    rows = line.answer.body.get("rows")
    if not isinstance(rows, int):
        return Text("none")
    text = Text(f"{rows:,}")
    if line.truth is not None:
        text.append("\n= by hand" if rows == line.truth.rows else f"\n≠ {line.truth.rows:,}", "dim")
    return text


def _answered(answer: Answer) -> Text:
    by = answered_by(answer)
    text = Text(by.value)
    if by in {AnsweredBy.WAREHOUSE, AnsweredBy.CACHE}:
        text.append(f"\nquery {answer.body.get('query')}", "dim")
    return text
