"""The `guardrails:` of a warehouse: on for the kinds that are asked in SQL, unless the policy says `off`."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

from authz.guardrails.dialects import DIALECTS
from authz.guardrails.rules import (
    DEFAULT_KINDS,
    Bounds,
    GuardrailRules,
    PartitionRule,
    StatementKind,
    Unparsed,
)
from authz.policy.document import WarehousePart
from authz.policy.guardrailsparts import GuardrailsPart, PartitionPart
from authz.policy.problems import listed
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken
from authz.policy.tables import WarehouseKind

GUARDED: Final[Mapping[WarehouseKind, str]] = {
    WarehouseKind.TRINO: "trino",
    WarehouseKind.CLICKHOUSE: "clickhouse",
}
"""Kinds that are asked in SQL, and the dialect in which it is examined."""

_WORD: Final = r"(?:\*|[A-Za-z0-9_$\-]+\*?)"
_FUNCTION: Final = re.compile(r"[a-z0-9_]+\*?\Z", re.ASCII)
_COLUMN: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f.]{1,128}\Z")
_DAY: Final = timedelta(days=1)


def build_guardrails(context: Context, path: Path, part: WarehousePart) -> GuardrailRules | None:
    """The rules; None for a kind without SQL, where they are off, or after a problem."""
    said = part.guardrails
    if is_broken(part.kind, part.tables, said):
        return None
    kind, place = WarehouseKind(part.kind), (*path, "guardrails")
    dialect = GUARDED.get(kind)
    if dialect is None:
        if said is not None:
            context.report.add(
                "conflict",
                place,
                f"`guardrails`, with `kind: {kind}`",
                f"only {listed(GUARDED)} are asked in SQL",
                key=True,
            )
        return None
    if isinstance(said, str):
        return None
    own = said or GuardrailsPart()
    if is_broken(*own.__dict__.values()):
        return None
    _check(context, place, own, dialect, part)
    return GuardrailRules(
        dialect=dialect,
        statements=DEFAULT_KINDS if own.statements is None else frozenset(map(StatementKind, own.statements)),
        tables=frozenset((*part.tables, *own.tables)),
        denied_tables=frozenset(own.denied_tables),
        functions=frozenset(own.functions),
        denied_functions=frozenset(own.denied_functions),
        partitions={
            tuple(name.split(".")): PartitionRule(column=rule.column, within=rule.within)
            for name, rule in own.partitions.items()
        },
        max_rows=own.max_rows,
        unparsed=Unparsed(own.unparsed),
        bounds=Bounds(bytes=own.max_bytes, tokens=own.max_tokens, depth=own.max_depth),
    )


def _check(context: Context, path: Path, own: GuardrailsPart, dialect: str, part: WarehousePart) -> None:
    words = DIALECTS[dialect].name_parts or 1
    table = re.compile(rf"{_WORD}(?:\.{_WORD}){{{words - 1}}}\Z", re.ASCII)
    expected = f"{words} words between dots, each of which may be `*` or end in it"
    for key, patterns in (("tables", own.tables), ("denied_tables", own.denied_tables)):
        _check_patterns(context, (*path, key), patterns, table, expected)
    expected = "the name of a function in lower case, which may end in `*`"
    for key, patterns in (("functions", own.functions), ("denied_functions", own.denied_functions)):
        _check_patterns(context, (*path, key), patterns, _FUNCTION, expected)
    for name, rule in own.partitions.items():
        if name not in part.tables:
            context.report.unknown((*path, "partitions", name), "table", name, tuple(part.tables), key=True)
        if not is_broken(rule):
            _check_partition(context, (*path, "partitions", name), rule)


def _check_patterns(
    context: Context, path: Path, patterns: Iterable[str], form: re.Pattern[str], expected: str
) -> None:
    for number, pattern in enumerate(patterns):
        if not form.match(pattern):
            context.report.add("value", (*path, number), f"got `{pattern}`, expected {expected}")


def _check_partition(context: Context, path: Path, rule: PartitionPart) -> None:
    if is_broken(rule.column, rule.within):
        return
    if not _COLUMN.match(rule.column):
        context.report.add("value", (*path, "column"), "expected the name of a column")
    if rule.within is not None and (not rule.within or rule.within % _DAY):
        context.report.add("value", (*path, "within"), "expected whole days, at least one", "such as `400d`")
