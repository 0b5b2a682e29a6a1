"""The looks at one place, by number, and who waits for the end of one."""

import asyncio


class Looks:
    """Numbers looks from 1, one at a time. For one event loop."""

    __slots__ = ("_ended", "_waiting", "begun")

    def __init__(self) -> None:
        self.begun = 0
        self._ended = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def ended(self) -> int:
        """The number of the last look that has ended."""
        return self._ended

    def begin(self) -> None:
        """The next look begins."""
        self.begun += 1

    def end(self) -> None:
        """Every look that has begun has ended, and what it brought is in force."""
        self._ended = self.begun
        for number, future in self._waiting:
            if number <= self._ended and not future.done():
                future.set_result(None)

    async def wait_for(self, number: int, seconds: float) -> bool:
        """Wait for the end of a look, but no longer than `seconds`; whether it has ended."""
        if number <= self._ended:
            return True
        entry = (number, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(seconds):
                await entry[1]
        except TimeoutError:
            return False
        finally:
            self._waiting.remove(entry)
        return True
