"""The operators' HTTP port: bounded in what it takes, whoever answers behind it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from authz.transport.addresses import Address, TcpAddress
from authz.transport.boundedsite import BoundedSite
from authz.transport.descriptors import available_descriptors, operators_connections

_MAX_REQUEST_BYTES: Final = 4_096
_IDLE_SECONDS: Final = 150.0
"""Longer than anybody's scrape interval, so that Prometheus keeps its connection; aiohttp's own is an hour."""

Handler = Callable[[web.Request], Awaitable[web.Response]]


class OperatorsPort:
    """Answers a GET of each path with its handler."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
        for path, handler in handlers.items():
            app.router.add_get(path, handler)
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=_IDLE_SECONDS, shutdown_timeout=1.0
        )

    async def start(self, address: Address) -> Address:
        """Listen on `address`; the address that was bound. Raises OSError if it cannot be."""
        await self._runner.setup()
        await BoundedSite(self._runner, address, operators_connections(available_descriptors())).start()
        if not isinstance(address, TcpAddress):
            return address
        return TcpAddress(address.host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()
