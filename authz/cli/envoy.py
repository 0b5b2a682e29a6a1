"""`scopegate envoy`: Envoy's configuration from a policy."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from authz.cli.writing import problems_told, write_files, write_text
from authz.config.load import load_policy
from authz.edge.deployment import Deployment
from authz.edge.globallimits import service_configuration
from authz.edge.render import Format, render_envoy
from authz.edge.secrets import secret_files
from authz.policy.policyset import EdgeSettings


@click.group()
def envoy() -> None:
    """Build Envoy's configuration from a policy."""


@envoy.command(short_help="Print the configuration for a policy.")
@click.option(
    "--policy",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="The policy: a YAML file, or a directory of them.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; standard output without it.",
)
@click.option(
    "--format",
    "text_format",
    default=Format.YAML.value,
    show_default=True,
    type=click.Choice([form.value for form in Format]),
)
@click.option("--listen", metavar="ADDRESS", help="Where Envoy listens, in place of `edge.listen`.")
@click.option("--public-url", metavar="URL", help="In place of `edge.public_url`.")
@click.option("--certificate", metavar="FILE", help="In place of `edge.certificate`.")
@click.option("--private-key", metavar="FILE", help="In place of `edge.private_key`.")
@click.option("--client-ca", metavar="FILE", help="In place of `edge.client_ca`.")
@click.option("--upstream-ca", metavar="FILE", help="In place of `edge.upstream_ca`.")
@click.option(
    "--scopegate",
    metavar="ADDRESS",
    multiple=True,
    help="A worker: unix:/path or host:port, in place of `edge.scopegate`. May be given more than once.",
)
@click.option("--admin", metavar="ADDRESS", help="In place of `edge.admin`.")
@click.option("--cache-directory", metavar="DIRECTORY", help="In place of `edge.cache_directory`.")
@click.option(
    "--http",
    metavar="ADDRESS",
    help="Where Envoy's own /metrics, /readyz and /healthz are; for operators, never for clients.",
)
@click.option(
    "--limit-service",
    metavar="ADDRESS",
    help="A rate limit service that counts for all Envoys together: host:port. See `scopegate envoy limits`.",
)
@click.option(
    "--traces",
    metavar="URL",
    help="An OpenTelemetry collector, as Envoy reaches it: http://host:4318/v1/traces. Give `serve` the same.",
)
@click.option(
    "--trace-sample",
    default=1.0,
    show_default=True,
    metavar="PERCENT",
    help="Of the requests that come without a trace, how many get one.",
)
@click.option(
    "--secrets",
    metavar="DIRECTORY",
    help="Follow the certificates by the files of `scopegate envoy secrets` in this directory of Envoy's machine.",
)
def render(
    policy: Path,
    output: Path | None,
    text_format: str,
    *,
    http: str | None,
    limit_service: str | None,
    secrets: str | None,
    traces: str | None,
    trace_sample: float,
    **overrides: Any,
) -> None:
    """Print the configuration for a policy.

    It holds everything that Envoy must do for Scopegate's decisions to hold. Paths in it are those of the machine
    that Envoy runs on. Try it with `envoy --mode validate -c FILE`.

    Exit status: 0 written, 1 the policy has a problem, 2 it could not be asked.
    """
    with problems_told(policy):
        loaded = load_policy(policy)
        text = render_envoy(
            loaded,
            _replaced(loaded.edge, overrides),
            Format(text_format),
            Deployment(
                http=http,
                limit_service=limit_service,
                secrets=secrets,
                traces=traces,
                trace_percent=trace_sample,
            ),
        )
    write_text(text, output)


@envoy.command(short_help="Print the rate limit service's configuration for a policy.")
@click.option(
    "--policy",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="The policy: a YAML file, or a directory of them.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; standard output without it.",
)
def limits(policy: Path, output: Path | None) -> None:
    """Print the rate limit service's configuration for a policy.

    The service is the one of the Envoy project (envoyproxy/ratelimit); the limits are the policy's `limits`.

    Exit status: 0 written, 1 the policy has a problem, 2 it could not be written.
    """
    with problems_told(policy):
        text = service_configuration(load_policy(policy))
    write_text(text, output)


@envoy.command(short_help="Write the files that have Envoy follow its certificates.")
@click.option(
    "--policy",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="The policy: a YAML file, or a directory of them.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The directory to write to; it is made if it is not there.",
)
@click.option("--certificate", metavar="FILE", help="In place of `edge.certificate`.")
@click.option("--private-key", metavar="FILE", help="In place of `edge.private_key`.")
@click.option("--client-ca", metavar="FILE", help="In place of `edge.client_ca`.")
def secrets(policy: Path, output: Path, **overrides: Any) -> None:
    """Write the files that have Envoy follow its certificates.

    Give `scopegate envoy render` the directory, as Envoy sees it, with `--secrets`: Envoy then takes up a new
    certificate, key or client CA as soon as it is moved into place, without a restart. No secret stands in the files.

    Exit status: 0 written, 1 the policy has a problem, 2 they could not be written.
    """
    with problems_told(policy):
        files = secret_files(_replaced(load_policy(policy).edge, overrides))
    write_files(files, output)


def _replaced(edge: EdgeSettings, overrides: dict[str, Any]) -> EdgeSettings:
    """Only what was given on the command line."""
    return replace(edge, **{name: value for name, value in overrides.items() if value})
