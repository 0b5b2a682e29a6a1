"""Answers that take a while."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def later(settled: asyncio.Event, noted: list[str]) -> Callable[[bytes], Coroutine[Any, Any, bytes]]:
    """In place of an engine's `begin`: the answer comes when it is `settled`; who gives it up before is `noted`."""

    async def answer(_: bytes) -> bytes:
        try:
            await settled.wait()
        except asyncio.CancelledError:
            noted.append("given up")
            raise
        return b"answer"

    return answer
