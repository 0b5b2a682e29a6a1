"""What a trail is written to."""

import os
from collections.abc import Sequence
from typing import Protocol

from authz.audit.tail import Tail


class Store(Protocol):
    """Holds lines in order. Used by one thread. Everything that goes wrong is an OSError."""

    @property
    def is_broken(self) -> bool:
        """Whether it is not known what was written last, so that `open` must find out."""

    def open(self) -> Tail | None:
        """Find the end of what is there; what stands at it, if anything does."""

    def append(self, lines: Sequence[bytes], *, durable: bool) -> None:
        """Add lines, all or none; with `durable`, return when they outlive a loss of power."""

    def wants_rotation(self, now: float) -> bool:
        """Whether it is time for a new file. `now` is in seconds since the epoch."""

    def rotate(self, now: float, name: str) -> None:
        """Put the file away under a name with `name` in it, and begin a new one."""

    def reopen(self) -> bool:
        """Look whether somebody has moved the file away; if so, begin a new one: whether that was so."""

    def close(self) -> None:
        """Let go. Raises nothing."""


class Descriptor:
    """An open descriptor such as stdout's: nobody can know what became of what was written to it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.is_broken = True

    def open(self) -> None:
        self.is_broken = False

    def append(self, lines: Sequence[bytes], *, durable: bool) -> None:
        if durable:
            raise OSError("nothing that is written here is known to be durable")
        data = b"".join(lines)
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError:
                self.is_broken = True
                raise

    def wants_rotation(self, now: float) -> bool:  # noqa: ARG002 - as in `Store`
        return False

    def rotate(self, now: float, name: str) -> None:
        raise NotImplementedError

    def reopen(self) -> bool:
        return False

    def close(self) -> None:
        pass
