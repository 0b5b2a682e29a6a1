"""One figure at a time: what a target's process group has used while so many answers came."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import generators
from bench.generators import Heard, LoadFailed
from bench.targets import Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one load took. CPU in microseconds for one check; memory in bytes; latency in milliseconds."""

    cpu: float
    per_second: float
    allowed: int
    denied: int
    failed: int
    memory: int
    milliseconds: dict[str, float] = field(default_factory=dict)
    sent_late: dict[str, float] = field(default_factory=dict)

    def plain(self) -> dict[str, object]:
        return asdict(self)


def measured(running: Running, load: Callable[[], Heard], expected: str | None = None) -> Figure:
    """Run the load. With `expected` (`allowed` or `denied`), raises `LoadFailed` unless every answer is that."""
    before = running.group.cpu_seconds()
    heard = load()
    used = running.group.cpu_seconds() - before
    running.group.check()
    if heard.failed or not heard.answers:
        raise LoadFailed(f"{running.name}: {heard.failed} calls failed")
    if expected and getattr(heard, expected) != heard.answers:
        raise LoadFailed(
            f"{running.name}: {heard.allowed} allowed, {heard.denied} denied; all were to be {expected}"
        )
    return Figure(
        cpu=used / heard.answers * 1e6,
        per_second=heard.per_second,
        allowed=heard.allowed,
        denied=heard.denied,
        failed=heard.failed,
        memory=running.group.resident_bytes(),
        milliseconds=heard.milliseconds,
        sent_late=heard.sent_late,
    )


def saturated(
    running: Running, load: Path, requests: Path, seconds: float, expected: str | None = None, **more: object
) -> Figure:
    """As fast as it answers, after a moment to warm up."""
    generators.closed_loop(load, running.address, requests, seconds=min(0.5, seconds), **more)
    return measured(
        running,
        lambda: generators.closed_loop(load, running.address, requests, seconds=seconds, **more),
        expected,
    )


def saturated_by_h2load(running: Running, requests: Path, seconds: float) -> Figure:
    """The same by h2load, which asks one question over and over."""
    return measured(
        running,
        lambda: generators.h2load(
            running.address, requests, seconds=seconds, calls=running.target.most_calls
        ),
    )


def at_rate(running: Running, load: Path, requests: Path, rate: float, seconds: float) -> Figure:
    """Latency and CPU at a fixed rate."""
    generators.open_loop(load, running.address, requests, rate=rate, seconds=min(0.5, seconds))
    time.sleep(0.1)
    return measured(
        running,
        lambda: generators.open_loop(load, running.address, requests, rate=rate, seconds=seconds),
    )
