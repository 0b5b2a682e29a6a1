"""Messages of gRPC in the body of an HTTP/2 request or answer.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: one byte that says whether a message is compressed, its
length in four bytes (big endian), the message.
"""

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

PREFIX_BYTES: Final = 5

_TIMEOUT: Final = re.compile(r"(?P<count>[0-9]{1,8})(?P<unit>[HMSmun])\Z", re.ASCII)
_SECONDS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class Code(IntEnum):
    """The status codes of gRPC that a server here answers with."""

    OK = 0
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class FramingError(Exception):
    """A body that is no message; `code` is what gRPC answers."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def framed(message: bytes) -> bytes:
    """One message, not compressed, as it stands in a body."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def message_of(body: bytes, most: int) -> bytes:
    """The one message of the body of a unary call. Raises `FramingError`; `most` is in bytes."""
    if len(body) < PREFIX_BYTES or body[0] or len(body) != PREFIX_BYTES + int.from_bytes(body[1:5], "big"):
        # Says what is wrong with it, in the words of a stream.
        found = list(Messages(most).feed(body))
        raise FramingError(
            Code.INTERNAL, f"got {len(found)} whole messages or more, expected one and nothing else"
        )
    if len(body) > PREFIX_BYTES + most:
        raise _too_long(len(body) - PREFIX_BYTES, most)
    return body[PREFIX_BYTES:]


def _too_long(length: int, most: int) -> FramingError:
    return FramingError(Code.RESOURCE_EXHAUSTED, f"got a message of {length} bytes, at most {most} are taken")


class Messages:
    """The messages of a stream, whose bodies come in any pieces."""

    __slots__ = ("_most", "_rest")

    def __init__(self, most: int) -> None:
        """`most` is the longest accepted message in bytes."""
        self._most = most
        self._rest = b""

    @property
    def is_whole(self) -> bool:
        """Whether nothing of a message is left over."""
        return not self._rest

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The messages that end in `piece`. Raises `FramingError` for one that is compressed or too long."""
        rest = self._rest + piece
        try:
            while len(rest) >= PREFIX_BYTES:
                if rest[0]:
                    raise FramingError(Code.UNIMPLEMENTED, "got a compressed message, expected none")
                length = int.from_bytes(rest[1:PREFIX_BYTES], "big")
                if length > self._most:
                    raise _too_long(length, self._most)
                end = PREFIX_BYTES + length
                if len(rest) < end:
                    break
                message, rest = rest[PREFIX_BYTES:end], rest[end:]
                yield message
        finally:
            self._rest = rest


def seconds_of(timeout: str) -> float | None:
    """A `grpc-timeout` in seconds; None for one that cannot be read."""
    match = _TIMEOUT.match(timeout)
    return None if match is None else int(match["count"]) * _SECONDS[match["unit"]]
