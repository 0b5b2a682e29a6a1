"""`scopegate explain`: why a request would be allowed or denied."""

import json
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from authz.cli.answerjson import answer_json
from authz.cli.answertext import answer_tree
from authz.cli.asking import Answer, Target, ask
from authz.cli.offline import offline_identity
from authz.cli.who import CannotAskError, StatedFacts
from authz.config.load import load_policy
from authz.identity.revocations import NOTHING_REVOKED, Revocations
from authz.keysources.files import SourceFileError, load_revocations
from authz.policy.decision import Allow
from authz.policy.policyset import PolicySet
from authz.policy.problems import PolicyError

EXIT_ALLOWED, EXIT_DENIED, EXIT_CANNOT_ASK = 0, 1, 2


def _moment(_: click.Context, __: click.Parameter, value: str | None) -> float:
    if value is None:
        return time.time()
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"got `{value}`, expected a time such as 2026-03-10T12:00:00Z") from None
    if moment.tzinfo is None:
        raise click.BadParameter(f"got `{value}` without a time zone; write `{value}Z` for UTC")
    return moment.timestamp()


def _pairs(what: str, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, equals, value in pairs:
        if not (name and equals):
            raise click.BadParameter(f"got `{name}{equals}{value}`, expected {what}")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise click.BadParameter(f"a name came twice, expected each {what} once")
    return {name: value for name, _, value in pairs}


def _claims(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, object]:
    return {name: _claim(value) for name, value in _pairs("NAME=VALUE", values).items()}


def _claim(text: str) -> object:
    """JSON where it is JSON; a text otherwise, so that `department=sales` needs no quotes."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _files(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Mapping[str, Path]:
    return {name: Path(value) for name, value in _pairs("ISSUER=FILE", values).items()}


@click.command(short_help="Show why a request would be allowed or denied.")
@click.option(
    "--policy",
    "place",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="The policy: a YAML file, or a directory of them.",
)
@click.option("--warehouse", metavar="NAME", help="What is asked for; may be left out if --path says it.")
@click.option(
    "--path", metavar="PATH", help="Path and query of the request; any of the warehouse's without it."
)
@click.option("--method", metavar="METHOD", help="By default GET.")
@click.option("--host", metavar="HOST", help="The host that the client asks.")
@click.option("--statement", metavar="SQL", help="A statement, for a warehouse with guardrails.")
@click.option("--schema", metavar="NAME", help="The `catalog.schema` or database that it is asked in.")
@click.option(
    "--token-file",
    type=click.File("r", encoding="ascii", errors="replace"),
    help="A file with a token; `-` is standard input. (A command line can be read by every process.)",
)
@click.option(
    "--certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A PEM file with a client certificate.",
)
@click.option(
    "--unverified", is_flag=True, help="Do not verify the token's signature; the rest is still verified."
)
@click.option(
    "--jwks",
    multiple=True,
    metavar="ISSUER=FILE",
    callback=_files,
    help="The keys of an issuer, in place of those that the server fetches.",
)
@click.option("--subject", metavar="NAME", help="State who asks, in place of a token.")
@click.option("--issuer", metavar="NAME", help="The issuer's name in the policy.")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="May be given more than once.")
@click.option(
    "--claim",
    "claims",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_claims,
    help="JSON, or a plain text. May be given more than once.",
)
@click.option("--spiffe", metavar="ID", help="State the SPIFFE ID of a client certificate.")
@click.option("--dns", metavar="NAME", help="State its DNS name.")
@click.option("--email", metavar="ADDRESS", help="State its e-mail address.")
@click.option("--trust", metavar="NAME", help="The `client_certificates` entry that vouches for it.")
@click.option(
    "--at",
    "now",
    metavar="TIME",
    callback=_moment,
    help="RFC 3339, such as 2026-03-10T12:00:00Z; now without it.",
)
@click.option(
    "--all", "everything", is_flag=True, help="List every rule on the warehouse, not the nearest only."
)
@click.option("--format", "form", default="text", show_default=True, type=click.Choice(["text", "json"]))
def explain(**options: Any) -> None:
    """Show why a request would be allowed or denied.

    Nothing is asked over the network. Who asks is a token, a certificate, both, or facts that you state.

    Exit status: 0 allowed, 1 denied, 2 it could not be asked.
    """
    try:
        answer = _answer(**options)
    except (CannotAskError, PolicyError) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_CANNOT_ASK)
    if options["form"] == "json":
        click.echo(json.dumps(answer_json(answer), indent=2, default=str))
    else:
        # Lines are not broken unless somebody looks at them.
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
        console.print(answer_tree(answer, everything=options["everything"]))
    sys.exit(EXIT_ALLOWED if isinstance(answer.decision, Allow) else EXIT_DENIED)


def _answer(**options: Any) -> Answer:
    policy = load_policy(options["place"])
    stated = StatedFacts(
        **{
            name: options[name]
            for name in ("subject", "issuer", "groups", "claims", "spiffe", "dns", "email", "trust")
        }
    )
    token_file, certificate = options["token_file"], options["certificate"]
    identify, proof = offline_identity(
        policy,
        stated=stated,
        token=None if token_file is None else token_file.read().strip(),
        certificate_file=certificate,
        key_files=options["jwks"],
        unverified=options["unverified"],
    )
    asked = ("warehouse", "method", "host", "path", "statement", "schema")
    target = Target(**{name: options[name] for name in asked})
    return ask(policy, target, identify, proof, options["now"], revocations=_revocations(policy))


def _revocations(policy: PolicySet) -> Revocations:
    if policy.revocations is None:
        return NOTHING_REVOKED
    try:
        return load_revocations(policy.revocations)
    except SourceFileError as error:
        # Not an answer: the server would let nobody in before it can be read, and keeps the last good one after.
        raise CannotAskError(f"the revocations cannot be read: {error}") from None
