"""The operator's HTTP port: /metrics, /healthz, /readyz, /.well-known/jwks.json. Never on the port that Envoy asks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from authz.transport.addresses import Address, TcpAddress
from authz.transport.boundedsite import BoundedSite
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
