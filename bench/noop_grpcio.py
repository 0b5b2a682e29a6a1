"""The floor of the grpcio engine: grpc.aio on uvloop, one answer for every check.

python bench/noop_grpcio.py ADDRESS ANSWER_FILE
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop

SERVICE = "envoy.service.auth.v3.Authorization"


async def main(address: str, answer: bytes) -> None:
    async def check(_: bytes, __: Any) -> bytes:
        return answer

    server = grpc.aio.server()
    handlers = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(address)
    await server.start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop(None)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]).read_bytes()))
