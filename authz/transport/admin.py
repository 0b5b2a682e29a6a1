"""The operator's HTTP port: /metrics, /healthz, /readyz, /.well-known/jwks.json. Never on the port that Envoy asks."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from authz.transport.jwks import JWKS_PATH, Published, jwks_answer
from authz.transport.operatorsport import OperatorsPort


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
        port = OperatorsPort(
            {
                "/metrics": self._metrics,
                "/healthz": self._healthz,
                "/readyz": self._readyz,
                JWKS_PATH: self._jwks,
            }
        )
        self.start, self.stop = port.start, port.stop

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
