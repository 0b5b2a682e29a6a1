"""What `scopegate audit` prints."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from authz.audit.findings import Report
from authz.audit.query import Answer
from authz.audit.replay import Replayed, Verdict, as_json


def report_text(report: Report) -> str:
    """A verification for people."""
    speed = report.lines / report.seconds if report.seconds else 0.0
    lines = [finding.text for finding in report.findings]
    if report.more_findings:
        lines.append(f"and {report.more_findings:,} more findings")
    lines += [f"note: {notice}" for notice in report.notices]
    for chain in report.chains:
        sealed = "no seal" if chain.sealed_through is None else f"sealed through #{chain.sealed_through}"
        lost = f", {chain.lost:,} without a record" if chain.lost else ""
        lines.append(
            f"{chain.writer}: #{chain.first_seq} to #{chain.next_seq - 1}, {chain.records:,} decisions{lost}, "
            f"{sealed}, {chain.end.value}, head {chain.head}"
        )
    verdict = "intact" if report.is_intact else "NOT INTACT, or not known to be"
    lines.append(
        f"{verdict}: {report.records:,} decisions in {report.lines:,} lines of {report.files} files "
        f"by {len(report.chains)} writers ({speed:,.0f} lines/s)"
    )
    return "\n".join(lines)


def report_json(report: Report) -> str:
    """A verification for machines, and for `--known` later."""
    members = {"intact": report.is_intact, **asdict(report)}
    return json.dumps(members, indent=2)


def as_table(answer: Answer, console: Console, limit: int) -> None:
    """Rows for people."""
    table = Table(*map(escape, answer.columns))
    rows = list(islice(answer.rows, limit + 1))
    for row in rows[:limit]:
        table.add_row(*(escape(_cell(value)) for value in row))
    console.print(table)
    if len(rows) > limit:
        console.print(f"more than {limit:,} rows: --limit, or --format csv")


def as_csv(answer: Answer, file: TextIO) -> None:
    """Rows for spreadsheets."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows([_harmless(_cell(value)) for value in row] for row in answer.rows)


def as_json_rows(answer: Answer, file: TextIO) -> None:
    """Rows for machines: one object a line."""
    file.writelines(
        json.dumps(dict(zip(answer.columns, row, strict=True)), default=_json_value) + "\n"
        for row in answer.rows
    )


def _harmless(cell: str) -> str:
    """A spreadsheet takes a cell that begins so for a formula: a subject or a detail must not become one."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds")
    # A terminal obeys control characters: whatever a token says must not reach it as such.
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value))


def _json_value(value: Any) -> Any:
    return f"{value.isoformat()}Z" if isinstance(value, datetime) else str(value)


def replay_json(
    version: str, counts: Mapping[Verdict, int], changed: Sequence[Replayed], missing: Mapping[str, int]
) -> dict[str, Any]:
    """A replay for machines."""
    return {
        "policy_version": version,
        "decisions": {verdict.value: count for verdict, count in counts.items()},
        "missing": dict(missing),
        "changed": [as_json(replayed) for replayed in changed],
    }


def replay_table(
    console: Console,
    version: str,
    counts: Mapping[Verdict, int],
    changed: Sequence[Replayed],
    missing: Mapping[str, int],
) -> None:
    """A replay for people."""
    if changed:
        table = Table("time (UTC)", "subject", "warehouse", "was", "becomes", "decision")
        for replayed in changed:
            line = replayed.line
            subject = "" if line.actor is None else f"{line.actor.issuer}:{line.actor.subject}"
            cells = (subject, line.warehouse, replayed.was, replayed.becomes, line.decision_id)
            time = datetime.fromtimestamp(line.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
            table.add_row(time, *(escape(_cell(cell)) for cell in cells))
        console.print(table)
    shown = f" ({len(changed):,} shown)" if counts[Verdict.CHANGED] > len(changed) else ""
    console.print(
        f"under policy {version}: {counts[Verdict.SAME]:,} the same, {counts[Verdict.CHANGED]:,} changed{shown}, "
        f"{counts[Verdict.UNDECIDABLE]:,} undecidable, {counts[Verdict.NOT_BY_POLICY]:,} not decided by a policy"
    )
    for fact, records in sorted(missing.items(), key=lambda pair: -pair[1]):
        console.print(f"not recorded: {escape(_cell(fact))} ({records:,} decisions)")
