"""The tables of a run: for a terminal, and for docs/performance.md between its two marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.figures import (
    QUANTILES,
    Results,
    cpu,
    latency,
    memory,
    road,
    road_cpu,
    road_latency,
    rounds,
    share,
    throughput,
)
from bench.questions import KEYS
from bench.targets import ROOT, TARGETS
from bench.verdict import verdicts

DOCUMENT: Final = ROOT / "docs" / "performance.md"
BEGIN: Final = "<!-- bench: begin -->"
END: Final = "<!-- bench: end -->"


@dataclass(frozen=True, slots=True)
class Sheet:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def for_terminal(self) -> Table:
        table = Table(title=self.title, title_justify="left")
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="left" if number == 0 else "right")
        for row in self.rows:
            table.add_row(*row)
        return table

    def for_document(self) -> str:
        lines = [
            f"**{self.title}**\n",
            f"| {' | '.join(self.columns)} |",
            "|---|" + "--:|" * (len(self.columns) - 1),
            *(f"| {' | '.join(row)} |" for row in self.rows),
        ]
        return "\n".join(lines) + "\n"


def _text(number: float | None, form: str = ".1f") -> str:
    return "-" if number is None else format(number, form)


def sheets(results: Results) -> list[Sheet]:
    """All tables that have something in them."""
    made = (_verdicts, _checks, _kinds, _rates, _edge, _verification, _flat, _footprint, _reload, _absent)
    return [sheet for make in made if (sheet := make(results)).rows]


def _verdicts(results: Results) -> Sheet:
    rows = [(one.line, one.figure, one.bound, one.word, one.note) for one in verdicts(results)]
    return Sheet("What it is to be, and what this run found", ("", "found", "bound", "", "beside it"), rows)


def _names(results: Results) -> list[str]:
    return [name for name in results["checks"] if cpu(results, name) or cpu(results, name, "warm, h2load")]


def _checks(results: Results) -> Sheet:
    go = cpu(results, "go")
    rows = []
    for name in _names(results):
        used = cpu(results, name)
        size = memory(results, name)
        rows.append(
            (
                name,
                _text(used),
                _text(share(used, go), ".2f"),
                _text(throughput(results, name), ",.0f"),
                _text(cpu(results, name, "warm, h2load")),
                _text(throughput(results, name, "warm, h2load"), ",.0f"),
                _text(size and size / 2**20, ".0f"),
            )
        )
    return Sheet(
        "One warm RS256 check at saturation",
        ("", "CPU µs", "of go's", "checks/s", "CPU µs, h2load", "checks/s, h2load", "memory MiB"),
        rows,
    )


def _kinds(results: Results) -> Sheet:
    kinds = [
        "warm",
        "new questions",
        "mixed",
        "denied",
        *(f"warm {a}" for a in KEYS if a != "RS256"),
        *(f"cold {a}" for a in KEYS),
    ]
    rows = [
        (name, *(_text(cpu(results, name, kind)) for kind in kinds))
        for name in _names(results)
        if name in TARGETS and TARGETS[name].decides
    ]
    return Sheet("CPU µs for a check, by kind of question", ("", *kinds), rows)


def _rates(results: Results) -> Sheet:
    rows = []
    for name in _names(results):
        for kind in ("at 1,000/s", "at half"):
            if rounds(results, name, kind):
                found = (_text(latency(results, name, quantile, kind), ".2f") for quantile in QUANTILES)
                rate = throughput(results, name, kind)
                rows.append((name, _text(rate, ",.0f"), *found, _text(cpu(results, name, kind))))
    columns = ("", "checks/s", *(f"{quantile} ms" for quantile in QUANTILES), "CPU µs")
    return Sheet("Latency at a fixed rate: 1,000/s, and half of what saturates", columns, rows)


def _edge(results: Results) -> Sheet:
    go = road(results, "go")
    rows = [
        (
            name,
            _text(road(results, name), ",.0f"),
            _text(share(road(results, name), go), ".2f"),
            _text(road_cpu(results, name)),
            *(_text(road_latency(results, name, quantile), ".2f") for quantile in QUANTILES),
        )
        for name in results["edge"]
    ]
    return Sheet(
        "The whole path through one Envoy worker",
        (
            "",
            "requests/s",
            "of go's",
            "Envoy's CPU µs",
            *(f"{quantile} ms at 1,000/s" for quantile in QUANTILES),
        ),
        rows,
    )


def _verification(results: Results) -> Sheet:
    rows = [
        (kind, _text(row["ours"], ".0f"), _text(row["theirs"], ".0f"), _text(row["ratio"], ".2f"))
        for kind, row in results.get("verification", {}).items()
    ]
    return Sheet(
        "The first check of a credential, beside the library's own verification",
        ("", "Scopegate µs", "library µs", "ratio"),
        rows,
    )


def _flat(results: Results) -> Sheet:
    rows = [
        (f"{int(number):,} {of}", _text(one["microseconds"]), _text(one["ratio"], ".2f"))
        for of, row in results.get("flatness", {}).items()
        for number, one in row.items()
    ]
    return Sheet("A warm decision by size of the policy and of the token", ("", "CPU µs", "ratio"), rows)


def _footprint(results: Results) -> Sheet:
    rows = [
        (
            engine,
            _text(one["ready_seconds"], ".2f"),
            _text(one["empty_bytes"] / 2**20, ".0f"),
            f"{one['tokens']:,}",
            _text(one["full_bytes"] / 2**20, ".0f"),
            _text(one["bytes_each"] / 1024),
        )
        for engine, one in results["footprint"].items()
    ]
    return Sheet(
        "A worker's weight",
        ("", "ready in s", "MiB empty", "tokens", "MiB with them", "KiB for each"),
        rows,
    )


def _reload(results: Results) -> Sheet:
    rows = [
        (
            engine,
            f"{one['grants']:,}",
            _text(one["reload_seconds"], ".2f"),
            *(_text(one["quiet_milliseconds"].get(quantile), ".2f") for quantile in QUANTILES),
            *(_text(one["reload_milliseconds"].get(quantile), ".2f") for quantile in QUANTILES),
        )
        for engine, one in results["reload"].items()
    ]
    quiet = (f"{quantile} ms, quiet" for quantile in QUANTILES)
    busy = (f"{quantile} ms, reloading" for quantile in QUANTILES)
    return Sheet("A reload at 1,000 checks a second", ("", "grants", "in force after s", *quiet, *busy), rows)


def _absent(results: Results) -> Sheet:
    failed = [(name, f"failed: {why.splitlines()[0]}") for name, why in results["failed"].items()]
    return Sheet("Not measured", ("", "why"), [*results["absent"].items(), *failed])


def show(results: Results, console: Console) -> None:
    """Everything, the verdicts last: they are what is to be read."""
    first, *others = sheets(results)
    for sheet in (*others, first):
        console.print(sheet.for_terminal())


def _facts(results: Results) -> str:
    machine: dict[str, Any] = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    rounds_of = results["size"]["rounds"]
    return (
        f"Measured {machine['when']}: {machine['cores']} cores of {machine['cpu']} ({machine['architecture']}), "
        f"{machine['memory_gib']} GiB, {machine['kernel']}; load of the machine before: {machine['load_before']}. "
        f"{versions}. Best of {rounds_of} rounds of {results['size']['seconds']:g} s for each figure.\n"
    )


def write_document(results: Results, plots: Sequence[Path], document: Path = DOCUMENT) -> None:
    """Put tables and plots between the marks. Raises ValueError if the document has no marks."""
    text = document.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document}: no `{BEGIN}` … `{END}` in it")
    pictures = "\n".join(f"![{plot.stem}]({plot.relative_to(document.parent)})" for plot in plots)
    tables = "\n".join(sheet.for_document() for sheet in sheets(results))
    document.write_text(f"{before}{begin}\n{_facts(results)}\n{pictures}\n\n{tables}{end}{after}")
