"""The checks of Envoy over HTTP/2 in this very process: listens, and ends its connections in peace."""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from authz.transport.addresses import SOCKET_MODE, Address, TcpAddress, UnixAddress, clear_stale_socket
from authz.transport.asgi import AsgiServer
from authz.transport.descriptors import available_descriptors, checking_connections
from authz.transport.engine import Engine
from authz.transport.http2connection import Http2Connection
from authz.transport.tracing import TraceGate

_BACKLOG: Final = 1_024
_PARTING_SECONDS: Final = 1.0


class Http2Server(AsgiServer):
    """A `CheckServer` over HTTP/2 without TLS.

    `listeners` is the number of addresses to come; `process` and `traces` as of `AsgiServer`.
    """

    def __init__(
        self,
        engine: Engine,
        process: Callable[[bytes], bytes],
        *,
        listeners: int = 1,
        traces: TraceGate | None = None,
    ) -> None:
        super().__init__()
        self.connect(engine, process, traces=traces)
        self._most = checking_connections(available_descriptors(), listeners)
        self._servers: list[asyncio.Server] = []
        self._connections: list[set[Http2Connection]] = []
        self._bound: list[Address] = []

    async def start(self, addresses: Sequence[Address]) -> tuple[Address, ...]:
        """See `CheckServer`."""
        for address in addresses:
            self._bound.append(await self._listen(address))
        return tuple(self._bound)

    async def _listen(self, address: Address) -> Address:
        loop = asyncio.get_running_loop()
        beside: set[Http2Connection] = set()
        self._connections.append(beside)

        def connected() -> Http2Connection:
            return Http2Connection(self, beside, self._most)

        if isinstance(address, UnixAddress):
            bound = _bound_socket(address)
            self._servers.append(await loop.create_unix_server(connected, sock=bound, backlog=_BACKLOG))
            return address
        try:
            server = await loop.create_server(connected, address.host, address.port, backlog=_BACKLOG)
        except OSError as error:
            raise OSError(f"cannot listen on {address.text}: is it taken, or not ours to bind?") from error
        self._servers.append(server)
        return TcpAddress(address.host, server.sockets[0].getsockname()[1])

    # Python 3.11 has no typing.override, hence the remarks.
    async def stop(self, grace_seconds: float) -> None:  # type: ignore[explicit-override]
        """See `CheckServer`."""
        for server in self._servers:
            server.close()
        await super().stop(grace_seconds)
        connections = [connection for beside in self._connections for connection in beside]
        if connections:
            await asyncio.wait([connection.end() for connection in connections], timeout=_PARTING_SECONDS)
        for connection in connections:
            connection.abort()
        for address in self._bound:
            if isinstance(address, UnixAddress):
                with suppress(OSError):
                    clear_stale_socket(address.path)


def _bound_socket(address: UnixAddress) -> socket.socket:
    clear_stale_socket(address.path)
    made = socket.socket(socket.AF_UNIX)
    # The mask closes the moment between bind and chmod; nothing else runs yet.
    mask = os.umask(0o777 & ~SOCKET_MODE)
    try:
        made.bind(str(address.path))
    except OSError:
        made.close()
        raise
    finally:
        os.umask(mask)
    address.path.chmod(SOCKET_MODE)
    return made
