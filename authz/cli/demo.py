"""`scopegate demo`: the whole system on one machine, and its issuer and warehouse as services of their own."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click


@click.group(invoke_without_command=True)
@click.option(
    "--stay/--no-stay", default=None, help="Stay up afterwards, for experiments. Default: on a terminal."
)
@click.option(
    "--rows",
    default=3_000_000,
    show_default=True,
    type=click.IntRange(1_000, 50_000_000),
    help="Sales to generate.",
)
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ask the same cast under another policy: a changed copy of the packaged one.",
)
@click.pass_context
def demo(context: click.Context, stay: bool | None, rows: int, policy: Path | None) -> None:
    """Three people, one question, three right answers, through a real Envoy.

    Starts a certification authority, an OIDC issuer, a warehouse, two Scopegate workers and Envoy on free
    loopback ports; asks as colleagues, strangers and attackers; checks every answer. Exit status: 0 if all
    were right, 1 if not, 130 and 143 if interrupted before. Nothing is left running or on disk.
    """
    if context.invoked_subcommand is not None:
        return
    with _extra():
        from authz.demo.run import run_demo  # noqa: PLC0415 - the demo is an extra: its parts may be missing

    sys.exit(run_demo(stay=stay, rows=rows, policy=policy))


@demo.command()
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, help="host:port; port 0 takes a free one."
)
@click.option("--url", help="Where others find it, without a path. Default: the address it listens on.")
@click.option("--announce", type=click.Path(path_type=Path), help="Write the address here once it answers.")
@click.option("--exposed", is_flag=True, help="Allow an address that is not loopback.")
def issuer(listen: str, url: str | None, announce: Path | None, exposed: bool) -> None:
    """A DEVELOPMENT issuer of tokens: it asks nobody for a password."""
    from authz.demo import serving  # noqa: PLC0415 - the demo is an extra
    from authz.demo.issuer import WARNING, DevelopmentIssuer  # noqa: PLC0415
    from authz.demo.issuer_http import PATH, issuer_app  # noqa: PLC0415

    click.echo(f"*** {WARNING} ***", err=True)
    bound = _bind(listen, exposed=exposed)
    app = issuer_app(DevelopmentIssuer(f"{url or serving.url_of(bound)}{PATH}"))
    serving.run(bound, app, announce=announce, say=click.echo)


@demo.command()
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, help="host:port; port 0 takes a free one."
)
@click.option(
    "--database", required=True, type=click.Path(path_type=Path), help="DuckDB file; generated if absent."
)
@click.option(
    "--rows",
    default=3_000_000,
    show_default=True,
    type=click.IntRange(1_000, 50_000_000),
    help="Sales to generate.",
)
@click.option(
    "--api-key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Answer only those who show this key in x-api-key: Envoy does.",
)
@click.option("--announce", type=click.Path(path_type=Path), help="Write the address here once it answers.")
@click.option("--exposed", is_flag=True, help="Allow an address that is not loopback.")
def warehouse(  # noqa: PLR0917 - click hands every option over as a parameter
    listen: str, database: Path, rows: int, api_key_file: Path | None, announce: Path | None, exposed: bool
) -> None:
    """The demo's warehouse: DuckDB behind an HTTP API that obeys the injected scope."""
    with _extra():
        from authz.demo import serving  # noqa: PLC0415 - the demo is an extra
        from authz.demo.sales import generate, open_read_only  # noqa: PLC0415
        from authz.demo.warehouse import SalesWarehouse  # noqa: PLC0415
        from authz.demo.warehouse_http import warehouse_app  # noqa: PLC0415

    bound = _bind(listen, exposed=exposed)
    if not database.exists():
        click.echo(f"generating {rows:,} sales ...")
        generate(database, rows=rows, today=datetime.now(UTC).date())
    api_key = None if api_key_file is None else api_key_file.read_text().strip()
    app = warehouse_app(SalesWarehouse(open_read_only(database)), api_key=api_key)
    serving.run(bound, app, announce=announce, say=click.echo)


@demo.command()
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Directory to fill."
)
def init(out: Path) -> None:
    """Write development certificates, the demo's policy and its Envoy configuration (for docker-compose.yml)."""
    from authz.demo.compose import write_files  # noqa: PLC0415 - the demo is an extra

    for path in write_files(out):
        click.echo(f"wrote {path}")


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"the demo needs `{error.name}`, which is not installed; help: pip install 'scopegate[demo]'"
        ) from error


def _bind(listen: str, *, exposed: bool) -> socket.socket:
    from authz.demo import serving  # noqa: PLC0415 - the demo is an extra

    try:
        return serving.bind(listen, exposed=exposed)
    except (serving.NotLoopbackError, ValueError, OSError) as error:
        raise click.ClickException(f"--listen: {error}") from error
