"""Stands between Envoy and a worker: passes everything on, but for the binding of answers, which fails as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from enum import Enum, auto
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

import grpc

from authz.transport.checkserver import PROCESSING_SERVICE, SERVICE

_HEALTH = "grpc.health.v1.Health"


class Binding(Enum):
    """What becomes of a stream of external processing."""

    GOOD = auto()
    HANGS = auto()
    FAILS = auto()
    EMPTY = auto()
    """An answer that says nothing."""
    GARBAGE = auto()
    ENDS = auto()
    """The stream ends without an answer, and without an error."""


class BindingRelay:
    """Listens on `sockets`, for the worker at `worker`."""

    def __init__(self, sockets: Sequence[Path], worker: Path) -> None:
        self.binding = Binding.GOOD
        self._sockets, self._worker = sockets, worker
        self._ready, self._loop = Event(), asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        async with grpc.aio.insecure_channel(f"unix:{self._worker}") as channel:
            server = grpc.aio.server()
            server.add_generic_rpc_handlers(
                (
                    _unary(SERVICE, "Check", channel.unary_unary(f"/{SERVICE}/Check")),
                    _unary(_HEALTH, "Check", channel.unary_unary(f"/{_HEALTH}/Check")),
                    grpc.method_handlers_generic_handler(
                        PROCESSING_SERVICE,
                        {"Process": grpc.stream_stream_rpc_method_handler(self._processing(channel))},
                    ),
                )
            )
            for path in self._sockets:
                server.add_insecure_port(f"unix:{path}")
            await server.start()
            self._ready.set()
            await self._end.wait()
            await server.stop(0)

    def _processing(self, channel: grpc.aio.Channel) -> Callable[..., AsyncIterator[bytes]]:
        process = channel.stream_stream(f"/{PROCESSING_SERVICE}/Process")

        async def processed(messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            match self.binding:
                case Binding.GOOD:
                    async for answer in process(messages):
                        yield answer
                case Binding.HANGS:
                    await asyncio.sleep(60)
                case Binding.FAILS:
                    await context.abort(grpc.StatusCode.INTERNAL, "told to")
                case Binding.EMPTY:
                    yield b""
                case Binding.GARBAGE:
                    yield b"\xff\xff"
                case Binding.ENDS:
                    return

        return processed


def _unary(service: str, method: str, call: Callable[[bytes], Any]) -> grpc.GenericRpcHandler:
    async def passed(data: bytes, _: Any) -> bytes:
        answer: bytes = await call(data)
        return answer

    return grpc.method_handlers_generic_handler(
        service, {method: grpc.unary_unary_rpc_method_handler(passed)}
    )
