"""Files that are made from a policy: where they go, and what is said if there are none."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from authz.edge.messages import EdgeError
from authz.policy.problems import PolicyError


@contextmanager
def problems_told(policy: Path) -> Iterator[None]:
    """What is wrong with a policy, and exit status 1."""
    try:
        yield
    except PolicyError as error:
        for problem in error.problems:
            click.echo(problem.text, err=True)
        sys.exit(1)
    except EdgeError as error:
        click.echo(f"{policy}: {error}", err=True)
        sys.exit(1)


def write_files(files: Mapping[str, str], output: Path) -> None:
    """Texts by file name, into a directory that is made if it is not there."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        click.echo(f"{output}: {error.strerror}", err=True)
        sys.exit(2)
    for name, text in files.items():
        write_text(text, output / name)


def write_text(text: str, output: Path | None) -> None:
    """A text into a file, or to standard output; exit status 2 if that cannot be."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        click.echo(f"{output}: {error.strerror}", err=True)
        sys.exit(2)
