"""`scopegate drain`: the end of an Envoy without a lost request."""

import signal
import socket
import sys
import time
from pathlib import Path

import click

from authz.draining import Admin, AdminError, drain_envoy


@click.command(short_help="Wait for SIGTERM, then drain the Envoy beside.")
@click.option(
    "--admin",
    required=True,
    metavar="ADDRESS",
    help="Envoy's admin interface, unix:/path: over TCP it takes no such order.",
)
@click.option(
    "--drained",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that is made when Envoy may be stopped.",
)
@click.option(
    "--waiting",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that is made as soon as the signal is waited for: before, it would be lost.",
)
@click.option(
    "--notice-seconds",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 300),
    help="How long clients may still be led here after the end was announced.",
)
@click.option(
    "--longest-seconds",
    default=300.0,
    show_default=True,
    type=click.FloatRange(0, 3_600),
    help="After this, what still runs will be cut off.",
)
def drain(
    admin: str, drained: Path, waiting: Path | None, notice_seconds: float, longest_seconds: float
) -> None:
    """Wait for SIGTERM, then drain the Envoy beside.

    From the signal on Envoy closes each connection with the answer to its next request, and answers all as before.
    When the notice is over and no request is open, the file is made: Envoy may be stopped.

    Exit status: 0 drained, 1 requests were still open after the longest time, 2 Envoy could not be asked.
    """
    if not admin.startswith("unix:/"):
        raise click.BadParameter(f"got `{admin}`, expected `unix:/path`", param_hint="--admin")
    # A handler in Python may come too late (just before the wait) or too early (a lock of the wait is held, and it
    # wants it): this is written by the handler in C, https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd.
    told_to_end, tells = socket.socketpair()
    tells.setblocking(False)
    signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    # What an earlier life left behind says nothing about this Envoy.
    drained.unlink(missing_ok=True)
    if waiting is not None:
        waiting.touch()
    told_to_end.recv(1)
    try:
        idle = drain_envoy(
            Admin(admin.removeprefix("unix:")),
            notice_seconds=notice_seconds,
            longest_seconds=longest_seconds,
            clock=time.monotonic,
            sleep=time.sleep,
        )
    except AdminError as error:
        click.echo(f"{admin}: {error}", err=True)
        sys.exit(2)
    finally:
        # Whatever went wrong here, nobody may wait for it.
        drained.touch()
    click.echo("drained" if idle else "requests are still open", err=True)
    sys.exit(0 if idle else 1)
