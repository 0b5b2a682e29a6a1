"""What a worker process is told when it is started, in its environment."""

import base64
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from authz.settings import Settings

VARIABLE: Final = "SCOPEGATE_WORKER_SPECIFICATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """`link` is the descriptor of its end of the line to the supervisor; `alone` says that there is no other worker.

    `settings` are its own: `http` is where the supervisor asks it. `host_admin` is the admin socket of the Envoy that it
    is embedded in.
    """

    number: int
    alone: bool
    link: int
    engine: str
    settings: Settings
    host_admin: Path | None = None

    def environment(self) -> dict[str, str]:
        """The variable that carries it."""
        return {VARIABLE: base64.b64encode(pickle.dumps(self)).decode()}

    @classmethod
    def inherited(cls) -> Self:
        """The one of this process; nothing that it starts gets it. Raises KeyError if it is no worker."""
        # From the parent of this process, which could tell it to run anything else as well.
        spec = pickle.loads(base64.b64decode(os.environ.pop(VARIABLE)))  # noqa: S301
        if not isinstance(spec, cls):
            raise TypeError(f"got a {type(spec).__name__}, expected a {cls.__name__}")
        return spec
