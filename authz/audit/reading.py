"""Files of a trail, plain or compressed, in the order in which they were written."""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from authz.audit.tail import BEGINNING, tail_of_file

MAX_LINE_BYTES: Final = 64 * 2**20
"""Longest line that is read. A policy's line names every group that its rules do; a record is a few kilobytes."""
_SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".gz", ".log", ".json")


class CannotReadError(Exception):
    """A trail that cannot be read. The text is for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailFile:
    """A file and what its first line says: whose it is, its number, when."""

    path: Path
    bytes: int
    writer: str = ""
    seq: int = 0
    at: float = 0.0
    after: str | None = None
    """The writer whose end the first line names."""
    last_writer: str | None = None
    """Whose the last line is, where that can be found without reading all of it."""


def find_files(places: Iterable[Path]) -> list[TrailFile]:
    """The files of a trail in the order of writing; directories give what they hold. Raises `CannotReadError`."""
    paths: dict[Path, None] = {}
    for place in places:
        if place.is_dir():
            found = [path for path in place.iterdir() if path.is_file() and _belongs(path)]
            if not found:
                raise CannotReadError(f"{place}: no files of a trail (*.jsonl, *.jsonl.gz) in it")
            paths |= dict.fromkeys(sorted(found))
        else:
            paths[place] = None
    return _in_order([_described(path) for path in paths])


def _belongs(path: Path) -> bool:
    return ".jsonl" in path.name and not path.name.endswith(".part")


def lines_in(path: Path, read: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
    """Every line with its newline, if it has one. `read` is told how many bytes of the file were read since.

    Raises OSError, or EOFError and zlib.error for a compressed file that is damaged.
    """
    with path.open("rb") as raw:
        # A file is compressed by what is in it, not by what it is called.
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        source = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
        told = 0
        for number, line in enumerate(iter(lambda: source.readline(MAX_LINE_BYTES), b"")):
            yield line
            if number % 4_096 == 0:
                read(raw.tell() - told)
                told = raw.tell()
        read(raw.tell() - told)


def _described(path: Path) -> TrailFile:
    try:
        size = path.stat().st_size
        first = next(lines_in(path), b"")
    except FileNotFoundError:
        raise CannotReadError(f"{path}: no such file") from None
    except PermissionError as error:
        raise CannotReadError(f"{path}: {error.strerror}") from None
    except (OSError, EOFError, ValueError):
        return TrailFile(path=path, bytes=path.stat().st_size)
    found = BEGINNING.match(first)
    if found is None:
        return TrailFile(path=path, bytes=size)
    at, after = 0.0, None
    with suppress(ValueError, TypeError, AttributeError):
        members = json.loads(first)
        at = float(members.get("at", 0.0))
        after = (members.get("after") or {}).get("writer")
    last = None if path.suffix == ".gz" else tail_of_file(path)
    return TrailFile(
        path=path,
        bytes=size,
        writer=found[2].decode(),
        seq=int(found[3]),
        at=at,
        after=after,
        last_writer=None if last is None else last.writer,
    )


def _in_order(files: list[TrailFile]) -> list[TrailFile]:
    """A writer's files by number; a writer behind the one whose end it names, or in whose file it began; else by the
    time of the first line: a clock may have been set back meanwhile.
    """
    groups: dict[str, list[TrailFile]] = {}
    for file in sorted(files, key=lambda file: (file.at, file.seq, str(file.path))):
        groups.setdefault(file.writer, []).append(file)
    begun_in = {
        file.last_writer: file.writer for file in files if file.last_writer not in {None, file.writer}
    }
    ordered: list[TrailFile] = []
    done: set[str] = set()

    def place(writer: str) -> None:
        # A loop, so that a forged circle of names ends, too.
        waiting = [writer]
        while waiting:
            current = waiting[-1]
            named = next((file.after for file in groups.get(current, ()) if file.after), None)
            before = named or begun_in.get(current)
            if current in done or current not in groups:
                waiting.pop()
            elif before in groups and before not in done and before not in waiting:
                waiting.append(before)
            else:
                waiting.pop()
                done.add(current)
                ordered.extend(sorted(groups[current], key=lambda file: (file.seq, str(file.path))))

    for writer in groups:
        place(writer)
    return ordered
