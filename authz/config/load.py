"""A policy from the file system."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from authz.config.policyfiles import read_policy_files
from authz.policy.parse import parse_policy
from authz.policy.policyset import PolicySet


def load_policy(path: Path) -> PolicySet:
    """The policy of a file, or of a directory of files.

    Raises `PolicyError` with every problem; its kind `PolicyUnreadableError`, if there is nothing to read.
    """
    sources = read_policy_files(path)
    with uncollected():
        return parse_policy(sources)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cyclic garbage collector.

    What a large policy is made of lives until it is read, so the collector finds nothing in it, and walks all of it
    again and again: a third to a half of the time for 10,000 grants.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
