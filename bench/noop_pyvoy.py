"""The floor of the pyvoy engine: an ASGI application in Envoy, one answer for every check.

    python bench/noop_pyvoy.py ADDRESS ANSWER_FILE

runs Envoy with this module as its application. A unary gRPC answer is five bytes of prefix, the message, and the
trailer `grpc-status`.
"""

import json
import os
import struct
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]

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


async def application(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] != "http":
        raise RuntimeError(f"no {scope['type']} here")
    parts = []
    while True:
        event = await receive()
        parts.append(event.get("body", b""))
        if not event.get("more_body", False):
            break
    b"".join(parts)
    await send(START)
    await send(BODY)
    await send(TRAILERS)


def main(address: str, answer: Path) -> None:
    from pyvoy import PyvoyServer  # noqa: PLC0415 - Envoy imports this module, too, and needs none of it
    from pyvoy._server import get_envoy_environ, get_envoy_path  # noqa: PLC0415

    here = str(Path(__file__).parent)
    config = PyvoyServer("noop_pyvoy:application", lifespan=False).get_envoy_config()
    listener = config["static_resources"]["listeners"][0]
    if address.startswith("unix:"):
        listener["address"] = {"pipe": {"path": address.removeprefix("unix:")}}
    else:
        host, _, port = address.rpartition(":")
        listener["address"] = {"socket_address": {"address": host, "port_value": int(port)}}
    environ = {**os.environ, **get_envoy_environ(), "BENCH_ANSWER": str(answer)}
    environ["PYTHONPATH"] = f"{here}{os.pathsep}{environ['PYTHONPATH']}"
    arguments = ["--config-yaml", json.dumps(config), "--use-dynamic-base-id", "--log-level", "error"]
    os.execve(get_envoy_path(), ["envoy", *arguments, "--concurrency", "1"], environ)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
