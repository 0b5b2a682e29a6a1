"""`scopegate label`: which columns may need a label."""

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from authz.cli.labelling import CannotLookError, Seen, Wish, look
from authz.cli.labelpiece import as_report, as_yaml, read_known
from authz.cli.labeltext import print_findings
from authz.cli.writing import problems_told, write_text
from authz.columnsources.errors import SourceUnreadableError
from authz.config.load import load_policy
from authz.config.policyfiles import SUFFIXES
from authz.keysources.files import SourceFileError, read_private_file
from authz.labels.categories import DEFAULT_LABELS, Category, Confidence
from authz.labels.review import NOTHING_KNOWN, Finding, Standing, review
from authz.policy.fields import NAME_PATTERN
from authz.policy.policyset import PolicySet, Warehouse
from authz.policy.problems import did_you_mean

EXIT_NOTHING_NEW, EXIT_POLICY, EXIT_CANNOT, EXIT_NEW = 0, 1, 2, 3
_MAX_URL_BYTES = 8_192
_UNBOUNDED = 500


@click.group(short_help="Find columns that may need a label.")
def label() -> None:
    """Find columns that may need a label. Nothing here changes a policy or a warehouse."""


def _map(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Mapping[Category, str]:
    labels = dict(DEFAULT_LABELS)
    for value in values:
        category, _equals, name = value.partition("=")
        if category not in set(Category):
            known = did_you_mean(category, list(Category)) or f"known: {', '.join(Category)}"
            raise click.BadParameter(f"no category `{category}`; {known}")
        if re.fullmatch(NAME_PATTERN, name) is None or name.endswith("\n"):
            raise click.BadParameter(
                f"got `{name}`, expected a label: lower-case letters, digits, `-` and `_`, a letter first"
            )
        labels[Category(category)] = name
    return labels


@label.command(short_help="Propose labels for review.")
@click.option(
    "--policy",
    "policy_path",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="The policy: a YAML file, or a directory of them. It is read, and never written.",
)
@click.option("--warehouse", "name", required=True, metavar="NAME", help="Its name in the policy.")
@click.option(
    "--schema",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What information_schema.columns of the warehouse says, as CSV or JSON.",
)
@click.option(
    "--url-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Or ask a live warehouse: a file with its SQLAlchemy URL, which not everybody may read.",
)
@click.option(
    "--url-env", metavar="VARIABLE", help="The same, from an environment variable: never on a command line."
)
@click.option(
    "--table",
    "tables",
    multiple=True,
    metavar="NAME",
    help="Look at this table of the policy only; for a warehouse of one table, what the database calls it.",
)
@click.option(
    "--all-tables", is_flag=True, help="Look at tables that the policy does not name, too; they are closed."
)
@click.option(
    "--sample",
    "samples",
    multiple=True,
    metavar="[TABLE=]FILE",
    help="Rows of a table beside --schema: CSV, JSON or Parquet. Values are counted, and never shown or written.",
)
@click.option(
    "--sample-rows",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Read N rows at most. Without it no row of a live warehouse is read.",
)
@click.option(
    "--region", metavar="CC", help="Where phone numbers without a country code are from, such as DE."
)
@click.option(
    "--map",
    "labels",
    multiple=True,
    callback=_map,
    metavar="CATEGORY=LABEL",
    help="Propose another label for a category: bank_account=finance.",
)
@click.option(
    "--at-least",
    type=click.Choice([each.word for each in Confidence]),
    default=Confidence.POSSIBLE.word,
    show_default=True,
    help="Leave out what is less sure.",
)
@click.option(
    "--known",
    "known_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The JSON report of an earlier run that was reviewed: what it proposed is nothing new.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "yaml", "json"]),
    help="For people, as a piece of a policy, or for machines. [default: table; with --output yaml]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write here instead; never into the policy.",
)
def suggest(  # noqa: PLR0917 - click hands every option over
    policy_path: Path,
    name: str,
    schema: Path | None,
    url_file: Path | None,
    url_env: str | None,
    tables: tuple[str, ...],
    all_tables: bool,
    samples: tuple[str, ...],
    sample_rows: int | None,
    region: str | None,
    labels: Mapping[Category, str],
    at_least: str,
    known_file: Path | None,
    form: str | None,
    output: Path | None,
) -> None:
    """Propose labels for the columns of a warehouse, for review.

    Names, types and, if a sample is given, the looks of values speak for a label. It is never applied: the policy is not
    changed, and no value leaves the process.

    Exit status: 0 nothing new, 1 the policy has a problem or no such warehouse, 2 something could not be read (also a
    table of the policy that the schema does not have), 3 there is something to review.
    """
    with problems_told(policy_path):
        policy = load_policy(policy_path)
    warehouse = policy.warehouses.get(name)
    if warehouse is None:
        click.echo(
            f"{policy_path}: no warehouse `{name}`; {did_you_mean(name, policy.warehouses) or 'it has none'}",
            err=True,
        )
        sys.exit(EXIT_POLICY)
    try:
        _spare(policy_path, output)
        known = NOTHING_KNOWN if known_file is None else read_known(known_file, name)
        wish = Wish(
            schema=schema,
            url=_url(schema, url_file, url_env),
            tables=tables,
            all_tables=all_tables,
            samples=samples,
            rows=sample_rows,
            region=region,
        )
        seen = look(warehouse, wish)
    except (CannotLookError, SourceUnreadableError, SourceFileError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_CANNOT)
    findings = review(
        seen.looked,
        dialect=warehouse.dialect,
        labels=labels,
        at_least=Confidence[at_least.upper()],
        known=known,
    )
    result = _Result(policy, warehouse, findings, seen)
    result.write(form or ("table" if output is None else "yaml"), output)
    sys.exit(result.status)


@dataclass(frozen=True, slots=True)
class _Result:
    policy: PolicySet
    warehouse: Warehouse
    findings: tuple[Finding, ...]
    seen: Seen

    @property
    def status(self) -> int:
        if self.seen.unread:
            return EXIT_CANNOT
        is_new = any(finding.standing is Standing.NEW for finding in self.findings)
        return EXIT_NEW if is_new else EXIT_NOTHING_NEW

    def write(self, form: str, output: Path | None) -> None:
        for text in (*(f"note: {note}" for note in self.seen.notes), *self.seen.unread):
            click.echo(text, err=True)
        match form:
            case "yaml":
                write_text(as_yaml(self.warehouse, self.findings), output)
            case "json":
                report = as_report(self.policy, self.warehouse, self.findings, self.seen)
                write_text(json.dumps(report, indent=2) + "\n", output)
            case _:
                write_text(self._table(output), output)

    def _table(self, output: Path | None) -> str:
        is_seen = output is None and sys.stdout.isatty()
        # What is no terminal has no width and no colours: lines are whole there.
        console = Console(highlight=False, force_terminal=is_seen, width=None if is_seen else _UNBOUNDED)
        with console.capture() as captured:
            print_findings(console, self.policy, self.warehouse, self.findings, self.seen)
        return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _url(schema: Path | None, file: Path | None, variable: str | None) -> str | None:
    if sum(each is not None for each in (schema, file, variable)) != 1:
        raise CannotLookError(
            "expected one of --schema, --url-file and --url-env: where the columns are read"
        )
    if file is not None:
        try:
            return read_private_file(str(file), _MAX_URL_BYTES).decode("utf-8").strip()
        except UnicodeDecodeError:
            raise CannotLookError(f"{file}: not UTF-8") from None
    if variable is None:
        return None
    url = os.environ.get(variable, "")
    if not url:
        raise CannotLookError(f"--url-env: the environment has no `{variable}`, or an empty one")
    return url


def _spare(policy: Path, output: Path | None) -> None:
    """A proposal must not become the policy, or a part of it, by where it is written."""
    if output is None:
        return
    place = output.resolve()
    directory = policy.resolve()
    is_part = directory.is_dir() and place.parent == directory and place.suffix in SUFFIXES
    is_file = output.exists() and any(
        output.samefile(each) for each in (policy.iterdir() if policy.is_dir() else [policy])
    )
    if is_part or is_file:
        raise CannotLookError(f"{output}: would be read as a part of the policy; write somewhere else")
