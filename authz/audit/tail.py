"""What stands at the end of a trail's file: how a new writer finds the one before it."""

import gzip
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

BEGINNING: Final = re.compile(
    rb'\{"v":1,"kind":"([a-z]{1,16})","writer":"([A-Za-z0-9._-]{18,80})","seq":(0|[1-9][0-9]{0,17}),"prev":"([0-9a-f]{64})",'
)
"""What every line begins with: kind, writer, number, hash of the line before."""

_CHUNK: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The last whole line of a trail, and what was left of one behind it."""

    writer: str
    seq: int
    hash: str
    torn: bytes

    @property
    def predecessor(self) -> dict[str, object]:
        """As a new writer's first line names it."""
        torn = None
        if self.torn:
            torn = {"bytes": len(self.torn), "sha256": hashlib.sha256(self.torn).hexdigest()}
        return {"writer": self.writer, "seq": self.seq, "hash": self.hash, "torn": torn}


def tail_of(file: BinaryIO) -> Tail | None:
    """The end of an open file; None where no line of a trail stands there."""
    last, torn = _last_line(file)
    found = BEGINNING.match(last)
    if found is None:
        return None
    return Tail(
        writer=found[2].decode("ascii"), seq=int(found[3]), hash=hashlib.sha256(last).hexdigest(), torn=torn
    )


def tail_of_file(path: Path) -> Tail | None:
    """The end of a file that is not written to any more, plain or compressed. Raises OSError."""
    if path.suffix == ".gz":
        return _tail_of_compressed(path)
    with path.open("rb") as file:
        return tail_of(file)


def _last_line(file: BinaryIO) -> tuple[bytes, bytes]:
    """The last line that has an end, without it, and what follows it."""
    at = file.seek(0, os.SEEK_END)
    data = b""
    while at > 0 and data.count(b"\n") < 2:
        step = min(_CHUNK, at)
        at -= step
        file.seek(at)
        data = file.read(step) + data
    whole, _, torn = data.rpartition(b"\n")
    return whole.rpartition(b"\n")[2], torn


def _tail_of_compressed(path: Path) -> Tail | None:
    with gzip.open(path, "rb") as file:
        last = b""
        for line in file:
            last = line
    found = BEGINNING.match(last)
    if found is None or not last.endswith(b"\n"):
        return None
    return Tail(
        writer=found[2].decode("ascii"),
        seq=int(found[3]),
        hash=hashlib.sha256(last[:-1]).hexdigest(),
        torn=b"",
    )
