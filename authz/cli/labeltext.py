"""Proposals for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from authz.cli.labelling import Seen
from authz.cli.labelpiece import labels_of, why
from authz.cli.verdicttext import counted, printable
from authz.labels.categories import Confidence
from authz.labels.review import UNLABELLED, Finding, Standing
from authz.policy.policyset import PolicySet, Warehouse
from authz.policy.problems import listed

_MAX_TYPE = 40
_STYLES = {Confidence.CERTAIN: "bold red", Confidence.LIKELY: "bold yellow", Confidence.POSSIBLE: ""}


def print_findings(
    console: Console, policy: PolicySet, warehouse: Warehouse, findings: Sequence[Finding], seen: Seen
) -> None:
    """The table, and what there is to say about the whole."""
    if findings:
        console.print(_table(findings))
    console.print(_summary(warehouse, findings, seen), markup=False, style="bold")
    console.print(f"labels in the policy: {listed(labels_of(policy)) or 'none'}", markup=False)
    if warehouse.kind in UNLABELLED and findings:
        console.print(
            f"a warehouse of kind `{warehouse.kind}` takes no labels: leave such columns out of a view, and name that"
            " as the table",
            markup=False,
        )


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("table", "column", "type", "label", "confidence", "now", "why"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        confidence = finding.proposal.confidence
        table.add_row(
            Text(printable(finding.table)),
            Text(printable(finding.column)),
            Text(_type(finding.declared)),
            Text(finding.label),
            Text(confidence.word, style=_STYLES[confidence]),
            Text(_now(finding)),
            Text(why(finding)),
        )
    return table


def _type(declared: str) -> str:
    text = printable(declared)
    return text if len(text) <= _MAX_TYPE else f"{text[: _MAX_TYPE - 1]}…"


def _now(finding: Finding) -> str:
    said = {
        Standing.NEW: "no label",
        Standing.LABELLED: f"`{finding.labelled}`",
        Standing.KNOWN: "no label, known",
    }[finding.standing]
    parts = [said, *(f"dimension `{name}`" for name in finding.dimensions)]
    if finding.closed:
        parts.append("table closed")
    return ", ".join(parts)


def _summary(warehouse: Warehouse, findings: Sequence[Finding], seen: Seen) -> str:
    columns = sum(len(each.schema.columns) for each in seen.looked)
    sampled = sum(each.rows is not None for each in seen.looked)
    standing = [finding.standing for finding in findings]
    of_what = f"{counted(columns, 'column')} of {counted(len(seen.looked), 'table')}"
    with_what = f", {sampled} with a sample" if sampled else ""
    return (
        f"{warehouse.name}: {of_what}{with_what}; {standing.count(Standing.NEW)} to review,"
        f" {standing.count(Standing.LABELLED)} labelled, {standing.count(Standing.KNOWN)} known; nothing was changed"
    )
