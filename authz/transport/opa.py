"""The port for Trino's OPA plugin: `/v1/opa/WAREHOUSE/ENDPOINT`. Off unless it is asked for; nobody but Trino may reach it.

Whoever reaches it may ask what anybody would see, though never for a row. A question that cannot be answered is an
error of HTTP, which fails the query; everything else that opens nothing is an answer.
https://trino.io/docs/current/security/opa-access-control.html
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Final

import structlog
from aiohttp import web

from authz.case import Occasion
from authz.check import Outcome, Snapshot
from authz.errors import Denied, Reason
from authz.opa.answering import OpaAddress, Result, answer_question
from authz.opa.questions import Endpoint, Question, parse_question
from authz.policy.decision import Deny
from authz.request import AccessRequest
from authz.transport.addresses import TcpAddress
from authz.transport.boundedsite import BoundedSite
from authz.transport.decision_ids import decision_ids
from authz.transport.engine import Serving
from authz.transport.status import STATUS

MAX_OPA_BYTES: Final = 4 * 1024 * 1024
"""Trino asks about all tables of a schema at once: about 110 bytes each."""

_LARGE_BYTES: Final = 64 * 1024
"""Longer bodies are read beside the loop that checks are answered in."""
_IDLE_SECONDS: Final = 75.0
_PATH: Final = "/v1/opa/{warehouse}/{endpoint}"

_log: Final = structlog.get_logger("scopegate.opa")


class OpaDesk:
    """Answers questions from what `serving` is at the moment, and has each of them recorded first."""

    __slots__ = ("_clock", "_ids", "_serving")

    def __init__(self, serving: Callable[[], Serving], *, clock: Callable[[], float] = time.time) -> None:
        self._serving = serving
        self._clock = clock
        self._ids: Iterator[bytes] = decision_ids()

    async def answer(
        self, warehouse: str, endpoint: str, body: bytes, source: str
    ) -> tuple[int, dict[str, object]]:
        """The HTTP status and the document. Never raises for what it is given."""
        decision_id, started = next(self._ids).decode("ascii"), time.perf_counter()
        question = await _read(body)
        # INVARIANT: read once, and not before the question has been.
        serving, at = self._serving(), self._clock()
        request = AccessRequest(method="POST", host="", path="", source_address=source)
        try:
            answer = answer_question(
                _address(warehouse, endpoint), _readable(question), request, _loaded(serving), at
            )
            outcome = answer.outcome
            told = _told(outcome, answer.result)
        except Denied as denied:
            outcome = _refused(serving, denied.reason, denied.detail)
            told = _told(outcome, None)
        except (KeyboardInterrupt, SystemExit, asyncio.CancelledError):
            raise
        except BaseException as defect:  # noqa: BLE001 - a panic in pydantic's Rust is no Exception
            _log.error("defect", decision_id=decision_id, exc_info=defect)
            outcome = _refused(serving, Reason.INTERNAL_ERROR, type(defect).__name__)
            told = _told(outcome, None)
        try:
            seconds = time.perf_counter() - started
            kept = serving.observer.decided(
                Occasion.of(outcome, request, decision_id=decision_id, at=at, seconds=seconds)
            )
            if kept is not None:
                await kept
        except Denied as denied:
            told = _told(_refused(serving, denied.reason, denied.detail), None)
        except Exception as defect:  # noqa: BLE001 - nobody knows that it was recorded
            _log.error("defect", decision_id=decision_id, exc_info=defect)
            told = _told(_refused(serving, Reason.INTERNAL_ERROR, ""), None)
        status, document = told
        return status, {"decision_id": decision_id, **document}


async def _read(body: bytes) -> Question | BaseException:
    """The question, or why there is none: that is answered and recorded like any other."""
    try:
        if len(body) > _LARGE_BYTES:
            return await asyncio.to_thread(parse_question, body)
        return parse_question(body)
    except (KeyboardInterrupt, SystemExit, asyncio.CancelledError):
        raise
    except BaseException as problem:  # noqa: BLE001 - raised again where every problem is caught
        return problem


def _readable(question: Question | BaseException) -> Question:
    if isinstance(question, BaseException):
        raise question
    return question


def _loaded(serving: Serving) -> Snapshot:
    if serving.snapshot is None:
        raise Denied(Reason.NOT_READY, "no policy is loaded yet")
    return serving.snapshot


def _address(warehouse: str, endpoint: str) -> OpaAddress:
    if endpoint not in set(Endpoint):
        raise Denied(Reason.ROUTE_UNKNOWN, "the path ends in no question of Trino's")
    return OpaAddress(warehouse, Endpoint(endpoint))


def _told(outcome: Outcome, result: Result) -> tuple[int, dict[str, object]]:
    """What Trino reads. Who asked reads nothing of it: Trino has words of its own."""
    decision = outcome.decision
    if isinstance(decision, Deny) and (outcome.warehouse is None or STATUS[decision.reason].http >= 500):
        return STATUS[decision.reason].http, {"error": decision.reason.value}
    if isinstance(decision, Deny) and result is True:
        raise TypeError("a denial that lets something through")
    return 200, {} if result is None else {"result": result}


def _refused(serving: Serving, reason: Reason, detail: str) -> Outcome:
    return Outcome(
        decision=Deny(reason=reason, detail=detail),
        warehouse=None,
        principal=None,
        rewrites=None,
        request_rewrites=None,
        policy_version=serving.answers.policy_version,
    )


class OpaServer:
    """Serves an `OpaDesk` over HTTP, to `connections` at a time."""

    def __init__(self, desk: OpaDesk, *, connections: int) -> None:
        self._desk = desk
        self._connections = connections
        app = web.Application(client_max_size=MAX_OPA_BYTES)
        app.router.add_post(_PATH, self._post)
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=_IDLE_SECONDS, shutdown_timeout=1.0
        )

    async def start(self, address: TcpAddress) -> TcpAddress:
        """Listen on `address`; the address that was bound. Raises OSError if it cannot be."""
        await self._runner.setup()
        await BoundedSite(self._runner, address, self._connections).start()
        return TcpAddress(address.host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        # Longer than `MAX_OPA_BYTES`: 413, which fails the query.
        body = await request.read()
        status, document = await self._desk.answer(
            request.match_info["warehouse"], request.match_info["endpoint"], body, request.remote or ""
        )
        text = json.dumps(document, separators=(",", ":"))
        return web.Response(
            text=text, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
        )
