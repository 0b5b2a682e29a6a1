"""What a worker weighs: start to ready, memory empty and full of tokens, a reload of a large policy under load."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import grpc

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from bench import generators
from bench.generators import CHECK, Heard
from bench.policies import policy_text
from bench.processes import Ended
from bench.questions import ask, token
from bench.targets import Place, Running, Target, scopegate

RELOAD_RATE: Final = 1_000.0


def footprint(engine: str, place: Place, load: Path, *, tokens: int) -> dict[str, Any]:
    """Seconds until ready, bytes when empty, bytes with so many verified tokens (EdDSA, of as many people)."""
    target = scopegate(engine, f"footprint-{engine}", "", f"--remember={2 * tokens}")
    with Running(target, place) as running:
        empty = running.group.resident_bytes()
        cold = place.files.cold(tokens, "EdDSA")
        heard = generators.closed_loop(load, running.address, cold, seconds=60, count=tokens)
        cold.unlink()
        if heard.allowed != tokens:
            raise Ended(f"{heard.allowed} of {tokens} new people were allowed")
        full = running.group.resident_bytes()
    return {
        "ready_seconds": running.ready_seconds,
        "empty_bytes": empty,
        "tokens": tokens,
        "full_bytes": full,
        "bytes_each": (full - empty) / tokens,
    }


def reload_under_load(
    engine: str, place: Place, load: Path, *, seconds: float, turns: int = 1
) -> dict[str, Any]:
    """A policy is replaced by one with another grant, at 1,000 checks a second; latency beside that of a quiet run.

    Both by turns, to be compared pair by pair: a neighbour of the machine makes one per cent of the answers late by itself.
    """
    target: Target = scopegate(engine, f"reload-{engine}", "")
    quiet: list[Heard] = []
    busy: list[Heard] = []
    took: list[float] = []
    with Running(target, place) as running:
        warm = target.warm(place)
        generators.open_loop(load, running.address, warm, rate=RELOAD_RATE, seconds=0.5)
        for turn in range(turns):
            quiet.append(generators.open_loop(load, running.address, warm, rate=RELOAD_RATE, seconds=seconds))
            # Beforehand: to write it takes as much of a core as to read it.
            fresh = place.policy.with_suffix(".new")
            fresh.write_text(policy_text(place.grants + 1 + turn, place.jwks))
            changer = threading.Thread(target=_replaced, args=(running, fresh, place.policy, took))
            changer.start()
            busy.append(generators.open_loop(load, running.address, warm, rate=RELOAD_RATE, seconds=seconds))
            changer.join()
            if len(took) != len(busy):
                raise Ended("the changed policy was never in force")
    return {
        "grants": place.grants,
        "reload_seconds": min(took),
        "run_seconds": seconds,
        "quiet_milliseconds": _best(quiet),
        "reload_milliseconds": _best(busy),
        "turns": [[one.milliseconds, other.milliseconds] for one, other in zip(quiet, busy, strict=True)],
        "failed": sum(one.failed for one in busy),
    }


def _best(runs: Sequence[Heard]) -> dict[str, float]:
    return {name: min(run.milliseconds[name] for run in runs) for name in runs[0].milliseconds}


def _replaced(
    running: Running, fresh: Path, policy: Path, took: list[float], patience: float = 120.0
) -> None:
    """Notes how long it takes until an answer comes from the new policy."""
    question = ask(token("emma"))
    with grpc.insecure_channel(running.address) as channel:
        check = channel.unary_unary(CHECK)

        def version() -> str:
            answer = CheckResponse.FromString(check(question, timeout=30))
            return str(answer.dynamic_metadata["policy_version"])

        before = version()
        time.sleep(0.2)
        began = time.monotonic()
        fresh.replace(policy)
        while time.monotonic() - began < patience:
            # A server that cannot keep up gives calls up: that shows in the latencies and the failures beside.
            with suppress(grpc.RpcError):
                if version() != before:
                    took.append(time.monotonic() - began)
                    return
            time.sleep(0.05)
