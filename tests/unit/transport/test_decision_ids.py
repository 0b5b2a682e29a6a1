"""Decision ids: fixed form, never twice."""

import re
from itertools import islice

from authz.transport.decision_ids import decision_ids


def test_ids_are_hex_and_distinct_across_batches() -> None:
    """More ids than one batch holds: each 32 hex digits, none twice."""
    ids = list(islice(decision_ids(), 1_000))
    assert len(set(ids)) == 1_000
    assert all(re.fullmatch(rb"[0-9a-f]{32}", i) for i in ids)


def test_two_sources_do_not_agree() -> None:
    """Ids come from the system's random source, not from a sequence that two workers would share."""
    assert next(decision_ids()) != next(decision_ids())
