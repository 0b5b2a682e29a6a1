"""The line between a worker and its supervisor: a socket pair, on which each sends lines of JSON.

The supervisor orders; a worker says where it listens, and with what status it has ended. The end of the line is an order,
too: a worker whose supervisor is gone drains and stops, so that none outlives the service.
"""

import asyncio
import json
import signal
import socket
from contextlib import suppress
from typing import Any, Final, Self

from authz.orders import Orders

MAX_LINE_BYTES: Final = 1 << 20
STOP: Final = "stop"
HANGUP: Final = "hangup"
LISTENING: Final = "listening"
ENDED: Final = "ended"


class Link:
    """One end of the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """The line over one end of a socket pair, which it owns from now on."""
        end.setblocking(False)
        return cls(*await asyncio.open_connection(sock=end, limit=MAX_LINE_BYTES))

    def say(self, **words: object) -> None:
        """Send one line. Says nothing to an end that is gone."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps(words).encode() + b"\n")

    async def hear(self) -> dict[str, Any] | None:
        """The next line; None at the end of the line."""
        try:
            line = await self._reader.readline()
            said = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            return None
        return said if isinstance(said, dict) else None

    async def close(self) -> None:
        """Hang up, when what was said is sent."""
        with suppress(OSError):
            await self._writer.drain()
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def obey(link: Link, orders: Orders) -> None:
    """Turn what the supervisor says into orders, until the line ends."""
    while (said := await link.hear()) is not None:
        if said.get(HANGUP):
            orders.hangup.set()
        if STOP in said:
            orders.stops.put_nowait(signal.Signals[said[STOP]])
    orders.stops.put_nowait(signal.SIGTERM)
