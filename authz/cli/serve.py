"""`scopegate serve`: the server."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from authz.audit.options import (
    MAX_QUEUED,
    OTLP_PREFIX,
    AuditSettings,
    AuditTarget,
    Collector,
    Mode,
    Overflow,
    Rotation,
    TrailSettings,
)
from authz.memory import DEFAULT_REMEMBERED
from authz.settings import ENVIRONMENT_PREFIX, Settings
from authz.telemetry.logs import LogFormat
from authz.transport.addresses import Address, TcpAddress, parse_address
from authz.workers.engines import EngineName, problem_with_pyvoy, problem_with_zttp

_ARGUMENTS: Final = "authz.cli.serve.arguments"

_BY_SPEED: Final[tuple[tuple[EngineName, Callable[[], str | None]], ...]] = (
    (EngineName.ZTTP, problem_with_zttp),
    (EngineName.PYVOY, problem_with_pyvoy),
    (EngineName.GRPCIO, lambda: None),
)
"""Each with what keeps it from serving here."""


WORKER: Final = "{worker}"
"""Stands in a path or address for the number of a worker, from 0."""


def _of_worker(context: click.Context, text: str) -> str:
    return text.replace(WORKER, str(context.obj if isinstance(context.obj, int) else 0))


def _addresses(context: click.Context, _: click.Parameter, values: tuple[str, ...]) -> tuple[Address, ...]:
    try:
        return tuple(parse_address(_of_worker(context, value)) for value in values)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _tcp_address(context: click.Context, parameter: click.Parameter, value: str) -> TcpAddress:
    (address,) = _addresses(context, parameter, (value,))
    if not isinstance(address, TcpAddress):
        raise click.BadParameter(f"got `{value}`, expected `host:port`")
    return address


def _maybe_tcp_address(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> TcpAddress | None:
    return None if value is None else _tcp_address(context, parameter, value)


def _audit_target(context: click.Context, _: click.Parameter, value: str) -> Path | Collector | AuditTarget:
    if value.startswith(OTLP_PREFIX):
        url = value.removeprefix(OTLP_PREFIX)
        if not url.startswith(("http://", "https://")):
            raise click.BadParameter(f"got `{value}`, expected `{OTLP_PREFIX}https://host:port/v1/logs`")
        return Collector(url)
    return AuditTarget(value) if value in set(AuditTarget) else Path(_of_worker(context, value))


def _collector(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.startswith(("http://", "https://")):
        raise click.BadParameter(f"got `{value}`, expected `http://host:4318/v1/traces`")
    return value


def settings_of(options: dict[str, Any]) -> Settings:
    """The settings of the command's options, which it uses up."""
    for other in ("engine", "workers"):
        options.pop(other, None)
    audit = _audit_settings(options)
    options["log_format"] = LogFormat(options["log_format"])
    return Settings(audit=audit, **options)


class _Serve(click.Command):
    """Keeps its arguments, so that they can be read once more for each worker."""

    # Python 3.11 has no typing.override, hence the remark.
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:  # type: ignore[explicit-override]
        ctx.meta[_ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)


def settings_of_workers(context: click.Context, workers: int) -> tuple[Settings, ...]:
    """The settings of each worker. Raises `click.UsageError` where two would have one address or one file."""
    arguments: tuple[str, ...] = context.meta[_ARGUMENTS]
    found = []
    for number in range(workers):
        # Under the same name, so that mistakes are told as those of this command.
        own = context.command.make_context(
            context.info_name, list(arguments), parent=context.parent, obj=number
        )
        found.append(settings_of({**own.params}))
    _check_apart(found)
    return tuple(found)


def _check_apart(workers: list[Settings]) -> None:
    asked: dict[str, list[object]] = {
        "--listen": [address for each in workers for address in each.listen],
        "--opa": [each.opa for each in workers if each.opa is not None],
        "--audit": [each.audit.target for each in workers if isinstance(each.audit.target, Path)],
    }
    for option, places in asked.items():
        fixed = [place for place in places if not (isinstance(place, TcpAddress) and place.port == 0)]
        if len(set(fixed)) < len(fixed):
            raise click.UsageError(
                f"{len(workers)} workers cannot share one place: write `{WORKER}` in {option}, for their numbers"
            )


def _audit_settings(options: dict[str, Any]) -> AuditSettings:
    """Takes the options about the trail out of `options`."""
    mebibytes = options.pop("audit_rotate_mib")
    return AuditSettings(
        target=options.pop("audit"),
        key=options.pop("audit_key"),
        trail=TrailSettings(
            mode=Mode(options.pop("audit_mode")),
            overflow=Overflow(options.pop("audit_overflow")),
            max_queued=options.pop("audit_queue"),
            seal_records=options.pop("audit_seal_records"),
            seal_seconds=options.pop("audit_seal_seconds"),
        ),
        rotation=Rotation(
            max_bytes=mebibytes * 2**20 if mebibytes else None,
            daily=options.pop("audit_rotate_daily"),
            compress=options.pop("audit_compress"),
        ),
    )


@click.command(
    cls=_Serve,
    # `SCOPEGATE_POLICY`, not `SCOPEGATE_SERVE_POLICY`.
    context_settings={
        "auto_envvar_prefix": ENVIRONMENT_PREFIX,
        "show_default": True,
        "help_option_names": ["-h", "--help"],
    },
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
@click.option(
    "--opa",
    metavar="ADDRESS",
    callback=_maybe_tcp_address,
    help="Where Trino's OPA plugin asks, host:port; nobody else may reach it. It is not answered, if left out.",
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
    metavar="FILE|stdout|otlp:URL|off",
    callback=_audit_target,
    help="Where one JSON line for each decision goes: a file of this process alone, `stdout` (logs go to stderr), "
    "or an OpenTelemetry collector.",
)
@click.option(
    "--audit-mode",
    default=Mode.BUFFERED.value,
    type=click.Choice([mode.value for mode in Mode]),
    help="strict: no allow leaves before its record is durable. buffered: it leaves when it is in the queue.",
)
@click.option(
    "--audit-overflow",
    default=Overflow.REFUSE.value,
    type=click.Choice([overflow.value for overflow in Overflow]),
    help="What happens to allows while the queue is full: 503 `audit_unavailable`, or they wait.",
)
@click.option(
    "--audit-queue",
    default=MAX_QUEUED,
    type=click.IntRange(1, 10_000_000),
    help="Records that may wait to be written.",
)
@click.option(
    "--audit-key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The Ed25519 private key that seals the trail: `scopegate audit keygen` makes one.",
)
@click.option(
    "--audit-seal-records",
    default=1_000,
    type=click.IntRange(1, 1_000_000),
    help="Seal the trail after so many lines,",
)
@click.option(
    "--audit-seal-seconds",
    default=60.0,
    type=click.FloatRange(0.1, 86_400),
    help="and so long after the first line that is not sealed.",
)
@click.option(
    "--audit-rotate-mib",
    default=0,
    type=click.IntRange(0, 1_000_000),
    help="Begin a new audit file at this size in MiB; 0 never does.",
)
@click.option(
    "--audit-rotate-daily/--no-audit-rotate-daily",
    default=False,
    help="Begin a new audit file each day (UTC).",
)
@click.option(
    "--audit-compress/--no-audit-compress", default=False, help="Compress files that were put away (gzip)."
)
@click.option(
    "--traces",
    metavar="URL",
    envvar=[f"{ENVIRONMENT_PREFIX}_TRACES", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"],
    callback=_collector,
    help="An OpenTelemetry collector for spans of the traces that Envoy keeps: http://host:4318/v1/traces.",
)
@click.option(
    "--traces-per-second",
    default=20.0,
    type=click.FloatRange(0.01, 10_000),
    help="Checks that are traced in a second, at most: a client can ask for each of its own to be.",
)
@click.option(
    "--remember",
    default=DEFAULT_REMEMBERED,
    type=click.IntRange(100, 10_000_000),
    help="Credentials, with decisions and answers, that are kept ready: about 8 KB each, 16 KB with 100 groups.",
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
@click.option(
    "--engine",
    default=EngineName.AUTO.value,
    type=click.Choice([engine.value for engine in EngineName]),
    help="What serves. auto: zttp, which costs a tenth of grpcio; where it cannot be, pyvoy (a Python inside an Envoy), or grpcio.",
)
@click.option(
    "--workers",
    default=1,
    type=click.IntRange(1, 256),
    help="Processes that answer, each with places of its own: {worker} in --listen, --opa and --audit is its number.",
)
@click.pass_context
def serve(context: click.Context, /, engine: str, workers: int, **options: Any) -> None:
    """Answer Envoy's authorization checks.

    SIGHUP reads the policy and key files again (changes are noticed without it, too) and opens the audit file
    anew. SIGTERM drains and stops.

    Every option can be set by an environment variable: SCOPEGATE_POLICY, SCOPEGATE_LISTEN (several addresses
    with spaces between), SCOPEGATE_LOG_FORMAT and so on.

    Exit status: 0 stopped when told to, 1 the policy was refused, 2 it could not start.
    """
    # gRPC's core would write lines of its own form between ours; what matters of them is in our errors.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    chosen, because = _engine(EngineName(engine))
    if chosen is not EngineName.PYVOY and workers == 1:
        from authz.app import run  # noqa: PLC0415 - after the line above, and not for --help

        sys.exit(run(settings_of(options), chosen.value, because=because))
    from authz.workers.supervisor import run_workers  # noqa: PLC0415 - as above

    sys.exit(run_workers(settings_of_workers(context, workers), chosen, because=because))


def _engine(asked: EngineName) -> tuple[EngineName, str | None]:
    """The one that serves, and why no faster one does. Ends the process if it is to be one that cannot."""
    problems: list[str] = []
    for engine, problem_with in _BY_SPEED:
        if asked not in {engine, EngineName.AUTO}:
            continue
        problem = problem_with()
        if problem is None:
            return engine, "; ".join(problems) or None
        problems.append(f"{engine.value} cannot serve: {problem}")
    click.echo(f"scopegate: the engine {problems[0]}", err=True)
    sys.exit(2)
