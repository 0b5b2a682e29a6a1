"""An HTTP listener that takes its share of a process' file descriptors and no more."""

import asyncio
from typing import cast

from aiohttp import web

from authz.transport.addresses import Address, TcpAddress


class BoundedSite(web.BaseSite):
    """A listener that takes so many connections, and closes what comes beyond."""

    def __init__(self, runner: web.AppRunner, address: Address, connections: int) -> None:
        super().__init__(runner)
        self._address = address
        self._most = connections

    # Python 3.11 has no typing.override, hence the remarks.
    @property
    def name(self) -> str:  # type: ignore[explicit-override]
        return f"http://{self._address.text}"

    async def start(self) -> None:  # type: ignore[explicit-override]
        await super().start()
        loop = asyncio.get_running_loop()
        if isinstance(self._address, TcpAddress):
            self._server = await loop.create_server(self._protocol, self._address.host, self._address.port)
        else:
            self._server = await loop.create_unix_server(self._protocol, self._address.path)

    def _protocol(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None  # noqa: S101 - `BaseSite` sees to it
        return _Gate(server, self._most)


class _Gate(asyncio.Protocol):
    """Lets a connection through to the server, unless that has as many as it takes.

    Decided when it is there, and not when it is accepted: of a burst all are accepted before the first of them is there.
    """

    def __init__(self, server: web.Server, most: int) -> None:
        self._server = server
        self._most = most

    # Python 3.11 has no typing.override, hence the remark.
    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # type: ignore[explicit-override]
        if len(self._server.connections) >= self._most:
            # uvloop's transport can be aborted, and is no `asyncio.Transport`.
            cast("asyncio.Transport", transport).abort()
            return
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)
