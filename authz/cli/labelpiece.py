"""Proposals as a piece of a policy, for people to take over, and as a report for machines."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import yaml

from authz.cli.labelling import CannotLookError, Seen
from authz.labels.categories import Confidence
from authz.labels.review import UNLABELLED, Finding, Key, Standing
from authz.policy.names import COLUMN_NAME
from authz.policy.policyset import PolicySet, Warehouse

FORMAT: Final = 1
_MAX_REPORT: Final = 67_108_864
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.$\-]*\Z", re.ASCII)
_NOT_PLAIN: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def as_yaml(warehouse: Warehouse, findings: Iterable[Finding]) -> str:
    """What is new, at the place in a policy where it would stand. What cannot stand there is a comment."""
    new = [finding for finding in findings if finding.standing is Standing.NEW]
    lines = [
        f"# Proposed for warehouse `{warehouse.name}` by `scopegate label suggest`; nothing of it is in force.",
        "# Look at each line, and move what is right to the `labels` of its table in the policy.",
    ]
    if not new:
        return "\n".join([*lines, "# Nothing new.", ""])
    if warehouse.kind in UNLABELLED:
        lines.append(f"# {_no_labels(warehouse)}")
        body = [f"# {line}" for line in _body(warehouse, new)]
    else:
        body = list(_body(warehouse, new))
    return "\n".join([*lines, *body, ""])


def _no_labels(warehouse: Warehouse) -> str:
    return (
        f"A warehouse of kind `{warehouse.kind}` takes no labels: leave these columns out of a view, and name that"
        " as the table."
    )


def _body(warehouse: Warehouse, new: Sequence[Finding]) -> Iterator[str]:
    yield "warehouses:"
    yield f"  {warehouse.name}:"
    if not warehouse.tables:
        yield from _labels("    ", new)
        return
    yield "    tables:"
    for table, findings in groupby(new, key=lambda finding: finding.table):
        yield f"      {_scalar(table)}:"
        yield from _labels("        ", list(findings))


def _labels(indent: str, findings: Sequence[Finding]) -> Iterator[str]:
    yield f"{indent}labels:"
    for finding in findings:
        yield f"{indent}  # {finding.proposal.confidence.word}: {why(finding)}"
        line = f"{_scalar(finding.column)}: {finding.label}"
        obstacle = _obstacle(finding)
        if obstacle is None:
            yield f"{indent}  {line}"
        else:
            yield f"{indent}  # {obstacle}"
            yield f"{indent}  # {line}"


def _obstacle(finding: Finding) -> str | None:
    if COLUMN_NAME.match(finding.column) is None:
        return "a policy cannot name it: leave it out of a view, and name that as the table"
    if finding.dimensions:
        return (
            f"rows are told apart by it (dimension {', '.join(finding.dimensions)}): whoever it is hidden from"
            " cannot filter by it"
        )
    return None


def why(finding: Finding) -> str:
    """What speaks for it, on one line, without a value and without a word of the warehouse's."""
    texts = [each.text for each in finding.proposal.evidence]
    if finding.others:
        texts.append(f"or {', '.join(other.replace('_', ' ') for other in finding.others)}")
    return "; ".join(texts)


def _scalar(text: str) -> str:
    if _PLAIN.match(text) and text.lower() not in _NOT_PLAIN:
        return text
    return yaml.dump(text, default_style='"', allow_unicode=False, width=float("inf")).rstrip("\n")


def as_report(
    policy: PolicySet, warehouse: Warehouse, findings: Sequence[Finding], seen: Seen
) -> dict[str, Any]:
    """For machines, and for `--known` later. Numbers of a sample, never a value of it."""
    return {
        "format": FORMAT,
        "policy": policy.version,
        "warehouse": warehouse.name,
        "kind": warehouse.kind.value,
        "takes_labels": warehouse.kind not in UNLABELLED,
        "labels_in_policy": labels_of(policy),
        "tables": [
            {
                "table": each.policy.name,
                "columns": len(each.schema.columns),
                "sampled_rows": each.rows,
                "closed": each.policy.closed,
            }
            for each in seen.looked
        ],
        "proposals": [_member(finding) for finding in findings],
        "notes": list(seen.notes),
        "unread": list(seen.unread),
    }


def _member(finding: Finding) -> dict[str, Any]:
    return {
        "table": finding.table,
        "column": finding.column,
        "type": finding.declared,
        "category": finding.proposal.category.value,
        "label": finding.label,
        "confidence": finding.proposal.confidence.word,
        "standing": finding.standing.value,
        "labelled": finding.labelled,
        "dimensions": list(finding.dimensions),
        "others": [other.value for other in finding.others],
        "evidence": [
            {"source": each.source.value, "text": each.text, "matches": each.matches, "values": each.values}
            for each in finding.proposal.evidence
        ],
    }


def labels_of(policy: PolicySet) -> list[str]:
    """The labels that any warehouse of the policy has."""
    return sorted({label for each in policy.warehouses.values() for label in each.label_names})


def read_known(path: Path, warehouse: str) -> Mapping[Key, Confidence]:
    """What a report of an earlier run proposed, and how surely. Raises `CannotLookError`."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_REPORT + 1)
        report = json.loads(data) if len(data) <= _MAX_REPORT else None
    except OSError as error:
        raise CannotLookError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None
    except (ValueError, RecursionError):
        report = None
    if not isinstance(report, Mapping) or report.get("format") != FORMAT:
        raise CannotLookError(f"{path}: expected a report that `--format json` wrote")
    if report.get("warehouse") != warehouse:
        raise CannotLookError(f"{path}: is about another warehouse than `{warehouse}`")
    try:
        return {
            (str(each["table"]), str(each["column"]), str(each["category"])): Confidence[
                each["confidence"].upper()
            ]
            for each in report["proposals"]
            # What has a label is known by it, for as long as it has it.
            if each["standing"] != Standing.LABELLED
        }
    except (KeyError, TypeError, AttributeError):
        raise CannotLookError(f"{path}: expected a report that `--format json` wrote") from None
