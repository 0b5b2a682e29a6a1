"""The pictures of docs/performance.md. Needs matplotlib (requirements/bench.txt)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.figures import Results, cpu, latency, road
from bench.targets import ROOT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLDER: Final = ROOT / "docs" / "performance"
OURS: Final = "#0b6e4f"
FLOORS: Final = "#b8c4bb"
OTHERS: Final = "#c8553d"


def color(name: str) -> str:
    """Scopegate's, the floors' or the others'."""
    if name.startswith("scopegate"):
        return OURS
    return FLOORS if name.startswith(("noop", "Envoy alone")) else OTHERS


def draw(results: Results, folder: Path = FOLDER) -> list[Path]:
    """Write the pictures; those of which something was measured."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra, not needed to measure

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    checks = list(results["checks"])
    bars = (
        (
            "cpu",
            "CPU of the server for one warm RS256 check, µs",
            {name: cpu(results, name) for name in checks},
        ),
        (
            "path",
            "requests a second through one Envoy worker",
            {name: road(results, name) for name in results["edge"]},
        ),
    )
    made = [_bars(folder / f"{name}.png", title, rows) for name, title, rows in bars]
    made.append(_latency(folder / "latency.png", results))
    made.append(_flat(folder / "flat.png", results))
    return [path for path in made if path is not None]


def _axes(rows: int = 1, columns: int = 1, height: float = 3.0) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8.5, height), layout="constrained")
    return figure, figure.subplots(rows, columns)


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _bars(path: Path, title: str, rows: dict[str, float | None]) -> Path | None:
    known = {name: value for name, value in rows.items() if value is not None}
    if not known:
        return None
    figure, axes = _axes(height=0.8 + 0.32 * len(known))
    names = list(reversed(known))
    drawn = axes.barh(names, [known[name] for name in names], color=[color(name) for name in names])
    axes.bar_label(drawn, fmt="{:,.0f}", padding=3, fontsize=8)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlim(0, 1.12 * max(known.values()))
    axes.tick_params(labelsize=8)
    _plain(axes)
    figure.savefig(path, dpi=110)
    return path


def _latency(path: Path, results: Results) -> Path | None:
    quantiles = ("p50", "p99", "p99.9")
    rows = {name: [latency(results, name, quantile) for quantile in quantiles] for name in results["checks"]}
    known = {name: row for name, row in rows.items() if None not in row}
    if not known:
        return None
    figure, axes = _axes(height=0.8 + 0.4 * len(known))
    names = list(reversed(known))
    for at, name in enumerate(names):
        low, middle, high = known[name]
        axes.plot([low, high], [at, at], color=color(name), linewidth=2)
        axes.plot([low, middle, high], [at] * 3, "o", color=color(name), markersize=5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xscale("log")
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis(lambda value, _: f"{value:g}" if f"{value:g}".strip("0.")[:1] in "125" else "")
    axes.set_title("latency at 1,000 checks a second: p50, p99, p99.9 in ms", loc="left", fontsize=10)
    axes.tick_params(labelsize=8)
    _plain(axes)
    figure.savefig(path, dpi=110)
    return path


def _flat(path: Path, results: Results) -> Path | None:
    found = results.get("flatness", {})
    if not found:
        return None
    figure, both = _axes(1, 2)
    for axes, of in zip(both, ("grants", "groups"), strict=True):
        _line(axes, of, sorted((int(number), one["microseconds"]) for number, one in found[of].items()))
    figure.savefig(path, dpi=110)
    return path


def _line(axes: "Axes", of: str, points: Sequence[tuple[int, float]]) -> None:
    axes.plot([number for number, _ in points], [taken for _, taken in points], "o-", color=OURS)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks([number for number, _ in points], [f"{number:,}" for number, _ in points])
    axes.set_ylim(0, 1.4 * max(taken for _, taken in points))
    where = "in the policy" if of == "grants" else "in the token"
    axes.set_title(f"a new question of somebody known, µs, by {of} {where}", loc="left", fontsize=10)
    axes.tick_params(labelsize=8)
    _plain(axes)
