"""What the results of a run say: the best of the rounds of each figure, for tables, plots and verdicts."""

from collections.abc import Mapping
from typing import Any, Final

Results = Mapping[str, Any]
QUANTILES: Final = ("p50", "p99", "p99.9")


def rounds(results: Results, name: str, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = results["checks"].get(name, {}).get(kind, [])
    return found


def cpu(results: Results, name: str, kind: str = "warm") -> float | None:
    """Microseconds of CPU for a check, in the cheapest round."""
    return min((one["cpu"] for one in rounds(results, name, kind)), default=None)


def throughput(results: Results, name: str, kind: str = "warm") -> float | None:
    """Checks a second, in the fastest round."""
    return max((one["per_second"] for one in rounds(results, name, kind)), default=None)


def memory(results: Results, name: str) -> float | None:
    """Bytes after the first figure of a process."""
    return min((one["memory"] for one in rounds(results, name, "warm")), default=None)


def latency(results: Results, name: str, quantile: str, kind: str = "at 1,000/s") -> float | None:
    """Milliseconds, in the quietest round: another one may have met somebody else's work."""
    found = (one["milliseconds"].get(quantile) for one in rounds(results, name, kind))
    return min((one for one in found if one is not None), default=None)


def latency_held(results: Results, name: str, quantile: str, rate: float = 1_000.0) -> float | None:
    """`latency` at 1,000/s, if one round held that rate: a server that falls behind has a queue, not a latency."""
    held = throughput(results, name, "at 1,000/s")
    return latency(results, name, quantile) if held is not None and held > 0.95 * rate else None


def road(results: Results, name: str) -> float | None:
    """Requests a second through one Envoy worker, in the fastest round."""
    return max((one["per_second"] for one in results["edge"].get(name, [])), default=None)


def road_cpu(results: Results, name: str) -> float | None:
    """Microseconds of Envoy's CPU for a request."""
    return min((one["envoy_cpu"] for one in results["edge"].get(name, [])), default=None)


def road_latency(results: Results, name: str, quantile: str) -> float | None:
    """Milliseconds at 1,000 requests a second through Envoy, in the quietest round."""
    found = (one["milliseconds"].get(quantile) for one in results["edge"].get(name, []))
    return min((one for one in found if one is not None), default=None)


def default_engine(results: Results) -> str | None:
    """The faster engine is the default wherever it is: `serve` says which."""
    for engine in ("zttp", "pyvoy", "grpcio"):
        if f"scopegate-{engine}" in results["checks"]:
            return f"scopegate-{engine}"
    return None


def share(part: float | None, whole: float | None) -> float | None:
    """A ratio, if both are known."""
    return None if part is None or not whole else part / whole
