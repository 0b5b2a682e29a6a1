"""A server over HTTP/2 on a socket, and a client that shows what it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import zttp

from authz.transport.addresses import UnixAddress
from authz.transport.answers import AnswerWriter
from authz.transport.engine import Engine, Serving
from authz.transport.framing import Messages
from authz.transport.http2server import Http2Server
from tests.unit.transport.questions import question
from tests.unit.transport.test_engine import Notes

QUESTION = bytes(question().SerializeToString())
MOST_OPEN = 128
"""Streams at once, as the server's SETTINGS say."""


def made(**changes: Callable[..., Any]) -> Http2Server:
    """One whose engine has no policy: it answers each check with a denial."""
    engine = Engine(
        Serving(snapshot=None, answers=AnswerWriter(policy_version="", public_url=None), observer=Notes())
    )
    server = Http2Server(engine, lambda data: b"processed " + data)
    for name, value in changes.items():
        setattr(server, f"_{name}", value)
    return server


@asynccontextmanager
async def serving(directory: Path, **changes: Callable[..., Any]) -> AsyncIterator[tuple[Http2Server, Path]]:
    """One that listens, and its socket."""
    server, path = made(**changes), directory / "checks.sock"
    await server.start([UnixAddress(path)])
    try:
        yield server, path
    finally:
        await server.stop(1)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that comes soon."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - there is nobody to tell
            await asyncio.sleep(0.01)


class Stream:
    """What was heard of one call."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.reset: int | None = None
        self.over = asyncio.Event()

    @property
    def messages(self) -> list[bytes]:
        return list(Messages(1 << 20).feed(self.body))

    @property
    def status(self) -> int | None:
        """The status of gRPC, from wherever it stands."""
        found = [int(value) for name, value in self.headers if name == b"grpc-status"]
        return found[0] if found else None


class Client:
    """A client that knows of HTTP/2 what zttp does, and of gRPC nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.http2 = zttp.Connection(zttp.CLIENT, zttp.HTTP2)
        self.streams: dict[int, Stream] = {}
        self.goodbyes: list[tuple[int, int]] = []
        self.ended = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def at(cls, path: Path) -> "Client":
        return cls(*await asyncio.open_unix_connection(path))

    def ask(
        self, path: str, body: bytes | None = None, *, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> tuple[Stream, zttp.Stream]:
        """A call; with a `body`, all of it."""
        common = [
            (b"host", b"scopegate"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
            *headers,
        ]
        opened = self.http2.send_request(b"POST", path.encode(), b"2", common)
        if body is not None:
            opened.send_data(body)
            opened.end_message()
        heard = self.streams[opened.stream_id] = Stream()
        self.flush()
        return heard, opened

    async def answer(self, path: str, body: bytes, **more: Any) -> Stream:
        heard, _ = self.ask(path, body, **more)
        async with asyncio.timeout(10):
            await heard.over.wait()
        return heard

    def flush(self) -> None:
        self.writer.write(self.http2.data_to_send())

    async def close(self) -> None:
        self.writer.close()
        await self._reading

    async def _read(self) -> None:
        with suppress(ConnectionError):
            while data := await self._reader.read(1 << 16):
                self.http2.receive_data(data)
                while (event := self.http2.next_event()) is not zttp.NEED_DATA:
                    self._hear(event)
                self.flush()
        self.writer.close()
        self.ended.set()
        for stream in self.streams.values():
            stream.over.set()

    def _hear(self, event: object) -> None:
        if isinstance(event, zttp.GoAway):
            self.goodbyes.append((event.error_code, event.last_stream_id))
        if not isinstance(event, zttp.Response | zttp.Data | zttp.EndOfMessage | zttp.RstStream):
            return
        stream = self.streams[event.stream_id]
        match event:
            case zttp.Response():
                stream.headers += event.headers
            case zttp.Data():
                stream.body += event.data
            case zttp.EndOfMessage():
                stream.headers += event.trailers
                stream.over.set()
            case zttp.RstStream():
                stream.reset = event.error_code
                stream.over.set()
