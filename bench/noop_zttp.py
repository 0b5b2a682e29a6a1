"""The floor of the zttp engine: its server on uvloop, one answer for every check.

python bench/noop_zttp.py ADDRESS ANSWER_FILE
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from authz.transport.addresses import parse_address
from authz.transport.http2server import Http2Server

if TYPE_CHECKING:
    from authz.transport.engine import Engine


class _Fixed:
    """All of an engine that a server asks."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def begin(self, _: bytes) -> bytes:
        return self._answer

    def settle(self, *_: Any) -> None:
        """For traced checks, which there are none of without a gate of traces."""
        raise AssertionError("nothing is traced here")


async def main(address: str, answer: bytes) -> None:
    server = Http2Server(cast("Engine", _Fixed(answer)), lambda data: data)
    await server.start([parse_address(address)])
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]).read_bytes()))
