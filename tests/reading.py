"""The processes that read a policy for a worker that answers meanwhile."""

from pathlib import Path


def policy_read_by(pid: int) -> Path | None:
    """The place of the policy; None for any other process, and for one that is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return None
    return Path(words[-2]) if words[-3:-2] == ["authz.loadingprocess"] else None


def readers(below: Path) -> list[int]:
    """Those that read one that is at this place, or below it."""
    pids = [int(process.name) for process in Path("/proc").glob("[0-9]*")]
    places = {pid: place for pid in pids if (place := policy_read_by(pid)) is not None}
    return [pid for pid, place in places.items() if place.is_relative_to(below)]
