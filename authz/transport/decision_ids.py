"""Decision ids: what a client, an access log, the audit trail and a support ticket have in common."""

import os
from collections.abc import Iterator

DECISION_ID_LENGTH = 32
_BATCH = 256


def decision_ids() -> Iterator[bytes]:
    """Endless ids of 32 lower-case hex digits (ASCII): 128 random bits each, so nobody guesses another's.

    Random bytes are fetched in batches, because one system call for each id costs more than the id.
    Not for use across a fork: the child would repeat the rest of the parent's batch.
    """
    while True:
        digits = os.urandom(_BATCH * DECISION_ID_LENGTH // 2).hex().encode()
        for start in range(0, len(digits), DECISION_ID_LENGTH):
            yield digits[start : start + DECISION_ID_LENGTH]
