"""Serve an aiohttp application until SIGTERM or SIGINT, on an address that a parent process can learn."""

import asyncio
import ipaddress
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

SHUTDOWN_SECONDS = 2.0


class NotLoopbackError(Exception):
    """The address can be reached from other machines, and nobody said that this is meant."""


def bind(listen: str, *, exposed: bool = False) -> socket.socket:
    """A listening TCP socket for `host:port`; port 0 takes a free one.

    Raises `NotLoopbackError` for an address that is not loopback unless `exposed`, `ValueError` for text that
    is not `host:port`, `OSError` if the port is taken.
    """
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isdecimal():
        raise ValueError(f"got `{listen}`, expected host:port")
    address = ipaddress.ip_address(host.strip("[]"))
    if not address.is_loopback and not exposed:
        raise NotLoopbackError(
            f"`{host}` can be reached by others; this service believes everybody, so it takes loopback only "
            "(--exposed if a network of containers is all that can reach it)"
        )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    return socket.create_server((str(address), int(port)), family=family, backlog=256)


def url_of(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    bound: socket.socket, app: web.Application, *, announce: Path | None, say: Callable[[str], None]
) -> None:
    """Serve `app` on `bound` until told to stop; write the address to `announce` once requests are answered."""
    asyncio.run(_serve(bound, app, announce, say))


async def _serve(
    bound: socket.socket, app: web.Application, announce: Path | None, say: Callable[[str], None]
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.SockSite(runner, bound).start()
        address = url_of(bound)
        if announce is not None:
            _write_whole(announce, address)
        say(f"listening on {address}")
        await stopped.wait()
    finally:
        await runner.cleanup()


def _write_whole(path: Path, text: str) -> None:
    """Under its final name the file is complete: the reader may look at any time."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(text)
    unfinished.replace(path)
