"""A clock of its own for a worker: Debian's libfaketime stands between it and the system's."""

from pathlib import Path

import pytest

_PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime")


class Clock:
    """How far the workers' clock is from the real one, in seconds, from the file `place` on.

    With `passes`, so much time has passed (their timers run, too); else the clock has been set, and nothing has passed.
    """

    def __init__(self, place: Path, *, seconds: int = 0, passes: bool = False) -> None:
        self._place = place
        self._passes = passes
        self.set(seconds)

    @property
    def environment(self) -> dict[str, str]:
        """For the workers."""
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._place),
            "FAKETIME_CACHE_DURATION": "1",
            # Of when files were changed the truth is told.
            "NO_FAKE_STAT": "1",
            **({} if self._passes else {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}),
        }

    def set(self, seconds: int) -> None:
        """From within a second from now on."""
        fresh = self._place.with_name(f".{self._place.name}.new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self._place)


def _library() -> Path:
    for pattern in _PLACES:
        for folder in sorted(Path("/").glob(pattern.lstrip("/"))):
            found = folder / "libfaketimeMT.so.1"
            if found.is_file():
                return found
    pytest.fail("libfaketime is not installed: on Debian, `apt-get install faketime`", pytrace=False)
