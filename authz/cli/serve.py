"""`scopegate serve`: the server."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from authz.settings import ENVIRONMENT_PREFIX, AuditTarget, Settings
from authz.telemetry.logs import LogFormat
from authz.transport.addresses import Address, TcpAddress, parse_address


def _addresses(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[Address, ...]:
    try:
        return tuple(map(parse_address, values))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _tcp_address(context: click.Context, parameter: click.Parameter, value: str) -> TcpAddress:
    (address,) = _addresses(context, parameter, (value,))
    if not isinstance(address, TcpAddress):
        raise click.BadParameter(f"got `{value}`, expected `host:port`")
    return address


def _audit_target(_: click.Context, __: click.Parameter, value: str) -> Path | AuditTarget:
    return AuditTarget(value) if value in set(AuditTarget) else Path(value)


@click.command(
    # `SCOPEGATE_POLICY`, not `SCOPEGATE_SERVE_POLICY`.
    context_settings={
        "auto_envvar_prefix": ENVIRONMENT_PREFIX,
        "show_default": True,
        "help_option_names": ["-h", "--help"],
    }
)
@click.option(
    "--policy",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="The policy: a YAML file, or a directory of them.",
)
@click.option(
    "--listen",
    multiple=True,
    default=("127.0.0.1:50051",),
    metavar="ADDRESS",
    callback=_addresses,
    help="Where Envoy asks: host:port or unix:/path. May be given more than once.",
)
@click.option(
    "--http",
    default="127.0.0.1:9090",
    metavar="ADDRESS",
    callback=_tcp_address,
    help="Where /metrics, /healthz and /readyz are; for operators, never for Envoy's clients.",
)
@click.option("--log-format", default="json", type=click.Choice([form.value for form in LogFormat]))
@click.option(
    "--log-level",
    default="info",
    type=click.Choice(["debug", "info", "warning", "error"]),
)
@click.option(
    "--audit",
    default=AuditTarget.OFF.value,
    metavar="FILE|stdout|off",
    callback=_audit_target,
    help="Where one JSON line for each decision goes: a file, or `stdout` (logs go to stderr).",
)
@click.option(
    "--drain-notice-seconds",
    default=2.0,
    type=click.FloatRange(0, 300),
    help="Seconds to go on answering after SIGTERM, so that Envoy's health checks notice first.",
)
@click.option(
    "--drain-grace-seconds",
    default=5.0,
    type=click.FloatRange(0, 300),
    help="Seconds that checks in flight may take when the server stops.",
)
def serve(**options: Any) -> None:
    """Answer Envoy's authorization checks.

    SIGHUP reads the policy and key files again (changes are noticed without it, too) and opens the audit file
    anew. SIGTERM drains and stops.

    Every option can be set by an environment variable: SCOPEGATE_POLICY, SCOPEGATE_LISTEN (several addresses
    with spaces between), SCOPEGATE_LOG_FORMAT and so on.

    Exit status: 0 stopped when told to, 1 the policy was refused, 2 it could not start.
    """
    # gRPC's core would write lines of its own form between ours; what matters of them is in our errors.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from authz.app import run  # noqa: PLC0415 - after the line above, and not for --help

    options["log_format"] = LogFormat(options["log_format"])
    sys.exit(run(Settings(**options)))
