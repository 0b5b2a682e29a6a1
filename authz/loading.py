"""Reads a policy without keeping those waiting who are answered meanwhile, and frees the one before it.

While a worker answers, another process reads (`authz.loadingprocess`), and the worker takes over what that one has made of
it: a seventh of the work for its interpreter, which CPython gives to one thread at a time.
"""

import asyncio
import gc
import io
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from authz.audit.facts import PolicyReads, policy_reads
from authz.config.handover import read_outcome, read_parts
from authz.config.load import load_policy, uncollected
from authz.config.policyfiles import PolicyUnreadableError
from authz.policy.index import RuleIndex
from authz.policy.policyset import DenyRule, Grant, PolicySet, Restriction
from authz.policy.problems import PolicyError, Problem

_PATIENCE_SECONDS: Final = 600.0
_SHARE: Final = 0.06
"""Of a worker's time, for what nobody waits for. Beside quiet turns, p99 was 1.1 times as long with 0.05 on grpcio, and with 0.06
and 0.17 on zttp 1.3 and 2.7 times, at 1,000 checks a second; of two quiet turns, 1.1 times."""
_FREED_TOGETHER: Final = 10
_SWITCH_SECONDS: Final = 0.000_05

StepT = TypeVar("StepT")


class Loaded(NamedTuple):
    """A policy, and what of it has to be gone through rule by rule before it is in force."""

    policy: PolicySet
    reads: Mapping[str, PolicyReads]


def load(place: Path) -> Loaded:
    """The policy of the files. Raises `PolicyError`."""
    policy = load_policy(place)
    return Loaded(policy, policy_reads(policy))


async def load_beside(place: Path, *, answering: bool) -> Loaded:
    """`load`, in another process if somebody is `answering` meanwhile.

    Raises `PolicyError`; its kind `PolicyUnreadableError`, `passing`, if that process is not to be had or does not live
    to its end. Raises RuntimeError for a defect in it.
    """
    written = await _read_elsewhere(place) if answering else None
    with uncollected():
        loaded = await (asyncio.to_thread(load, place) if written is None else _taken_over(written))
        _keep()
    return loaded


def free_beside(policy: PolicySet) -> asyncio.Task[None]:
    """Frees its rules, once nobody else has them, a few at a time. Nothing depends on the end of it."""
    return asyncio.create_task(_let_go(rules_of(policy)))


def rules_of(policy: PolicySet) -> list[object]:
    """What there are many of."""
    return [*policy.grants, *policy.restrictions, *policy.denies]


def made_of(policy: PolicySet) -> list[object]:
    """What can be made of its rules as they come (`Rules`): not in one go, which 10,000 of them make a long one."""
    return [policy.grants, policy.restrictions, policy.denies, policy.index]


class Rules:
    """Those of a policy, one after the other."""

    def __init__(self) -> None:
        self._kinds: dict[type, list[object]] = {Grant: [], Restriction: [], DenyRule: []}
        self._index = RuleIndex()

    def add(self, rules: Sequence[object]) -> None:
        for rule in rules:
            if not isinstance(rule, (Grant, Restriction, DenyRule)):
                raise TypeError(f"got a {type(rule).__name__}, expected a rule")
            self._index.add(rule)
            self._kinds[type(rule)].append(rule)

    @property
    def all(self) -> list[object]:
        """As `rules_of` has them."""
        return [rule for rules in self._kinds.values() for rule in rules]

    def made(self) -> list[object]:
        """As `made_of` has it."""
        return [*map(tuple, self._kinds.values()), self._index]


async def _read_elsewhere(place: Path) -> bytes:
    """What the other process has written: `Loaded`, or the `PolicyError`, pickled."""
    command = [sys.executable, "-m", "authz.loadingprocess", str(place)]
    try:
        # A group of its own, because a terminal's Ctrl-C is for the server, who ends this one. In a session of its own it
        # would count as much as all that answer together, however nice it is (sched(7), autogroup).
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - a thread of its own waits for it, in any event loop
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
    except OSError as error:
        raise _unread(
            place, f"no process to read it: {(error.strerror or 'it cannot be started').lower()}"
        ) from None
    try:
        written, said = await asyncio.to_thread(process.communicate, timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.communicate)
        raise _unread(place, f"not read within {_PATIENCE_SECONDS:.0f} s") from None
    except asyncio.CancelledError:
        # The thread that waits for it ends with it.
        process.kill()
        raise
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        raise _unread(place, f"the process that read it was ended by {name}", "has it memory enough?")
    if process.returncode:
        raise RuntimeError(said.decode(errors="replace"))
    return written


def _unread(place: Path, message: str, advice: str | None = None) -> PolicyUnreadableError:
    problem = Problem(code="unreadable", file=str(place), message=message, help=advice)
    return PolicyUnreadableError([problem], passing=True)


async def _taken_over(written: bytes) -> Loaded:
    """Between the answers, not in a thread beside them: what takes the interpreter away takes it for longer."""
    file = io.BytesIO(written)
    rules = Rules()
    async for some in _at_leisure(_swept(read_parts(file))):
        rules.add(some)
        _keep()
    with _handing_over():
        outcome = await asyncio.to_thread(lambda: read_outcome(file, rules.all, made=rules.made()))
    _sweep()
    if isinstance(outcome, PolicyError):
        raise outcome
    if not isinstance(outcome, Loaded):
        raise TypeError(f"got a {type(outcome).__name__}, expected a policy")
    return outcome


def _keep() -> None:
    """For good: with 10,000 grants each full collection would stop every check for 0.2 s.

    A policy has no cycles, so counting references frees the one before it all the same.
    """
    gc.freeze()


def _sweep() -> None:
    """Collect what answers have left behind since the last `_keep`: the next one would keep it as well.

    Three objects a call are that on grpcio: of 1,000 calls a second, 16,000 with each policy of 10,000 grants.
    """
    gc.collect(1)


def _swept(steps: Iterator[StepT]) -> Iterator[StepT]:
    """The steps, each after a `_sweep`: it takes a microsecond while there is nothing of the step to look through."""
    _sweep()
    for step in steps:
        yield step
        _sweep()


async def _at_leisure(steps: Iterator[StepT]) -> AsyncIterator[StepT]:
    """One after the other, with rests, so that they and what is made of them take `_SHARE` of the time.

    Of CPU: while somebody else has the processor, a step takes nothing from an answer.
    """
    began = time.thread_time()
    for step in steps:
        yield step
        await asyncio.sleep((time.thread_time() - began) * (1 / _SHARE - 1))
        began = time.thread_time()


async def _let_go(rules: list[object]) -> None:
    """A few at a time: 10,000 rules at once keep the interpreter for 20 ms."""

    def freed() -> Iterator[None]:
        while rules:
            del rules[-_FREED_TOGETHER:]
            yield

    async for _ in _at_leisure(freed()):
        pass


@contextmanager
def _handing_over() -> Iterator[None]:
    """The interpreter changes hands within a twentieth of a millisecond, in place of five, where nobody rests."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
