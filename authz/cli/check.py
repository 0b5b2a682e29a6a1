"""`scopegate check`: parse, type-check and lint a policy."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from authz.cli.sample import SampleUnreadableError, judge_samples, read_sample
from authz.cli.verdict import Verdict, judge
from authz.cli.verdicttext import counts, policy_line, policy_table, problem_texts
from authz.config.load import uncollected
from authz.config.policyfiles import PolicyUnreadableError, read_policy_files
from authz.policy.problems import Problem, Severity
from authz.policy.yamlvalues import SourceText

_UNBOUNDED = 500
EXIT_GOOD, EXIT_PROBLEMS, EXIT_CANNOT_ASK = 0, 1, 2


@click.command(short_help="Parse, type-check and lint a policy.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "text_format",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json"]),
    help="For people, with the lines in question, or for machines.",
)
@click.option("--strict", is_flag=True, help="Warnings are problems, too.")
@click.option(
    "--sample-token",
    "samples",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A token, or its claims as JSON: would it be taken, and does the policy account for all that it says?"
    " Neither signature nor time is looked at. May be given several times.",
)
@click.option(
    "--files/--no-files", default=True, help="Whether to read the key sets and roots that it names."
)
def check(path: Path, text_format: str, strict: bool, samples: tuple[Path, ...], files: bool) -> None:
    """Parse, type-check and lint the policy at PATH: a YAML file, or a directory of them.

    Every problem is reported at once. Exit status: 0 if the policy is good, 1 if it has problems, 2 if there is
    none to read, or no sample.
    """
    sources: tuple[SourceText, ...] = ()
    try:
        sources = read_policy_files(path)
        with uncollected():
            verdict = judge(sources, time.time(), files=files)
        verdict = judge_samples(verdict, [read_sample(sample) for sample in samples])
        status = _status(verdict, strict=strict)
    except SampleUnreadableError as error:
        raise click.UsageError(f"--sample-token: {error}") from None
    except PolicyUnreadableError as error:
        verdict, status = Verdict(policy=None, problems=error.problems), EXIT_CANNOT_ASK
    if text_format == "json":
        click.echo(json.dumps(_json(path, verdict, status), indent=2))
    else:
        _print(path, verdict, sources)
    sys.exit(status)


def _status(verdict: Verdict, *, strict: bool) -> int:
    if verdict.count(Severity.ERROR) or (strict and verdict.problems):
        return EXIT_PROBLEMS
    return EXIT_GOOD


def _json(path: Path, verdict: Verdict, status: int) -> dict[str, Any]:
    policy = verdict.policy
    return {
        "path": str(path),
        "good": status == EXIT_GOOD,
        "version": None if policy is None else policy.version,
        "problems": [_problem_json(problem) for problem in verdict.problems],
        "warehouses": {}
        if policy is None
        else {
            name: {
                kind: [rule.id for rule in rules if name in rule.on]
                for kind, rules in (
                    ("grants", policy.grants),
                    ("restrictions", policy.restrictions),
                    ("denies", policy.denies),
                )
            }
            for name in policy.warehouses
        },
    }


def _problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "severity": problem.severity.value,
        "code": problem.code,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "message": problem.message,
        "help": problem.help,
    }


def _print(path: Path, verdict: Verdict, sources: tuple[SourceText, ...]) -> None:
    # What is no terminal has no width: lines are whole there.
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _UNBOUNDED)
    for text in problem_texts(verdict.problems, sources):
        console.print(text)
        console.print()
    if verdict.policy is None:
        console.print(f"{path}: {counts(verdict)}", style="bold", markup=False)
        return
    console.print(f"{policy_line(str(path), verdict.policy)}; {counts(verdict)}", style="bold", markup=False)
    console.print(policy_table(verdict.policy))
