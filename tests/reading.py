"""The processes that read a policy for a worker that answers meanwhile."""

import contextlib
from pathlib import Path


def readers(below: Path) -> list[int]:
    """Those that read one that is at this place, or below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            *_, module, place, _ = [b"", b"", *(process / "cmdline").read_bytes().split(b"\0")]
            if module == b"authz.loadingprocess" and Path(place.decode()).is_relative_to(below):
                found.append(int(process.name))
    return found
