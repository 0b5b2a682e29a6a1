"""A connection over HTTP/2 as it is fuzzed: what a client sends in place of the frames of one that means well."""

import asyncio
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import zttp

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from authz.transport.asgi import CHECK_PATH, HEALTH_PATH, PROCESS_PATH, WATCH_PATH
from authz.transport.framing import framed
from authz.transport.http2connection import Http2Connection
from authz.transport.http2server import Http2Server
from tests.fuzz.targets import BrokenInvariantError, Fuzzed, engine_of, snapshot
from tests.unit.transport.questions import question

if TYPE_CHECKING:
    from authz.transport.engine import Engine


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def fuzz_connection(data: bytes) -> None:
    """Whatever the bytes: the connection goes on or ends, nothing is raised, and nobody is let in without a token."""
    _loop().run_until_complete(_fed(data))


async def _fed(data: bytes) -> None:
    problems: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(str(context)))
    engine, observer = engine_of(snapshot())
    answers: list[bytes] = []

    def begin(question: bytes) -> bytes:
        answers.append(engine.decide(question))
        return answers[-1]

    asked = cast("Engine", SimpleNamespace(begin=begin, settle=engine.settle))
    transport, connection = (
        Transport(),
        Http2Connection(Http2Server(asked, lambda message: message), set(), 1),
    )
    connection.connection_made(transport)
    # In pieces, as a socket gives them: how long one is stands in its first byte.
    rest = data
    while rest and not transport.closed:
        length = 1 + rest[0] * 16
        connection.data_received(rest[:length])
        rest = rest[length:]
        await asyncio.sleep(0)
    connection.connection_lost(None)
    for _ in range(3):
        await asyncio.sleep(0)
    if problems or observer.defects:
        raise BrokenInvariantError(f"a defect: {problems or observer.defects}")
    for answer in map(CheckResponse.FromString, answers):
        if not answer.HasField("status") or answer.status.code == 0:
            raise BrokenInvariantError("allowed without a token that was signed")
    _read(transport.written)


def _read(written: bytes) -> None:
    """What the server said is whole frames, whatever it was sent (RFC 9113, section 4.1)."""
    while written:
        end = 9 + int.from_bytes(written[:3], "big")
        if len(written) < end:
            raise BrokenInvariantError("a frame is cut")
        written = written[end:]


def _conversation(*calls: tuple[str, bytes]) -> bytes:
    client = zttp.Connection(zttp.CLIENT, zttp.HTTP2)
    for path, body in calls:
        stream = client.send_request(
            b"POST", path.encode(), b"2", [(b"host", b"x"), (b"grpc-timeout", b"1S")]
        )
        stream.send_data(body)
        stream.end_message()
    return client.data_to_send()


def connection_targets() -> dict[str, Fuzzed]:
    """The target by its name."""
    asked = framed(question().SerializeToString())
    return {
        "http2": Fuzzed(
            fuzz_connection,
            (
                _conversation((CHECK_PATH, asked)),
                _conversation((CHECK_PATH, asked), (CHECK_PATH, asked)),
                _conversation((PROCESS_PATH, framed(b"") * 2), (CHECK_PATH, asked)),
                _conversation((HEALTH_PATH, framed(b"")), (WATCH_PATH, framed(b""))),
                _conversation(("/none", b"")),
            ),
        )
    }
