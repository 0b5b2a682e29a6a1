"""The demo from beginning to end: start everything, play every scene, check every answer, leave nothing."""

import dataclasses
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import duckdb
from rich.console import Console

from authz.demo.client import Answer
from authz.demo.curls import commands
from authz.demo.expected import ask_oracle, problems, scope_of
from authz.demo.places import PlaceMissingError, packaged_policy
from authz.demo.processes import Children, Interrupted, Signals, StepFailedError
from authz.demo.report import NARROWEST, Line, Report
from authz.demo.sales import open_read_only
from authz.demo.scenes import SCENES, Scene
from authz.demo.stage import Stage, start
from authz.demo.why import Explainer
from authz.edge.messages import EdgeError
from authz.policy.problems import PolicyError

_LONGEST_DIRECTORY = 80
"""Bytes: the path of a UNIX socket ends at 108 (Linux) or 104 (macOS), its name included."""
_NEAR_MIDNIGHT = timedelta(seconds=20)
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asked for. `policy` is the text, with the places of the packaged one."""

    policy: str
    rows: int
    stay: bool


def run_demo(*, stay: bool | None, rows: int, policy: Path | None) -> int:
    """Returns the exit status: 0 if every line was right, 1 if not, 128 + n if signal n ended it before.

    `policy` takes the place of the packaged one; `stay` None stays up afterwards if there is a terminal.
    """
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    report = Report(Console(width=None if sys.stdout.isatty() else NARROWEST, highlight=False))
    wishes = Wishes(
        policy=packaged_policy() if policy is None else policy.read_text(),
        rows=rows,
        stay=on_terminal if stay is None else stay,
    )
    with Signals() as signals:
        try:
            with _directory(signals) as directory, Children(signals, directory) as children:
                return _play(directory, children, report, wishes)
        except Interrupted as interrupted:
            return _interrupted(report, interrupted.number)
        except (StepFailedError, PlaceMissingError, PolicyError, EdgeError) as error:
            report.failed(str(error))
            return 1
        except RuntimeError:
            # DuckDB turns what a signal's handler raised during a query into an error of its own.
            if signals.received is None:
                raise
            return _interrupted(report, signals.received)


def _interrupted(report: Report, number: int) -> int:
    report.say(f"\ninterrupted by {signal.Signals(number).name}: everything is stopped and removed")
    return 128 + number


@contextmanager
def _directory(signals: Signals) -> Iterator[Path]:
    """A directory for this demo alone, gone afterwards whatever happens."""
    directory: Path | None = None
    try:
        with signals.deferred():
            directory = _new_directory()
        yield directory
    finally:
        signals.ignore()
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)


def _new_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="scopegate-demo-")).resolve()
    if len(str(directory).encode()) <= _LONGEST_DIRECTORY:
        return directory
    directory.rmdir()
    return Path(tempfile.mkdtemp(prefix="scopegate-demo-", dir="/tmp")).resolve()


def _play(directory: Path, children: Children, report: Report, wishes: Wishes) -> int:
    begun = time.monotonic()
    report.say("Scopegate's demo: the same question from everybody, through a real Envoy\n")
    _wait_for_the_day(report)
    stage = start(directory, children, report, policy=wishes.policy, rows=wishes.rows)
    with open_read_only(stage.database) as oracle, children.blamed():
        lines = _ask_everybody(stage, oracle, report)
    wrong = [line for line in lines if line.problems]
    allowed = sum(line.answer.times - (line.answer.status != 200) for line in lines)
    report.summary(
        lines=len(lines),
        wrong=[line.scene for line in wrong],
        allowed=allowed,
        queries=stage.queries(),
        began=begun,
    )
    if wishes.stay:
        report.say("\nEverything stays up. In another terminal, try:")
        report.commands(commands(stage))
        _stay(children, report)
    return 1 if wrong else 0


def _wait_for_the_day(report: Report) -> None:
    """Rolling windows move at midnight (UTC): no question may be asked on one day and answered on the next."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    if midnight - now < _NEAR_MIDNIGHT:
        with report.step("waiting for midnight (UTC), when the rolling windows move"):
            time.sleep((midnight - now).total_seconds() + 0.1)


def _ask_everybody(stage: Stage, oracle: duckdb.DuckDBPyConnection, report: Report) -> list[Line]:
    explainer = Explainer(stage)
    scopes: dict[str, str] = {}
    lines: list[Line] = []
    for act, scenes in groupby(SCENES, lambda scene: scene.act):
        played = [_play_scene(scene, stage, oracle, explainer, scopes) for scene in scenes]
        report.act(act, played)
        lines += played
    return lines


def _play_scene(
    scene: Scene,
    stage: Stage,
    oracle: duckdb.DuckDBPyConnection,
    explainer: Explainer,
    scopes: dict[str, str],
) -> Line:
    question = scene.question(stage.wallet)
    before = stage.queries()
    if scene.repeat_until is None:
        answer = stage.client.ask(question)
    else:
        answer = stage.client.ask_until(question, scene.repeat_until, at_most=scene.expected.times.stop)
    answer = dataclasses.replace(answer, queries=stage.queries() - before)
    truth = None if scene.expected.rows is None else ask_oracle(oracle, scene.expected.rows, stage.today)
    why = explainer.why(question, answer)
    found = problems(scene.expected, answer, truth, scopes)
    said = answer.body.get("reason", "granted")
    if why.reason is not None and why.reason != said:
        found = (*found, f"explain: got {why.reason} for the same question, expected {said}")
    line = Line(scene=scene, answer=answer, truth=truth, problems=found, why=why.text)
    _remember_scope(scene, answer, scopes)
    return line


def _remember_scope(scene: Scene, answer: Answer, scopes: dict[str, str]) -> None:
    if (scope_id := scope_of(answer).get("id")) is not None:
        scopes[scene.key] = str(scope_id)


def _stay(children: Children, report: Report) -> None:
    report.say("\nrunning until Ctrl-C")
    try:
        while True:
            children.check_alive()
            time.sleep(_LOOK_SECONDS)
    except Interrupted:
        report.say("\nstopped; nothing is left running")
