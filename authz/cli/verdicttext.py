"""A verdict for people: each problem with its line and a caret, then a summary."""

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from authz.cli.verdict import Verdict
from authz.policy.policyset import PolicySet, Route, Warehouse
from authz.policy.problems import Problem, Severity
from authz.policy.yamlsyntax import lines_of
from authz.policy.yamlvalues import SourceText

MAX_LINE = 110
"""Characters of a policy line that are shown; of a longer one the part around the caret."""

_STYLES: Mapping[Severity, str] = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow"}


def problem_texts(problems: Sequence[Problem], sources: Sequence[SourceText]) -> Iterator[Text]:
    """Each problem with the line that it is about."""
    lines = {source.name: lines_of(source.text.removeprefix("\ufeff")) for source in sources}
    for problem in problems:
        yield _problem_text(problem, lines.get(problem.file, []))


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def counts(verdict: Verdict) -> str:
    """`2 errors, 1 warning`."""
    parts = [counted(number, severity.value) for severity in Severity if (number := verdict.count(severity))]
    return ", ".join(parts) or "no problems"


def policy_line(name: str, policy: PolicySet) -> str:
    """What is in it, on one line."""
    parts = [
        counted(len(policy.warehouses), "warehouse"),
        counted(len(policy.grants), "grant"),
        counted(len(policy.restrictions), "restriction"),
        counted(len(policy.denies), "denial").replace("denials", "denies").replace("denial", "deny"),
    ]
    return f"{name}: {', '.join(parts)}; version {policy.version}"


def policy_table(policy: PolicySet) -> Table:
    """Warehouses, and how many rules each has."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("warehouse", "routes", "takes", "dimensions"):
        table.add_column(column, no_wrap=True, overflow="ignore")
    for column in ("grants", "restrictions", "denies"):
        table.add_column(column, justify="right")
    for warehouse in policy.warehouses.values():
        rules = (policy.grants, policy.restrictions, policy.denies)
        table.add_row(
            warehouse.name,
            " ".join(map(_route_text, warehouse.routes)),
            _takes(warehouse),
            " ".join(warehouse.dimensions),
            *(f"{sum(warehouse.name in rule.on for rule in kind):,}" for kind in rules),
        )
    return table


def _problem_text(problem: Problem, lines: Sequence[str]) -> Text:
    place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part is not None)
    text = Text.assemble((place, "bold"), ": ", (problem.severity.value, _STYLES[problem.severity]), ": ")
    if problem.path:
        text.append(f"{problem.path}: ", "cyan")
    text.append(printable(problem.message))
    if (
        problem.line is not None
        and problem.line <= len(lines)
        and lines[problem.line - 1].strip()
        and problem.code != "credentials"  # a password in a policy is bad enough without one in a build's log
    ):
        text.append("\n")
        text.append_text(_source_line(problem.line, problem.column, lines[problem.line - 1]))
    if problem.help:
        text.append("\n")
        text.append(f"  help: {printable(problem.help)}", "green")
    return text


def _source_line(number: int, column: int | None, line: str) -> Text:
    """The line, with a caret under `column` (from 1)."""
    start = 0
    at = (column or 1) - 1
    if len(line) > MAX_LINE:
        start = max(0, min(at - MAX_LINE // 2, len(line) - MAX_LINE))
    shown = printable(line[start : start + MAX_LINE])
    gutter = f"{number:>6} | "
    text = Text.assemble((gutter, "dim"), shown)
    if column is not None:
        indent = cell_len(printable(line[start:at]))
        text.append(f"\n{' ' * (len(gutter) - 2)}| ", "dim")
        text.append(f"{' ' * indent}^", "bold red")
    return text


def printable(text: str) -> str:
    """The text without what could move a terminal's cursor or forge a line."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def _route_text(route: Route) -> str:
    pattern = (
        route.path
        if route.path is not None
        else f"{route.prefix}{'*' if str(route.prefix).endswith('/') else '/*'}"
    )
    return f"{','.join(sorted(route.hosts))}{pattern}"


def _takes(warehouse: Warehouse) -> str:
    names = sorted(warehouse.accepts.issuers) + sorted(warehouse.accepts.trusts)
    return f"{warehouse.accepts.authentication.value}: {' '.join(names)}"
