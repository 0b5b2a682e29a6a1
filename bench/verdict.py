"""What Scopegate is to be, line by line, and whether this run found it so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.figures import Results, cpu, default_engine, latency_held, road, rounds, share
from bench.guard import AT_MOST

AIM_OF_GO = 1.0
PATH_OF_GO = 1.5
LATENCY_OF_GO = 1.3
DENIED_OF_WARM = 1.2
FLAT = 1.25
WHOLE_CHECK = "RS256, and the whole check"
COLD_OF_LIBRARY = 1.2
RELOAD_OF_QUIET = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One line: `found` beside `limit`; `met` is None where it could not be measured."""

    line: str
    found: float | None
    limit: float
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.found is None:
            return None
        return self.found >= self.limit if self.at_least else self.found <= self.limit

    @property
    def word(self) -> str:
        return {True: "met", False: "NOT MET", None: "not measured"}[self.met]

    @property
    def figure(self) -> str:
        return "" if self.found is None else f"{self.found:.2f}"

    @property
    def bound(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


def verdicts(results: Results) -> list[Verdict]:
    """All lines."""
    ours = default_engine(results) or "scopegate"
    return [
        *_beside_go(results, ours),
        *_latency(results, ours),
        Verdict(
            line="a flood of one bad token: CPU, of a warm allowed check",
            found=share(cpu(results, ours, "denied"), cpu(results, ours)),
            limit=DENIED_OF_WARM,
        ),
        *_flat(results),
        *_cold(results),
        *_reload(results),
        *_guarded(results),
    ]


def _guarded(results: Results) -> list[Verdict]:
    guard = results["guard"]
    return [
        Verdict(
            line=f"regression guard: a question that is asked {name}, in floors",
            found=guard.get("floors", {}).get(name),
            limit=guard.get("at_most", AT_MOST)[name],
        )
        for name in AT_MOST
    ]


def _beside_go(results: Results, ours: str) -> list[Verdict]:
    one = rounds(results, ours, "warm")
    return [
        Verdict(
            line=f"{ours}: CPU of a warm RS256 check with audit and metrics, of the lean Go server's (aim 0.8)",
            found=share(cpu(results, ours), cpu(results, "go")),
            limit=AIM_OF_GO,
            note=f"{one[0]['allowed']:,} checks in the first round" if one else "",
        ),
        Verdict(
            line=f"{ours}: throughput through one Envoy worker, of the lean Go server's",
            found=share(road(results, ours), road(results, "go")),
            limit=PATH_OF_GO,
            at_least=True,
            note=_of_a_floor(results, ours),
        ),
    ]


def _of_a_floor(results: Results, ours: str) -> str:
    """What Envoy itself leaves to be won: nobody answers faster than who does not decide."""
    floor = share(road(results, ours.replace("scopegate", "noop")), road(results, "go"))
    return "" if floor is None else f"the floor, which decides nothing: {floor:.2f}"


def _latency(results: Results, ours: str) -> list[Verdict]:
    return [
        Verdict(
            line=f"{ours}: {quantile} at 1,000 checks a second, of {whose}",
            found=share(latency_held(results, ours, quantile), latency_held(results, other, quantile)),
            limit=limit,
        )
        for other, whose, limit in (("opa", "OPA's", 1.0), ("go", "the lean Go server's", LATENCY_OF_GO))
        for quantile in ("p50", "p99")
    ]


def _flat(results: Results) -> list[Verdict]:
    found = results.get("flatness", {})
    lines = []
    for of in ("grants", "groups", "groups in tokens of one length"):
        rows = {int(number): one["ratio"] for number, one in found.get(of, {}).items()}
        lines.append(
            Verdict(
                line=f"flat: a new question of somebody known, with {max(rows, default=0):,} {of}, of one with {min(rows, default=0):,}",
                found=max(rows.values(), default=None),
                limit=FLAT,
            )
        )
    return lines


def _cold(results: Results) -> list[Verdict]:
    return [
        Verdict(
            line=f"cold: verification of {kind}, of the library's own",
            found=row["ratio"],
            limit=COLD_OF_LIBRARY,
        )
        for kind, row in results.get("verification", {}).items()
        if kind != WHOLE_CHECK
    ]


def _reload(results: Results) -> list[Verdict]:
    return [
        Verdict(
            line=f"{engine}: p99 at 1,000/s while {one['grants']:,} grants are reloaded, of the quiet run before, median",
            found=_median_of_pairs(one.get("turns", [])),
            limit=RELOAD_OF_QUIET,
        )
        for engine, one in results["reload"].items()
    ]


def _median_of_pairs(turns: Sequence[Sequence[Mapping[str, float]]]) -> float | None:
    """Of p99. Not the best of each: where neighbours make p99 of quiet runs go from 1 to 40 ms, those are two lucky draws."""
    pairs = [busy["p99"] / quiet["p99"] for quiet, busy in turns if "p99" in quiet and "p99" in busy]
    return median(pairs) if pairs else None
