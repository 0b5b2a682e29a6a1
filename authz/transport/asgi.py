"""The checks of Envoy over ASGI: gRPC framed by hand, for servers of HTTP/2 that know nothing of it.

https://asgi.readthedocs.io/en/stable/specs/www.html, with its extension of trailers. Whatever goes wrong in here leaves
as a status of gRPC that is no answer, and Envoy refuses a request that it has no answer for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, Final

import structlog
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from authz.transport.checkserver import MAX_REQUEST_BYTES, PROCESSING_SERVICE, SERVICE
from authz.transport.engine import Engine
from authz.transport.framing import PREFIX_BYTES, Code, FramingError, Messages, framed, message_of, seconds_of
from authz.transport.tracing import TraceGate

Scope = dict[str, Any]
Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Answering = bytes | Coroutine[Any, Any, bytes]

CHECK_PATH: Final = f"/{SERVICE}/Check"
CARRIED_PATH: Final = "/scopegate.Carried/Check"
"""A check whose message is the query string (`authz.workers.carrying`). Whoever asks by it asks what they could ask anyway."""
PROCESS_PATH: Final = f"/{PROCESSING_SERVICE}/Process"
HEALTH_PATH: Final = "/grpc.health.v1.Health/Check"
WATCH_PATH: Final = "/grpc.health.v1.Health/Watch"

CLOSED: Final = "nothing is answered yet, or no more"
"""Why a check is refused outside of a server's life."""

_CONTENT_TYPE: Final = (b"content-type", b"application/grpc")
_START: Final[Event] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [_CONTENT_TYPE],
    "trailers": True,
}
_END: Final[Event] = {"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]}
_MAX_HEALTH_BYTES: Final = 4_096
_LOOK_SECONDS: Final = 0.05
"""Between two looks whether a caller still waits. Most that has to be waited for is there before the first."""

_STATUS: Final = health_pb2.HealthCheckResponse
_log: Final = structlog.get_logger("scopegate.asgi")


class AsgiServer:
    """An ASGI application that answers checks, once it is connected with the engine; until then it refuses them.

    All of a `CheckServer` but for `start`: listening is for the server around.
    """

    def __init__(self) -> None:
        self._in_flight = 0
        self._closing = True
        self._ending = False
        self._health = dict.fromkeys(("", SERVICE), _STATUS.NOT_SERVING)
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()

    def connect(
        self,
        engine: Engine,
        process: Callable[[bytes], bytes],
        *,
        traces: TraceGate | None = None,
    ) -> None:
        """Answer from now on.

        `process` answers each message of Envoy's external processing; with `traces`, a caller's sampled trace is told
        of the check.
        """
        self._begin = engine.begin
        self._settle = engine.settle
        self._process = process
        self._traces = traces
        self._closing = False

    @property
    def closing(self) -> bool:
        """Whether no check is answered: not yet, or no more."""
        return self._closing

    @property
    def in_flight(self) -> int:
        """See `CheckServer`."""
        return self._in_flight

    async def healthy(self, *, healthy: bool) -> None:
        """See `CheckServer`."""
        if not self._ending:
            self._tell(_STATUS.SERVING if healthy else _STATUS.NOT_SERVING)

    async def announce_end(self) -> None:
        """See `CheckServer`."""
        self._ending = True
        self._tell(_STATUS.NOT_SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """See `CheckServer`."""
        await self.announce_end()
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                if self._in_flight:
                    await self._idle.wait()

    def _tell(self, status: "health_pb2.HealthCheckResponse.ServingStatus") -> None:
        self._health = dict.fromkeys(self._health, status)
        self._changed.set()
        self._changed = asyncio.Event()

    # Not an `async def`: see `_carried`. https://asgi.readthedocs.io/en/stable/specs/main.html#legacy-applications
    _asgi_single_callable: Final = True

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Answer one call."""
        if scope["type"] == "lifespan":
            return self.lifespan(receive, send)
        path = scope["path"]
        if self._closing:
            return _refuse(send, Code.UNAVAILABLE, CLOSED)
        if path == CARRIED_PATH:
            return self._carried(scope, receive, send)
        if path == CHECK_PATH:
            return self._checked(scope, receive, send)
        return self._other(path, receive, send)

    def _carried(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Answers before it returns: pyvoy sends when it is told to, and only later runs what it is to wait for."""
        answer = self.begun(scope, scope["query_string"])
        if not isinstance(answer, bytes):
            return self.answered(answer, scope, receive, send)
        return _sent(send(_START), send({"type": "http.response.body", "body": framed(answer)}), send(_END))

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        event = await receive()
        body: bytes = event.get("body", b"")
        while event.get("more_body") and len(body) <= MAX_REQUEST_BYTES + PREFIX_BYTES:
            event = await receive()
            body += event.get("body", b"")
        if event["type"] != "http.request":
            return
        try:
            data = message_of(body, MAX_REQUEST_BYTES)
        except FramingError as error:
            await _refuse(send, error.code, str(error))
            return
        await self.answered(self.begun(scope, data), scope, receive, send)

    def begun(self, scope: Scope, data: bytes) -> Answering:
        """The answer to a question where it is known at once, else what is to be awaited for it."""
        return self._begin(data) if self._traces is None else self._traced(self._traces, scope, data)

    async def answered(self, answer: Answering, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what `begun` gave, when it is there."""
        self._in_flight += 1
        try:
            if not isinstance(answer, bytes):
                answer = await _unless_gone(answer, receive, _seconds_left(scope))
            await send(_START)
            await send({"type": "http.response.body", "body": framed(answer)})
            await send(_END)
        except FramingError as error:
            await _refuse(send, error.code, str(error))
        except OSError:
            # ASGI's word for a caller that is gone.
            return
        finally:
            self._done()

    def _done(self) -> None:
        self._in_flight -= 1
        if self._closing and not self._in_flight:
            self._idle.set()

    async def lifespan(self, receive: Receive, send: Send) -> None:
        """Begin and end together with the server around."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _traced(self, traces: TraceGate, scope: Scope, data: bytes) -> Answering:
        """The answer, with its trace if the caller's is sampled."""
        parent = traces.parent(
            [
                ("traceparent", value.decode("latin-1"))
                for name, value in scope["headers"]
                if name == b"traceparent"
            ]
        )
        return self._begin(data) if parent is None else self._settle(data, parent)

    async def _other(self, path: str, receive: Receive, send: Send) -> None:
        try:
            if path == PROCESS_PATH:
                await self._processed(receive, send)
            elif path in {HEALTH_PATH, WATCH_PATH}:
                await self._asked_for_health(receive, send, watched=path == WATCH_PATH)
            else:
                await _refuse(send, Code.UNIMPLEMENTED, "there is no such method")
        except FramingError as error:
            await _refuse(send, error.code, str(error))
        except OSError:
            return

    async def _processed(self, receive: Receive, send: Send) -> None:
        # INVARIANT: an answer for each message; a stream that ends without one passes the warehouse's answer on.
        messages = Messages(MAX_REQUEST_BYTES)
        await send(_START)
        while True:
            event = await receive()
            if event["type"] != "http.request":
                return
            for data in messages.feed(event.get("body", b"")):
                await send(
                    {"type": "http.response.body", "body": framed(self._process(data)), "more_body": True}
                )
            if not event.get("more_body"):
                break
        await send({"type": "http.response.body", "body": b""})
        await send(_END)

    async def _asked_for_health(self, receive: Receive, send: Send, *, watched: bool) -> None:
        body = b""
        more = True
        while more and len(body) <= _MAX_HEALTH_BYTES:
            event = await receive()
            if event["type"] != "http.request":
                return
            body += event.get("body", b"")
            # A stream of the client's is half closed after its one message, perhaps later than that.
            more = event.get("more_body", False) and len(body) < PREFIX_BYTES + int.from_bytes(
                body[1:PREFIX_BYTES], "big"
            )
        try:
            service = health_pb2.HealthCheckRequest.FromString(message_of(body, _MAX_HEALTH_BYTES)).service
        except DecodeError:
            raise FramingError(Code.INTERNAL, "not a HealthCheckRequest") from None
        if watched:
            await self._watched(service, receive, send)
            return
        status = self._health.get(service)
        if status is None:
            await _refuse(send, Code.NOT_FOUND, "no such service")
            return
        await send(_START)
        await send({"type": "http.response.body", "body": framed(_STATUS(status=status).SerializeToString())})
        await send(_END)

    async def _watched(self, service: str, receive: Receive, send: Send) -> None:
        await send(_START)
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            while not gone.done() and not self._closing:
                changed = asyncio.ensure_future(self._changed.wait())
                answer = _STATUS(status=self._health.get(service, _STATUS.SERVICE_UNKNOWN))
                await send(
                    {
                        "type": "http.response.body",
                        "body": framed(answer.SerializeToString()),
                        "more_body": True,
                    }
                )
                await asyncio.wait({changed, gone}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
        finally:
            gone.cancel()


async def _sent(*events: Awaitable[None]) -> None:
    for event in events:
        with suppress(OSError):
            await event


async def _refuse(send: Send, code: Code, message: str) -> None:
    with suppress(OSError):
        await send({"type": "http.response.start", "status": 200, "headers": refusal(code, message)})
        await send({"type": "http.response.body", "body": b""})


def refusal(code: Code, message: str) -> list[tuple[bytes, bytes]]:
    """The headers of a status without an answer. `message` is of our own words, in ASCII without `%`."""
    return [
        _CONTENT_TYPE,
        (b"grpc-status", str(int(code)).encode()),
        (b"grpc-message", message.encode("ascii", "replace")),
    ]


def _seconds_left(scope: Scope) -> float | None:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    for name, value in headers:
        if name == b"grpc-timeout":
            return seconds_of(value.decode("latin-1"))
    return None


async def _until_gone(receive: Receive) -> None:
    """Looks again and again: behind the end of a request, pyvoy says at once that there is no more, as long as somebody waits."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if (await receive())["type"] == "http.disconnect":
            return


async def _unless_gone(work: Coroutine[Any, Any, bytes], receive: Receive, seconds: float | None) -> bytes:
    """What `work` gives. Raises OSError if the caller goes before, `FramingError` after so many `seconds`."""
    answering = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        await asyncio.wait({answering, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            return answering.result()
        left = gone.done()
    finally:
        gone.cancel()
        if not answering.done():
            answering.cancel()
            # A check that is given up is noted as a denial before it ends.
            await asyncio.wait({answering})
    if left:
        raise ConnectionAbortedError
    raise FramingError(Code.DEADLINE_EXCEEDED, "the caller's time is over")
