"""The operators' port of a service of several processes: what their workers say, as one answer.

A worker that does not answer is left out; the service is alive as long as this process is, and ready while a worker is:
Envoy's health checks keep requests from the others.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from authz.transport.jwks import JWKS_PATH
from authz.transport.operatorsport import OperatorsPort
from authz.workers.merging import OPENMETRICS, merged

_ASK_SECONDS: Final = 5.0
_PASSED_HEADERS: Final = ("Content-Type", "Cache-Control", "ETag")
_PASSED_ON: Final = ("Accept", "If-None-Match")


@dataclass(frozen=True, slots=True)
class Said:
    """One worker's answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def ask(socket: Path, path: str, headers: Mapping[str, str] | None = None) -> Said | None:
    """What the worker behind `socket` says to a GET of `path`; None if it says nothing in time."""
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(socket)),
                timeout=aiohttp.ClientTimeout(total=_ASK_SECONDS),
            ) as session,
            session.get(f"http://localhost{path}", headers=headers) as answer,
        ):
            return Said(answer.status, answer.headers, await answer.read())
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None


class Front:
    """Serves the operators of all workers; `sockets` are those of the workers at this moment, by number.

    `started` says whether each worker has listened for checks once.
    """

    def __init__(
        self, sockets: Callable[[], Mapping[int, Path]], own: CollectorRegistry, started: Callable[[], bool]
    ) -> None:
        self._sockets = sockets
        self._own = own
        self._started = started
        port = OperatorsPort(
            {
                "/metrics": self._metrics,
                "/healthz": self._healthz,
                "/readyz": self._readyz,
                JWKS_PATH: self._jwks,
            }
        )
        self.start, self.stop = port.start, port.stop

    async def _all(self, path: str, headers: Mapping[str, str] | None = None) -> dict[int, Said | None]:
        sockets = self._sockets()
        said = await asyncio.gather(*(ask(socket, path, headers) for socket in sockets.values()))
        return dict(zip(sockets, said, strict=True))

    async def _metrics(self, request: web.Request) -> web.Response:
        said = await self._all("/metrics", {"Accept": OPENMETRICS})
        texts = [one.body.decode() for one in said.values() if one is not None and one.status == 200]
        body, content_type = merged(texts, self._own, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _healthz(self, _: web.Request) -> web.Response:
        """Alive: this process sees to its workers. One that hangs is ended by it, and not by an orchestrator.

        Not before all listen: an Envoy that is started on this word would find nobody, and refuse requests for a second.
        """
        alive = self._started()
        return web.json_response({"alive": alive}, status=200 if alive else 503)

    async def _readyz(self, _: web.Request) -> web.Response:
        said = await self._all("/readyz")
        states = {number: _state(one) for number, one in said.items()}
        ready = any(state.get("ready") for state in states.values())
        if len(states) == 1:
            (state,) = states.values()
            return web.json_response(state, status=200 if ready else 503)
        missing = [f"worker {number}: {what}" for number, state in states.items() for what in _missing(state)]
        return web.json_response(
            {
                "ready": ready,
                "missing": missing,
                "workers": {str(number): state for number, state in states.items()},
            },
            status=200 if ready else 503,
        )

    async def _jwks(self, request: web.Request) -> web.Response:
        """Of the first worker that has them: all read the same files, and a key is published before it signs."""
        passed = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        said = [one for one in (await self._all(JWKS_PATH, passed)).values() if one is not None]
        if not said:
            return web.Response(status=503)
        best = min(said, key=lambda one: one.status)
        headers = {name: best.headers[name] for name in _PASSED_HEADERS if name in best.headers}
        return web.Response(status=best.status, body=best.body, headers=headers)


def _state(said: Said | None) -> dict[str, object]:
    try:
        state = None if said is None else json.loads(said.body)
    except ValueError:
        state = None
    return state if isinstance(state, dict) else {"ready": False, "missing": ["the worker does not answer"]}


def _missing(state: Mapping[str, object]) -> list[object]:
    missing = state.get("missing")
    return missing if isinstance(missing, list) else []
