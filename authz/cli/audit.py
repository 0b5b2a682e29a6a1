"""`scopegate audit`: prove, ask and replay an audit trail."""

import json
import sys
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console

from authz.cli.auditprogress import bytes_read, percent_done
from authz.cli.audittext import (
    as_csv,
    as_json_rows,
    as_table,
    replay_json,
    replay_table,
    report_json,
    report_text,
)

EXIT_GOOD, EXIT_FOUND, EXIT_CANNOT = 0, 1, 2

_PLACES = click.argument(
    "places", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATHS..."
)
_TEXT_OR_JSON = click.option(
    "--format",
    "text_format",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json"]),
    help="For people or for machines.",
)


@click.group(short_help="Prove, ask and replay an audit trail.")
def audit() -> None:
    """Prove, ask and replay an audit trail.

    PATHS are files, plain or compressed, or directories of them, in any order.
    """


def _cannot(problem: str) -> NoReturn:
    click.echo(f"Error: {problem}", err=True)
    sys.exit(EXIT_CANNOT)


@audit.command(short_help="Find every change to a trail.")
@_PLACES
@click.option(
    "--public-key",
    "key_files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The key that seals must be signed with; several, if it was changed.",
)
@click.option(
    "--accept",
    multiple=True,
    type=click.Choice(["open", "pruned", "unsigned"]),
    help="What you know a reason for: a writer that still writes, old files that were deleted, a trail without key.",
)
@click.option(
    "--known",
    "known_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The JSON report of an earlier verification: what it saw must still be there.",
)
@_TEXT_OR_JSON
def verify(
    places: tuple[Path, ...],
    key_files: tuple[Path, ...],
    accept: tuple[str, ...],
    known_file: Path | None,
    text_format: str,
) -> None:
    """Find every edit, deletion, insertion, repetition, reordering and cut, and say where.

    Exit status: 0 if the trail is what was written, 1 if not or if that cannot be known, 2 if it cannot be read.
    """
    from authz.audit.findings import ACCEPTABLE  # noqa: PLC0415 - not for --help
    from authz.audit.keys import KeyFileError, load_verifier  # noqa: PLC0415
    from authz.audit.reading import CannotReadError, find_files  # noqa: PLC0415
    from authz.audit.verify import known_heads  # noqa: PLC0415
    from authz.audit.verify import verify as verified  # noqa: PLC0415

    try:
        keys = [load_verifier(path) for path in key_files]
        known = None if known_file is None else known_heads(known_file)
        files = find_files(places)
    except (KeyFileError, CannotReadError) as error:
        _cannot(str(error))
    except (OSError, ValueError) as error:
        _cannot(f"{known_file}: {error}")
    accepted = frozenset().union(*(ACCEPTABLE[name] for name in accept))
    with bytes_read(sum(file.bytes for file in files)) as progress:
        report = verified(files, keys, known=known, accept=accepted, progress=progress)
    click.echo(report_json(report) if text_format == "json" else report_text(report))
    sys.exit(EXIT_GOOD if report.is_intact else EXIT_FOUND)


@audit.command(short_help="Ask a trail: who saw what, and why not.")
@click.argument("question", metavar="QUESTION")
@_PLACES
@click.option("--principal", help="A subject, `issuer:subject`, a pseudonym or a certificate's name.")
@click.option("--warehouse", help="A warehouse of the policy.")
@click.option("--since", metavar="TIME", help="From this time on: 2026-11-01, 2026-11-01T08:00:00 (UTC).")
@click.option("--until", metavar="TIME", help="Before this time.")
@click.option(
    "--format",
    "row_format",
    default="table",
    show_default=True,
    type=click.Choice(["table", "csv", "json"]),
    help="JSON is one object a line.",
)
@click.option(
    "--limit", default=1_000, show_default=True, type=click.IntRange(1), help="Rows of a table at most."
)
def query(  # noqa: PLR0917 - click hands every option over
    question: str,
    places: tuple[Path, ...],
    principal: str | None,
    warehouse: str | None,
    since: str | None,
    until: str | None,
    row_format: str,
    limit: int,
) -> None:
    """Ask a trail. QUESTION is one of these, or SQL.

    \b
    access    who was let into which warehouse with which scope
    denials   every denial, the latest first
    changes   whose answer for a warehouse changed when the policy did
    policies  each policy that was in force, with its answers
    reasons   how often each reason was given
    gaps      where the writer says that records are missing

    SQL is DuckDB's, over the tables `decisions` and `lines`; it can read the trail and nothing else.

    Exit status: 0, or 2 if it cannot be answered.
    """  # noqa: D301 - \b is click's
    from authz.audit.query import QUESTIONS, Filters, QueryError, TrailDatabase  # noqa: PLC0415 - not for --help
    from authz.audit.reading import CannotReadError, find_files  # noqa: PLC0415

    if question not in QUESTIONS and " " not in question:
        raise click.UsageError(
            f"no question `{question}`: expected {', '.join(f'`{each}`' for each in QUESTIONS)} or SQL"
        )
    filters = Filters(principal=principal, warehouse=warehouse, since=since, until=until)
    if question not in QUESTIONS and filters != Filters():
        raise click.UsageError("filters are for the named questions: say it in the SQL")
    try:
        database = TrailDatabase([file.path for file in find_files(places)])
        with percent_done() as progress:
            if question in QUESTIONS:
                answer = database.ask(question, filters, progress)
            else:
                answer = database.ask_sql(question, progress)
        if row_format == "csv":
            as_csv(answer, sys.stdout)
        elif row_format == "json":
            as_json_rows(answer, sys.stdout)
        else:
            as_table(answer, Console(), limit)
    except (QueryError, CannotReadError) as error:
        _cannot(str(error))


@audit.command(short_help="Decide again under another policy.")
@_PLACES
@click.option(
    "--policy",
    "policy_path",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="The policy to decide with: a file, or a directory of them.",
)
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(0), help="Changes to list at most."
)
@_TEXT_OR_JSON
def replay(places: tuple[Path, ...], policy_path: Path, limit: int, text_format: str) -> None:
    """Make every recorded decision once more, under another policy.

    Facts that the recorded policy did not read are in no record: where the other one needs them, the decision is
    undecidable. List them under `audit: {also_record: [...]}` beforehand.

    Exit status: 0 if every decision stays the same, 1 if one changes, 2 if it cannot be said.
    """
    from authz.audit.reading import CannotReadError, find_files  # noqa: PLC0415 - not for --help
    from authz.audit.replay import Replay, Replayed, Verdict  # noqa: PLC0415
    from authz.config.load import load_policy  # noqa: PLC0415
    from authz.policy.problems import PolicyError  # noqa: PLC0415

    counts = dict.fromkeys(Verdict, 0)
    changed: list[Replayed] = []
    missing: dict[str, int] = {}
    try:
        policy = load_policy(policy_path)
        files = find_files(places)
        with bytes_read(sum(file.bytes for file in files)) as progress:
            for replayed in Replay(policy).files(files, progress):
                counts[replayed.verdict] += 1
                for fact in replayed.missing:
                    missing[fact] = missing.get(fact, 0) + 1
                if replayed.verdict is Verdict.CHANGED and len(changed) < limit:
                    changed.append(replayed)
    except PolicyError as error:
        _cannot("\n".join(problem.text for problem in error.problems))
    except (CannotReadError, OSError, EOFError, ValueError) as error:
        _cannot(f"the trail cannot be read, see `scopegate audit verify`: {error}")
    if text_format == "json":
        click.echo(json.dumps(replay_json(policy.version, counts, changed, missing), indent=2))
    else:
        replay_table(Console(), policy.version, counts, changed, missing)
    sys.exit(EXIT_FOUND if counts[Verdict.CHANGED] else EXIT_GOOD)


@audit.command(short_help="Make the keys that seal and verify.")
@click.argument("path", type=click.Path(path_type=Path))
def keygen(path: Path) -> None:
    """Make a pair of Ed25519 keys: PATH for `serve --audit-key`, PATH.pub for `audit verify --public-key`.

    Keep the public key where whoever can write the trail cannot change it.
    """
    from authz.audit.keys import write_new_pair  # noqa: PLC0415 - not for --help

    public = path.with_name(f"{path.name}.pub")
    try:
        key_id = write_new_pair(path, public)
    except OSError as error:
        _cannot(f"{error.filename}: {error.strerror}")
    click.echo(f"key {key_id}\nprivate: {path}\npublic:  {public}")


@audit.command(short_help="Print the JSON Schema of a line.")
def schema() -> None:
    """Print the JSON Schema of a trail's lines (docs/audit.schema.json)."""
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    """The schema as it is published."""
    from authz.audit.lines import json_schema  # noqa: PLC0415 - not for --help

    return json.dumps(json_schema(), indent=2) + "\n"
