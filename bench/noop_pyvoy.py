"""The floor of the pyvoy engine: an ASGI application in the Envoy of a worker, one answer for every check.

    python bench/noop_pyvoy.py ADDRESS ANSWER_FILE

runs that Envoy with this module as its application. A unary gRPC answer is five bytes of prefix, the message, and the
trailer `grpc-status`.
"""

import os
import struct
import sys
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ANSWER = Path(os.environ["BENCH_ANSWER"]).read_bytes() if "BENCH_ANSWER" in os.environ else b""
START: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/grpc")],
    "trailers": True,
}
BODY: Message = {"type": "http.response.body", "body": b"\0" + struct.pack(">I", len(ANSWER)) + ANSWER}
TRAILERS: Message = {
    "type": "http.response.trailers",
    "headers": [(b"grpc-status", b"0")],
    "more_trailers": False,
}


def application(scope: Message, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
    """Answer at once where the question came with the headers (`authz.workers.carrying`), as Scopegate does."""
    if scope["type"] == "lifespan":
        return lifespan(receive, send)
    if scope["query_string"]:
        return sent(send(START), send(BODY), send(TRAILERS))
    return checked(receive, send)


application._asgi_single_callable = True  # type: ignore[attr-defined]  # noqa: SLF001 - ASGI's mark


async def checked(receive: Receive, send: Send) -> None:
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await sent(send(START), send(BODY), send(TRAILERS))


async def sent(*events: Awaitable[None]) -> None:
    for event in events:
        await event


async def lifespan(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


def main(address: str, answer: Path) -> None:
    # Envoy imports this module, too, and needs none of it.
    from authz.telemetry.logs import LogFormat  # noqa: PLC0415
    from authz.transport.addresses import parse_address  # noqa: PLC0415
    from authz.workers.host import host_command  # noqa: PLC0415

    here = str(Path(__file__).parent)
    admin = Path(address.removeprefix("unix:")).with_suffix(".admin")
    command, more = host_command(
        (parse_address(address),), admin, 1_000, LogFormat.CONSOLE, "noop_pyvoy:application"
    )
    environ = {**os.environ, **more, "BENCH_ANSWER": str(answer)}
    environ["PYTHONPATH"] = f"{here}{os.pathsep}{environ['PYTHONPATH']}"
    os.execve(command[0], command, environ)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
