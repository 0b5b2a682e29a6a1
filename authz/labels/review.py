"""Proposals held against a policy: what is new, what has a label already, and what a label would mean there."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from authz.labels.categories import Category, Confidence
from authz.labels.proposals import Proposal, propose
from authz.labels.schema import SchemaTable, ValueCounts
from authz.labels.types import without_values
from authz.policy.policyset import Warehouse
from authz.policy.tables import WarehouseKind

UNLABELLED: Final = frozenset({WarehouseKind.CLICKHOUSE})
"""Kinds for which a policy with labels does not load."""


Key = tuple[str, str, str]
"""Table, column and category: by which a report of an earlier run is found again."""
NOTHING_KNOWN: Final[Mapping[Key, Confidence]] = {}


class Standing(StrEnum):
    NEW = "new"
    LABELLED = "labelled"
    KNOWN = "known"
    """Proposed by an earlier run, whose report somebody has reviewed."""


@dataclass(frozen=True, slots=True)
class PolicyTable:
    """A table as the policy has it; with an empty name that of a warehouse of one table. `closed`: it names no such table."""

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    """Dimension to column."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Column to label."""
    closed: bool = False

    @property
    def path(self) -> tuple[str, str, str]:
        """Catalog, schema and name; empty what the policy does not say."""
        parts = self.name.rsplit(".", 2)
        return ("", "", *parts)[-3], ("", "", *parts)[-2], parts[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A table of the policy beside what the warehouse says of it."""

    policy: PolicyTable
    schema: SchemaTable
    counts: Mapping[str, ValueCounts] = field(default_factory=dict)
    """By column; of those that were sampled."""
    rows: int | None = None
    """Rows of the sample; None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A column for which something speaks. `label` is the one proposed, `labelled` the one that it has."""

    table: str
    column: str
    declared: str
    label: str
    proposal: Proposal
    others: tuple[Category, ...]
    """What it may be as well."""
    standing: Standing
    labelled: str | None
    """The label that the policy gives it."""
    dimensions: tuple[str, ...]
    """By which rows are told apart in this column."""
    closed: bool

    @property
    def key(self) -> Key:
        return self.table, self.column, self.proposal.category.value


def policy_tables(warehouse: Warehouse) -> tuple[PolicyTable, ...]:
    """The tables that a policy names, or the one without a name."""
    if not warehouse.tables:
        return (PolicyTable("", warehouse.columns, warehouse.labels),)
    return tuple(PolicyTable(each.name, each.columns, each.labels) for each in warehouse.tables.values())


def matching(table: PolicyTable, schema: Iterable[SchemaTable]) -> list[SchemaTable]:
    """The tables of a schema that it may be: the same parts, as far as both sides know them."""
    return [
        each
        for each in schema
        if each.path[2] == table.path[2]
        and all(not own or not theirs or own == theirs for own, theirs in zip(table.path, each.path, strict=True))
    ]  # fmt: skip


def review(
    tables: Iterable[Looked],
    *,
    dialect: str,
    labels: Mapping[Category, str],
    at_least: Confidence = Confidence.POSSIBLE,
    known: Mapping[Key, Confidence] = NOTHING_KNOWN,
) -> tuple[Finding, ...]:
    """What to propose, table by table, in the order of their columns. What is surer than it was `known` is new."""
    return tuple(
        finding
        for looked in tables
        for finding in _findings(looked, dialect, labels, known)
        if finding.proposal.confidence >= at_least
    )


def _findings(
    looked: Looked, dialect: str, labels: Mapping[Category, str], known: Mapping[Key, Confidence]
) -> Iterator[Finding]:
    table = looked.policy
    for column in looked.schema.columns:
        proposals = propose(
            column, table=looked.schema.path[2], dialect=dialect, counts=looked.counts.get(column.name)
        )
        if not proposals:
            continue
        best, *others = proposals
        labelled = table.labels.get(column.name)
        reviewed = known.get((table.name, column.name, best.category.value))
        yield Finding(
            table=table.name,
            column=column.name,
            declared=without_values(column.declared),
            label=labels[best.category],
            proposal=best,
            others=tuple(each.category for each in others),
            standing=_standing(labelled, reviewed, best.confidence),
            labelled=labelled,
            dimensions=tuple(name for name, each in table.columns.items() if each == column.name),
            closed=table.closed,
        )  # fmt: skip


def _standing(labelled: str | None, reviewed: Confidence | None, confidence: Confidence) -> Standing:
    if labelled is not None:
        return Standing.LABELLED
    return Standing.KNOWN if reviewed is not None and confidence <= reviewed else Standing.NEW


def gone(looked: Looked) -> tuple[str, ...]:
    """Columns that the policy labels or filters by, and that the table has not: so it says nothing about what is there."""
    there = {column.name for column in looked.schema.columns}
    named = dict.fromkeys((*looked.policy.labels, *looked.policy.columns.values()))
    return tuple(name for name in named if name not in there)
