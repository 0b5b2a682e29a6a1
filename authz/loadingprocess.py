"""Reads a policy in a process of its own, for a worker that answers meanwhile: `python -m authz.loadingprocess PLACE`.

Writes what `authz.loading.load` makes of it, or its `PolicyError`, pickled, on standard output, for its parent alone.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from authz.config.handover import write_outcome
from authz.loading import load, made_of, rules_of
from authz.policy.problems import PolicyError

_NICE: Final = 10
"""A tenth of the weight of those who answer. With SCHED_IDLE there were more late answers, not fewer: whoever wakes up is sent
to a processor that counts as idle, and Linux 6.18 lets the idle one go on there until the next tick."""


def main() -> int:
    """Read and write; the exit status."""
    os.nice(_NICE)
    with suppress(OSError):
        # Where memory is short, this one goes, and not one that answers (proc_pid_oom_score_adj(5)).
        Path("/proc/self/oom_score_adj").write_text("1000")
    # Whatever else writes to standard output would be in the middle of the policy.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as parent:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            loaded = load(Path(sys.argv[1]))
        except PolicyError as error:
            write_outcome(error, [], parent)
        else:
            write_outcome(loaded, rules_of(loaded.policy), parent, made=made_of(loaded.policy))
    return 0


if __name__ == "__main__":
    sys.exit(main())
