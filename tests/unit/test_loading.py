"""While a worker answers, another process reads the policy; whatever becomes of that one, the worker is told."""

import asyncio
import contextlib
import gc
import os
import pickle
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, cast

import pytest

from authz.config.handover import read_parts
from authz.config.policyfiles import PolicyUnreadableError
from authz.loading import Loaded, Rules, free_beside, load_beside, rules_of
from authz.policy.problems import PolicyError
from bench.policies import policy_text

if TYPE_CHECKING:
    from authz.policy.policyset import PolicySet

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "authz" / "demo" / "scopegate.yaml"


def _sleepers() -> list[str]:
    """Children of this process that sleep for a minute."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                found.append(Path(f"/proc/{child}/cmdline").read_text())
    return [line for line in found if "sleep\0" + "60" in line]


async def _eventually(holds: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within ten seconds")


def _instead(monkeypatch: pytest.MonkeyPatch, directory: Path, script: str) -> None:
    """Another program in place of the interpreter that would read."""
    program = directory / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.mark.parametrize("answering", [True, False])
async def test_a_policy_is_loaded_with_what_is_read_of_it(*, answering: bool) -> None:
    """In this process or in another one."""
    loaded = await load_beside(POLICY, answering=answering)
    here = await load_beside(POLICY, answering=False)
    assert loaded.policy.version == here.policy.version
    assert loaded.policy.grants == here.policy.grants
    assert loaded.reads == here.reads


async def test_a_policy_with_mistakes_is_refused_with_the_same_words(tmp_path: Path) -> None:
    """Each mistake at its place."""
    policy = tmp_path / "scopegate.yaml"
    policy.write_text("version: 1\nunknown: 1\ngrants: 3\n")
    found = []
    for answering in (True, False):
        with pytest.raises(PolicyError) as error:
            await load_beside(policy, answering=answering)
        found.append(error.value.problems)
    assert found[0] == found[1]
    assert len(found[0]) > 2


async def test_a_policy_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    """And worth another try."""
    with pytest.raises(PolicyUnreadableError, match="no such file") as error:
        await load_beside(tmp_path / "scopegate.yaml", answering=True)
    assert error.value.passing


@pytest.mark.parametrize(
    ("script", "message"),
    [("kill -KILL $$", "the process that read it was ended by SIGKILL"), ("exec kill -TERM $$", "SIGTERM")],
)
async def test_a_process_that_is_ended_is_worth_another_try(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, message: str
) -> None:
    """Such as by a kernel that is short of memory."""
    _instead(monkeypatch, tmp_path, script)
    with pytest.raises(PolicyUnreadableError, match=message) as error:
        await load_beside(POLICY, answering=True)
    assert error.value.passing


async def test_a_process_that_cannot_be_had_is_worth_another_try(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No descriptor, no memory, no interpreter."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(PolicyUnreadableError, match="no process to read it: no such file") as error:
        await load_beside(POLICY, answering=True)
    assert error.value.passing


async def test_a_process_that_takes_too_long_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And is gone."""
    _instead(monkeypatch, tmp_path, "exec sleep 60")
    monkeypatch.setattr("authz.loading._PATIENCE_SECONDS", 0.2)
    with pytest.raises(PolicyUnreadableError, match="not read within"):
        await load_beside(POLICY, answering=True)
    assert _sleepers() == []


async def test_a_defect_is_told_with_what_the_process_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is nothing that is wrong with the policy."""
    _instead(monkeypatch, tmp_path, "echo the reason >&2; exit 3")
    with pytest.raises(RuntimeError, match="the reason"):
        await load_beside(POLICY, answering=True)


@pytest.mark.parametrize(
    "written", [b"", b"no pickle", pickle.dumps(0), pickle.dumps(0) + pickle.dumps("policy")]
)
async def test_what_is_no_policy_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: bytes
) -> None:
    """Half of one, or something else."""
    (tmp_path / "written").write_bytes(written)
    _instead(monkeypatch, tmp_path, f"cat {tmp_path / 'written'}")
    with pytest.raises((EOFError, pickle.UnpicklingError, TypeError)):
        await load_beside(POLICY, answering=True)


async def test_who_stops_waiting_ends_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that is told to end does not wait for it, and leaves none behind."""
    _instead(monkeypatch, tmp_path, "exec sleep 60")
    loading = asyncio.create_task(load_beside(POLICY, answering=True))
    await _eventually(lambda: bool(_sleepers()))
    loading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await loading
    await _eventually(lambda: not _sleepers())


async def test_what_writes_to_standard_output_is_not_in_the_middle_of_the_policy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A library that greets, say."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, os, sys\n"
        "sys.setprofile(lambda frame, event, _: frame.f_code.co_name == 'parse_policy' and os.write(1, b'hello'))\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert isinstance(await load_beside(POLICY, answering=True), Loaded)


async def test_a_worker_that_takes_a_policy_over_has_the_most_of_its_time_for_its_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Six hundredths are for what is read, and for what is made of it: after four milliseconds of CPU it rests for 63."""
    clock, rests = _watched(monkeypatch)
    add = Rules.add

    def read_slowly(file: IO[bytes]) -> Iterator[list[object]]:
        for some in read_parts(file):
            clock.passed += 0.003
            yield some

    def add_slowly(rules: Rules, some: list[object]) -> None:
        clock.passed += 0.001
        add(rules, some)

    monkeypatch.setattr("authz.loading.read_parts", read_slowly)
    monkeypatch.setattr(Rules, "add", add_slowly)
    policy = tmp_path / "scopegate.yaml"
    policy.write_text(policy_text(39, tmp_path / "jwks.json"))
    loaded = await load_beside(policy, answering=True)
    assert len(rules_of(loaded.policy)) == 40
    assert rests == pytest.approx([0.004 * 94 / 6] * 5)


async def test_what_answers_leave_behind_meanwhile_is_not_kept_with_the_policy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each call of gRPC's leaves a cycle, and the collector is off: a worker would grow with every policy."""
    add = Rules.add

    class Left:
        def __init__(self) -> None:
            self.itself = self

    left: list[weakref.ref[Left]] = []

    def answered_meanwhile(rules: Rules, some: list[object]) -> None:
        add(rules, some)
        asyncio.get_running_loop().call_soon(lambda: left.append(weakref.ref(Left())))

    monkeypatch.setattr(Rules, "add", answered_meanwhile)
    policy = tmp_path / "scopegate.yaml"
    policy.write_text(policy_text(39, tmp_path / "jwks.json"))
    await load_beside(policy, answering=True)
    assert len(left) == 5
    assert [one() for one in left] == [None] * 5
    assert gc.isenabled()


async def test_a_policy_is_freed_as_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rules that take a tenth of a millisecond each, then a rest of sixteen."""
    clock, rests = _watched(monkeypatch)

    class Rule:
        def __del__(self) -> None:
            clock.passed += 0.000_1

    policy = SimpleNamespace(grants=[Rule() for _ in range(40)], restrictions=[], denies=[])
    freeing = free_beside(cast("PolicySet", policy))
    policy.grants.clear()
    await freeing
    assert rests == pytest.approx([0.001 * 94 / 6] * 4)


class _Clock:
    """Of the CPU of a worker that does what a test says, and nothing else."""

    passed = 0.0

    def thread_time(self) -> float:
        return self.passed


def _watched(monkeypatch: pytest.MonkeyPatch) -> tuple[_Clock, list[float]]:
    """That clock, and the rests that a worker takes."""
    clock = _Clock()
    rests: list[float] = []
    sleep = asyncio.sleep

    async def slept(seconds: float) -> None:
        rests.append(seconds)
        await sleep(0)

    monkeypatch.setattr("authz.loading.time", clock)
    monkeypatch.setattr(asyncio, "sleep", slept)
    return clock, rests
