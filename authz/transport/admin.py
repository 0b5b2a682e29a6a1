"""The operator's HTTP port: /metrics, /healthz, /readyz, /.well-known/jwks.json. Never on the port that Envoy asks."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from aiohttp import web

from authz.transport.addresses import TcpAddress
from authz.transport.descriptors import available_descriptors, operators_connections
from authz.transport.jwks import JWKS_PATH, Published, jwks_answer

_MAX_REQUEST_BYTES: Final = 4_096
_IDLE_SECONDS: Final = 150.0
"""Longer than anybody's scrape interval, so that Prometheus keeps its connection; aiohttp's own is an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """`missing` says what is not there yet, in words; ready is when nothing is. `detail` is for people."""

    missing: tuple[str, ...]
    detail: dict[str, object]


class AdminServer:
    """Serves what monitoring and verifiers ask for. `metrics` maps an Accept header to a body and its content type."""

    def __init__(
        self,
        *,
        metrics: Callable[[str], tuple[bytes, str]],
        readiness: Callable[[], Readiness],
        published: Published,
    ) -> None:
        self._metrics_text = metrics
        self._readiness = readiness
        self._published = published
        app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get(JWKS_PATH, self._jwks)
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=_IDLE_SECONDS, shutdown_timeout=1.0
        )

    async def start(self, address: TcpAddress) -> TcpAddress:
        """Listen on `address`; the address that was bound. Raises OSError if it cannot be."""
        await self._runner.setup()
        await _BoundedSite(self._runner, address, operators_connections(available_descriptors())).start()
        return TcpAddress(address.host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics_text(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _healthz(self, _: web.Request) -> web.Response:
        """Alive: this event loop answers. Nothing else, or an absent issuer would have the process killed."""
        return web.json_response({"alive": True})

    async def _readyz(self, _: web.Request) -> web.Response:
        state = self._readiness()
        ready = not state.missing
        return web.json_response(
            {"ready": ready, "missing": list(state.missing), **state.detail}, status=200 if ready else 503
        )

    async def _jwks(self, request: web.Request) -> web.Response:
        return jwks_answer(self._published(), request)


class _BoundedSite(web.BaseSite):
    """A listener that takes so many connections, and closes what comes beyond."""

    def __init__(self, runner: web.AppRunner, address: TcpAddress, connections: int) -> None:
        super().__init__(runner)
        self._address = address
        self._most = connections

    # Python 3.11 has no typing.override, hence the remarks.
    @property
    def name(self) -> str:  # type: ignore[explicit-override]
        return f"http://{self._address.text}"

    async def start(self) -> None:  # type: ignore[explicit-override]
        await super().start()
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, self._address.host, self._address.port
        )

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
