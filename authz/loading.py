"""Reads a policy in a thread beside the event loop that answers, and frees the one before it there."""

import asyncio
import gc
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from authz.audit.facts import PolicyReads, policy_reads
from authz.config.load import breathing, handing_over, load_policy, uncollected
from authz.policy.parse import let_go
from authz.policy.policyset import PolicySet


class Loaded(NamedTuple):
    """A policy, and what of it has to be gone through rule by rule before it is in force."""

    policy: PolicySet
    reads: Mapping[str, PolicyReads]


async def load_beside(place: Path, *, answering: bool) -> Loaded:
    """The policy of the files; more slowly, and with many a pause, if somebody is `answering` meanwhile.

    Raises `PolicyError`.
    """
    with uncollected(), handing_over() if answering else nullcontext():
        loaded = await asyncio.to_thread(_load, place, breathing() if answering else _at_once)
        # For good: with 10,000 grants each full collection would stop every check for 0.2 s. A policy
        # has no cycles, so counting references frees the one before it all the same.
        gc.freeze()
    return loaded


def free_beside(policy: PolicySet) -> asyncio.Task[None]:
    """Frees its rules, once nobody else has them, a few at a time. Nothing depends on the end of it."""
    rules = [*policy.grants, *policy.restrictions, *policy.denies]
    return asyncio.create_task(asyncio.to_thread(let_go, rules, breathing()))


def _load(place: Path, breathe: Callable[[], None]) -> Loaded:
    policy = load_policy(place, breathe)
    return Loaded(policy, policy_reads(policy))


def _at_once() -> None:
    """Without a rest."""
