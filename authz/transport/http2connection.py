"""One connection over HTTP/2, and its calls: zttp takes the bytes apart, `asgi` answers.

A check whose answer is known at once is answered while what has arrived is read: no task, no thread and no other process
stands between, and answers leave two by two. zttp is a parser without I/O, whose limits are those of a connection here: 128
open streams, 64 KiB of headers, an HTTP/2 window for each body.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

import zttp

from authz.transport.asgi import CHECK_PATH, CLOSED, AsgiServer, Event, Scope, refusal
from authz.transport.checkserver import MAX_REQUEST_BYTES
from authz.transport.framing import PREFIX_BYTES, Code, FramingError, framed, message_of

STREAMS: Final = 3_000
"""Calls of a connection before its client is asked to come anew. INVARIANT: so far below the 4,096 at which zttp ends a
connection that what a client sends before it has read that (128 may be open) does not get there."""

PATIENCE_SECONDS: Final = 5.0
"""How long a client that was asked to leave may take. Closed at once, its connection could lose a call on its way."""

_LAST_STREAM: Final = 2**31 - 1
"""In the word that no more calls are taken: all that are on their way still are (RFC 9113, section 6.8)."""

_TOGETHER: Final = 2
"""Answers that leave together, of many questions that came together: Envoy works on them while the next are found. All at
once, it and this process wait for each other by turns, and a sixth fewer requests get through both (measured)."""

_CHECK: Final = CHECK_PATH.encode()
_HEADERS: Final = [(b"content-type", b"application/grpc")]
_TRAILERS: Final = [(b"grpc-status", b"0")]
_INTERNAL_ERROR: Final = 2  # RFC 9113, section 7
_MOST_UNREAD: Final = PREFIX_BYTES + MAX_REQUEST_BYTES
_HEAD_BYTES: Final = 9  # of a frame, RFC 9113, section 4.1
_HEADERS_FRAME: Final = 1  # RFC 9113, section 6.2
_NOTHING_REMEMBERED: Final = b"\x20"  # RFC 7541, section 6.3: from here on the dynamic table has no bytes


class Http2Connection(asyncio.Protocol):
    """One connection of a client's; `beside` are those of the same listener, of which there are `most`."""

    def __init__(self, server: AsgiServer, beside: "set[Http2Connection]", most: int) -> None:
        self._server = server
        self._beside = beside
        self._most = most
        self._http2 = zttp.Connection(zttp.SERVER, zttp.HTTP2)
        self._loop = asyncio.get_running_loop()
        self._lost = self._loop.create_future()
        self._checks: dict[int, _Asked] = {}
        self._calls: dict[int, _Call] = {}
        self._streams = 0
        self._unsent = 0
        self._fields_sent = False
        self._leaving = False
        self._flushing = False

    # Python 3.11 has no typing.override, hence the remarks.
    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # type: ignore[explicit-override]
        # uvloop's transport is one that can read and write, and is no `asyncio.Transport`.
        self._transport = cast("asyncio.Transport", transport)
        if len(self._beside) >= self._most:
            self._transport.abort()
            return
        self._beside.add(self)
        self._http2.initiate_connection()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:  # type: ignore[explicit-override]  # noqa: ARG002 - asyncio's
        self._beside.discard(self)
        self._checks.clear()
        for call in self._calls.values():
            call.leave()
        if not self._lost.done():
            self._lost.set_result(None)

    # Whoever does not read answers is not read: nothing piles up here.
    def pause_writing(self) -> None:  # type: ignore[explicit-override]
        self._transport.pause_reading()

    def resume_writing(self) -> None:  # type: ignore[explicit-override]
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:  # type: ignore[explicit-override]
        http2 = self._http2
        try:
            http2.receive_data(data)
            while (event := http2.next_event()) is not zttp.NEED_DATA:
                if isinstance(event, zttp.Data):
                    self._body(event.stream_id, event.data)
                elif isinstance(event, zttp.EndOfMessage):
                    self._body_ended(event.stream_id)
                elif isinstance(event, zttp.Request):
                    self._begun(event)
                elif isinstance(event, zttp.RstStream):
                    self._given_up(event.stream_id)
        except zttp.ProtocolError:
            # Its last word says what was wrong with what came.
            self._flush()
            self._transport.close()
            return
        self._flush()
        if self._leaving:
            self._leave_if_done()

    def _begun(self, request: zttp.Request) -> None:
        number = request.stream_id
        self._streams += 1
        if self._streams == STREAMS:
            self._http2.close(0, _LAST_STREAM)
            self._loop.call_later(PATIENCE_SECONDS, self._leave)
        if request.path == _CHECK:
            self._checks[number] = _Asked({"headers": request.headers})
            if request.end_stream:
                self._body_ended(number)
            return
        scope = {
            "type": "http",
            "path": request.path.decode("latin-1"),
            "query_string": request.query,
            "headers": request.headers,
        }
        call = self._calls[number] = _Call(self._http2.stream(number), self._flush_soon)
        if request.end_stream:
            call.end()
        self._run(number, call, self._server(scope, call.receive, call.send))

    def _body(self, number: int, data: bytes) -> None:
        check = self._checks.get(number)
        if check is None:
            call = self._calls.get(number)
            if call is not None and not call.take(data):
                self._http2.stream(number).reset(_INTERNAL_ERROR)
                self._given_up(number)
            return
        check.pieces.append(data)
        check.size += len(data)
        if check.size > _MOST_UNREAD:
            # Refused now, whatever else is still to come.
            self._body_ended(number)

    def _body_ended(self, number: int) -> None:
        check = self._checks.pop(number, None)
        if check is None:
            call = self._calls.get(number)
            if call is not None:
                call.end()
            return
        stream = self._http2.stream(number)
        if self._server.closing:
            stream.send_response(200, refusal(Code.UNAVAILABLE, CLOSED), end_stream=True)
            return
        try:
            data = message_of(b"".join(check.pieces), MAX_REQUEST_BYTES)
            answer = self._server.begun(check.scope, data)
        except FramingError as error:
            stream.send_response(200, refusal(error.code, str(error)), end_stream=True)
            return
        except Exception as defect:  # noqa: BLE001 - one check must not take the others of its connection with it
            self._loop.call_exception_handler({"message": "a check failed", "exception": defect})
            stream.send_response(200, refusal(Code.INTERNAL, "a defect"), end_stream=True)
            return
        if isinstance(answer, bytes):
            stream.send_response(200, _HEADERS)
            stream.send_data(framed(answer))
            stream.end_message(_TRAILERS)
            self._unsent += 1
            if self._unsent >= _TOGETHER:
                self._flush()
            return
        call = self._calls[number] = _Call(stream, self._flush_soon, told=True)
        self._run(number, call, self._server.answered(answer, check.scope, call.receive, call.send))

    def _run(self, number: int, call: "_Call", answering: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(answering)
        # The loop itself holds a task only weakly.
        call.task = task
        task.add_done_callback(lambda done: self._ran(number, call, done))

    def _ran(self, number: int, call: "_Call", task: "asyncio.Task[None]") -> None:
        if self._calls.pop(number, None) is not None and not call.answered and not call.gone:
            # A stream that is watched has no other end, and a defect has no answer.
            self._http2.stream(number).reset(_INTERNAL_ERROR)
            self._flush_soon()
        if not task.cancelled() and (defect := task.exception()) is not None:
            self._loop.call_exception_handler({"message": "a call failed", "exception": defect})
        self._leave_if_done()

    def _given_up(self, number: int) -> None:
        self._checks.pop(number, None)
        call = self._calls.pop(number, None)
        if call is not None:
            call.leave()

    def _leave(self) -> None:
        self._leaving = True
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        # What the client has not opened its window for is still to be sent.
        if self._leaving and not (self._calls or self._checks or self._http2.has_pending_send()):
            self._flush()
            self._transport.close()

    def end(self) -> "asyncio.Future[None]":
        """Say that there is no more, and go; done when it is gone."""
        for call in self._calls.values():
            if call.task is not None:
                call.task.cancel()
        if not self._transport.is_closing():
            self._http2.close()
            self._flush()
            self._transport.close()
        return self._lost

    def abort(self) -> None:
        """Go without another word, if it is still there: it may never read the last one."""
        self._transport.abort()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._unsent = 0
        data = self._http2.data_to_send()
        if not self._fields_sent:
            data, self._fields_sent = _without_table(data)
        if data and not self._transport.is_closing():
            self._transport.write(data)


def _without_table(frames: bytes) -> tuple[bytes, bool]:
    """Has the first block of fields among the `frames` say that it is encoded without a dynamic table; whether there is one.

    zttp uses none, and does not say so. A client whose SETTINGS allow fewer than 4,096 bytes of it waits for that word, and
    otherwise ends the connection (RFC 7541, section 4.2): Envoy with `hpack_table_size`, as every user of nghttp2.
    """
    start = 0
    while start < len(frames):
        length = int.from_bytes(frames[start : start + 3])
        block = start + _HEAD_BYTES
        if frames[start + 3] == _HEADERS_FRAME:
            longer = (length + len(_NOTHING_REMEMBERED)).to_bytes(3)
            return b"".join(
                (frames[:start], longer, frames[start + 3 : block], _NOTHING_REMEMBERED, frames[block:])
            ), True
        start = block + length
    return frames, False


class _Asked:
    """A check whose question is still coming, in pieces: joined once, however many somebody makes of it."""

    __slots__ = ("pieces", "scope", "size")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.pieces: list[bytes] = []
        self.size = 0


class _Call:
    """A call that is not answered while it is read: its two ends in ASGI.

    `told` says that what there is of the body was read already; `flush` sends what was written, a moment later.
    """

    __slots__ = (
        "_flush", "_news", "_over", "_pieces", "_size", "_start", "_stream", "_told", "answered", "gone", "task",
    )  # fmt: skip

    def __init__(self, stream: zttp.Stream, flush: Callable[[], None], *, told: bool = False) -> None:
        self.answered = False
        self.gone = False
        self.task: asyncio.Task[None] | None = None
        self._stream = stream
        self._flush = flush
        self._news = asyncio.Event()
        self._over = told
        self._told = told
        self._pieces: list[bytes] = []
        self._size = 0
        self._start: Event | None = None

    def take(self, data: bytes) -> bool:
        """A piece of the body; whether it is still taken. Nobody may fill the memory with what is not read yet."""
        self._pieces.append(data)
        self._size += len(data)
        self._news.set()
        return self._size <= _MOST_UNREAD

    def end(self) -> None:
        """There is no more of the body."""
        self._over = True
        self._news.set()

    def leave(self) -> None:
        """The caller is gone."""
        self.gone = True
        self._news.set()

    async def receive(self) -> Event:
        """See ASGI: what came of the body, and behind its end nothing until the caller goes."""
        while not (self.gone or self._pieces or (self._over and not self._told)):
            self._news.clear()
            await self._news.wait()
        if self.gone:
            return {"type": "http.disconnect"}
        body = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._told = self._over
        return {"type": "http.request", "body": body, "more_body": not self._over}

    async def send(self, event: Event) -> None:
        """See ASGI. Raises OSError for a caller that is gone."""
        if self.gone:
            raise ConnectionResetError
        match event["type"]:
            case "http.response.start" if event.get("trailers"):
                self._stream.send_response(200, event["headers"])
            case "http.response.start":
                # Of a refusal, which ends with its headers: gRPC takes a status in no other place but behind the answer.
                self._stream.send_response(200, event["headers"], end_stream=True)
                self.answered = True
            case "http.response.body" if event["body"]:
                self._stream.send_data(event["body"])
            case "http.response.trailers":
                self._stream.end_message(event["headers"])
                self.answered = True
            case _:
                pass
        self._flush()
