"""What a server is told from outside, and what its end says. Imports nothing heavy: a supervisor needs it before all else."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

EXIT_STOPPED: Final = 0
EXIT_POLICY_REFUSED: Final = 1
EXIT_CANNOT_START: Final = 2


class Orders:
    """What a server is told from outside, by signals or by its supervisor."""

    def __init__(self) -> None:
        self.stops: asyncio.Queue[signal.Signals] = asyncio.Queue()
        """SIGTERM: be left in peace; SIGINT: now. A second one cuts short what the first has begun."""
        self.hangup = asyncio.Event()
        """Look at all files, and open the audit file anew."""

    def follow_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """For the main thread of a process of its own."""
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stops.put_nowait, number)
        loop.add_signal_handler(signal.SIGHUP, self.hangup.set)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The one of uvloop where that installs: it halves what gRPC costs. None stands for asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - there is none for every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
