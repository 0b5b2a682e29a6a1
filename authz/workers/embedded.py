"""A worker inside an Envoy: the ASGI application that pyvoy loads, `authz.workers.embedded:app`.

Envoy has the main thread and its signals; the application lives on an event loop in another one, and is told what to do
by its supervisor.
"""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from authz.app import serve
from authz.orders import Orders
from authz.transport.addresses import Address, TcpAddress, UnixAddress
from authz.transport.asgi import AsgiServer, Receive, Send
from authz.transport.checkserver import CheckServer
from authz.transport.engine import Engine
from authz.transport.tracing import TraceGate
from authz.workers.link import ENDED, LISTENING, Link, obey
from authz.workers.logs import configure
from authz.workers.spec import WorkerSpec

_ASK_AGAIN_SECONDS: Final = 0.02


class EmbeddedWorker(AsgiServer):
    """The whole worker; its life is the application's."""

    def __init__(self, spec: WorkerSpec) -> None:
        super().__init__()
        self._spec = spec
        self._task: asyncio.Task[None] | None = None

    # Python 3.11 has no typing.override, hence the remark.
    async def lifespan(self, receive: Receive, send: Send) -> None:  # type: ignore[explicit-override]
        """Begin with the server, which listens already; end with it."""
        await receive()
        self._task = asyncio.create_task(self._work())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _work(self) -> None:
        spec = self._spec
        link = await Link.over(socket.socket(fileno=spec.link))
        orders = Orders()
        obeying = asyncio.create_task(obey(link, orders))
        status = 1
        try:
            status = await serve(
                spec.settings,
                orders,
                make_checks=self._make_checks,
                listening=lambda where: link.say(**{LISTENING: where}),
            )
        finally:
            link.say(**{ENDED: status})
            obeying.cancel()
            await link.close()
            # Envoy's own way to end.
            os.kill(os.getpid(), signal.SIGTERM)

    def _make_checks(
        self, engine: Engine, process: Callable[[bytes], bytes], _: int, traces: TraceGate | None
    ) -> CheckServer:
        self.connect(engine, process, traces=traces)
        return self

    async def start(self, _: Sequence[Address]) -> tuple[Address, ...]:
        """Where Envoy listens, as its admin interface says. An address that it cannot have ends it."""
        if self._spec.host_admin is None:
            raise OSError("the Envoy around this worker has no admin socket")
        while True:
            found = await listeners_of(self._spec.host_admin)
            if found is not None:
                return found
            await asyncio.sleep(_ASK_AGAIN_SECONDS)


async def listeners_of(admin: Path) -> tuple[Address, ...] | None:
    """The addresses of the one listener of an Envoy; None while it has none yet."""
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(admin))) as session,
            session.get("http://localhost/listeners?format=json") as answer,
        ):
            statuses = json.loads(await answer.read())["listener_statuses"]
    except (aiohttp.ClientError, OSError, ValueError, KeyError):
        return None
    if not statuses:
        return None
    (status,) = statuses
    return tuple(map(_address, [status["local_address"], *status.get("additional_local_addresses", [])]))


def _address(told: dict[str, Any]) -> Address:
    if "pipe" in told:
        return UnixAddress(Path(told["pipe"]["path"]))
    return TcpAddress(told["socket_address"]["address"], told["socket_address"]["port_value"])


def _worker() -> EmbeddedWorker:
    spec = WorkerSpec.inherited()
    configure(spec)
    return EmbeddedWorker(spec)


app: Final = _worker()
