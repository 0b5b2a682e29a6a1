"""A policy from the file system."""

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from authz.config.policyfiles import read_policy_files
from authz.policy.parse import parse_policy
from authz.policy.policyset import PolicySet

_WORK_SECONDS: Final = 0.000_5
_REST_SECONDS: Final = 0.001_5
_SWITCH_SECONDS: Final = 0.000_05


def load_policy(path: Path, breathe: Callable[[], None] = lambda: None) -> PolicySet:
    """The policy of a file, or of a directory of files; `breathe` as in `parse_policy`.

    Raises `PolicyError` with every problem; its kind `PolicyUnreadableError`, if there is nothing to read.
    """
    sources = read_policy_files(path)
    with uncollected():
        return parse_policy(sources, breathe)


def breathing() -> Callable[[], None]:
    """What a thread calls that loads beside one that answers: rests after each half a millisecond of work.

    CPython lets a thread have the interpreter for five milliseconds, and whoever answers asks for it several times a check:
    1,000 checks a second were two seconds late by the end of a load of 10,000 grants. So such a load takes several times as long.
    """
    since = time.perf_counter()

    def breathe() -> None:
        nonlocal since
        if time.perf_counter() - since > _WORK_SECONDS:
            time.sleep(_REST_SECONDS)
            since = time.perf_counter()

    return breathe


@contextmanager
def handing_over() -> Iterator[None]:
    """The interpreter changes hands within a twentieth of a millisecond, where a loader does not rest by itself."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


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
