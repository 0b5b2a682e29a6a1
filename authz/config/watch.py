"""Notices that files have changed: written in place, renamed over by an editor, or swapped by kubelet.

kubelet mounts a ConfigMap as a directory of symbolic links through `..data`, and swaps that one link. So
directories are watched, not files, and what is compared is what the paths lead to.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Final

from watchfiles import awatch

Fingerprint = frozenset[tuple[str, int, int, int, int]]

_QUIET_MILLISECONDS: Final = 100
_MAX_GROUPED_MILLISECONDS: Final = 500
_LOOK_ANYWAY_MILLISECONDS: Final = 2_000
"""Network file systems tell nobody of a change; a few `stat` calls now and then notice it all the same."""

_POLICY_SUFFIXES: Final = frozenset({".yaml", ".yml"})


def fingerprint(paths: Iterable[Path]) -> Fingerprint:
    """What tells one content of `paths` from the next: inode, size, mode and time of change of what they lead to.

    The mode, because a secret that was refused for it (`chmod o=`) is good now.

    A directory stands for the policy files in it. What does not exist (any more) has no entry.
    """
    found = []
    for path in sorted(set(paths)):
        for file in _files(path):
            try:
                status = file.stat()
            except OSError:
                continue
            found.append((str(file), status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns))
    return frozenset(found)


def _files(path: Path) -> list[Path]:
    try:
        return sorted(child for child in path.iterdir() if child.suffix in _POLICY_SUFFIXES)
    except OSError:
        return [path]


def directories(paths: Iterable[Path]) -> frozenset[Path]:
    """The existing directories in which a change of `paths` shows: where a link stands, and where it leads to."""
    found = set()
    for path in paths:
        for place in (path, path.resolve()):
            found.add(place if place.is_dir() else place.parent)
    return frozenset(directory for directory in found if directory.is_dir())


async def looks(paths: Callable[[], Iterable[Path]]) -> AsyncIterator[None]:
    """Yield whenever it is worth to compare fingerprints of `paths()`: after a burst of changes, and now and then."""
    while True:
        watched = directories(paths())
        if not watched:
            await asyncio.sleep(_LOOK_ANYWAY_MILLISECONDS / 1_000)
            yield
            continue
        events = awatch(
            *watched,
            watch_filter=None,
            debounce=_MAX_GROUPED_MILLISECONDS,
            step=_QUIET_MILLISECONDS,
            rust_timeout=_LOOK_ANYWAY_MILLISECONDS,
            yield_on_timeout=True,
            recursive=False,
        )
        async with aclosing(events):
            async for _ in events:
                yield
                if directories(paths()) != watched:
                    break
