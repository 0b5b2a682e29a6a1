"""Load: our own generator (bench/peers/go/load) and h2load of nghttp2, each as a process that is waited for."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CHECK: Final = "/envoy.service.auth.v3.Authorization/Check"
CONNECTIONS: Final = 2
STREAMS: Final = 16
PATIENCE_SECONDS: Final = 120.0
"""The generator gives up by itself when no answer comes; this is for a generator that hangs."""
SECONDS_A_REQUEST: Final = 0.02
"""At most, where a number of requests is asked for: of a new token, on a busy machine."""


class LoadFailed(Exception):  # noqa: N818 - it is what has happened
    """A generator gave up, or nothing of what came back was an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came back. Latency in milliseconds by name of the quantile."""

    allowed: int
    denied: int
    failed: int
    seconds: float
    milliseconds: dict[str, float]
    sent_late: dict[str, float]

    @property
    def answers(self) -> int:
        return self.allowed + self.denied

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds


def closed_loop(load: Path, address: str, requests: Path, *, seconds: float, **more: object) -> Heard:
    """As fast as the server answers. `more` are flags of bench/peers/go/load."""
    loop = {"connections": CONNECTIONS, "streams": STREAMS, **more}
    return _generated(load, seconds, address=address, requests=requests, seconds=seconds, **loop)


def open_loop(
    load: Path, address: str, requests: Path, *, rate: float, seconds: float, **more: object
) -> Heard:
    """At `rate` requests a second, whatever the server does."""
    loop = {"rate": rate, "connections": CONNECTIONS, **more}
    return _generated(load, seconds, address=address, requests=requests, seconds=seconds, **loop)


def http_loop(
    load: Path, address: str, path: str, tokens: Path | None, *, seconds: float, **more: object
) -> Heard:
    """HTTP/2 requests instead of checks: through Envoy."""
    loop = {"connections": CONNECTIONS, "streams": STREAMS, **({"tokens": tokens} if tokens else {}), **more}
    return _generated(load, seconds, address=address, path=path, seconds=seconds, **loop)


def _generated(load: Path, expected_seconds: float, **flags: object) -> Heard:
    command = [str(load), *(f"-{name}={value}" for name, value in flags.items())]
    count = flags.get("count")
    slowest = SECONDS_A_REQUEST * count if isinstance(count, int) else 3 * expected_seconds
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS + slowest, check=False
    )
    if done.returncode:
        raise LoadFailed(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip() or 'no answer'}")
    found: dict[str, Any] = json.loads(done.stdout)
    return Heard(
        allowed=found["allowed"],
        denied=found["denied"],
        failed=found["failed"],
        seconds=found["seconds"],
        milliseconds=found.get("milliseconds", {}),
        sent_late=found.get("sent_late_milliseconds", {}),
    )


def find_h2load() -> str | None:
    return shutil.which("h2load")


def h2load(address: str, requests: Path, *, seconds: float, calls: int | None = None) -> Heard:
    """One request over and over by h2load. What it counts as an answer is HTTP 200: it reads no gRPC status.

    With `calls`, so many on each connection and not more, and as many in flight on more connections: h2load stays away
    when it is asked to come anew.
    """
    flying = CONNECTIONS * STREAMS
    how = ["-c", str(CONNECTIONS), "-m", str(STREAMS), "-D", str(max(1, round(seconds)))]
    if calls is not None:
        how = ["-c", str(flying), "-m", "1", "-n", str(flying * calls)]
    base = address if address.startswith("unix:") else f"http://{address}"
    command = [
        *(find_h2load() or "h2load", *how, "-t", "1", "-d", str(requests), "-B", base),
        *("-H", "content-type: application/grpc", "-H", "te: trailers", f"http://scopegate{CHECK}"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS + 3 * seconds, check=False
    )
    text = done.stdout
    ended = re.search(r"finished in ([\d.]+)(ms|s), ([\d.]+) req/s", text)
    counted = re.search(r"requests: .*, (\d+) succeeded, (\d+) failed", text)
    if done.returncode or not ended or not counted or counted[1] == "0":
        raise LoadFailed(f"{' '.join(command)}: {done.stderr.strip() or text[-500:]}")
    took = float(ended[1]) / (1000 if ended[2] == "ms" else 1)
    return Heard(
        allowed=int(counted[1]), denied=0, failed=int(counted[2]), seconds=took, milliseconds={}, sent_late={}
    )
