"""Columns and counts become proposals, each with what speaks for it. Nothing here knows a policy, and nothing is applied."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final

from authz.labels.categories import Category, Confidence
from authz.labels.names import found_in
from authz.labels.rules import RULES, Rule
from authz.labels.schema import Column, ValueCounts
from authz.labels.shapes import FACTS, Shape, Weight
from authz.labels.types import Holds, TypeFacts, type_facts

MOST: Final = 0.5
"""From this share on, most values are it."""
SOME: Final = 0.05
ENOUGH: Final = 20
"""Values that have to be looked at before none of them speaks against a name."""
_Z: Final = 1.96


class Source(StrEnum):
    NAME = "name"
    TYPE = "type"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`matches` of `values` are set where the source is a sample. The text is for people, without a value."""

    source: Source
    text: str
    matches: int | None = None
    values: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    category: Category
    confidence: Confidence
    evidence: tuple[Evidence, ...]


def propose(
    column: Column, *, table: str = "", dialect: str = "ansi", counts: ValueCounts | None = None
) -> tuple[Proposal, ...]:
    """What a column may be, the likeliest first; nothing, if nothing speaks for anything.

    `table` is the last part of its table's name. Without `counts` values are not known, and not held against a name.
    """
    facts = type_facts(column.declared, dialect)
    named = _named(column.name, table, facts)
    found = [
        proposal for rule in RULES if (proposal := _proposal(rule, named.get(rule.category), facts, counts)) is not None
    ]  # fmt: skip
    order = list(Category)
    return tuple(sorted(found, key=lambda each: (-each.confidence, order.index(each.category))))


def _named(name: str, table: str, facts: TypeFacts) -> Mapping[Category, tuple[Confidence, Evidence]]:
    found: dict[Category, tuple[Confidence, Evidence]] = {}
    for rule, confidence, term in found_in(name, table):
        if facts.holds in rule.holds and (facts.length is None or facts.length >= rule.shortest):
            text = f"the name says {rule.noun} (`{term}`)"
            found[rule.category] = (confidence, Evidence(source=Source.NAME, text=text))
    for field in facts.fields:
        for rule, confidence, term in found_in(field):
            text = f"a field inside says {rule.noun} (`{term}`)"
            if rule.category not in found or found[rule.category][0] < confidence:
                found[rule.category] = (confidence, Evidence(source=Source.NAME, text=text))
    return found


def _proposal(
    rule: Rule,
    named: tuple[Confidence, Evidence] | None,
    facts: TypeFacts,
    counts: ValueCounts | None,
) -> Proposal | None:
    evidence: list[Evidence] = []
    heard: list[Confidence] = []
    if named is not None:
        heard.append(named[0])
        evidence.append(named[1])
    if facts.holds in rule.types:
        # Where something is says nothing of whom; an address of a network is somebody's.
        alone = Confidence.LIKELY if facts.holds is Holds.ADDRESS else Confidence.POSSIBLE
        heard.append(Confidence.CERTAIN if named is not None else alone)
        evidence.append(Evidence(source=Source.TYPE, text=f"the type holds {rule.noun}"))
    seen = [] if counts is None else [_seen(shape, counts, named=bool(heard)) for shape in rule.shapes]
    for each in seen:
        if each is not None:
            heard.append(each[0])
            evidence.append(each[1])
    if not heard:
        return None
    confidence = max(heard)
    if (
        counts is not None
        and rule.exhaustive
        and counts.values >= ENOUGH
        and not any(seen)
        and facts.holds not in rule.types
    ):
        confidence = Confidence.POSSIBLE
        text = f"none of {counts.values:,} values looks like {rule.noun}: hashed, or something else"
        evidence.append(Evidence(source=Source.SAMPLE, text=text, matches=0, values=counts.values))
    return Proposal(category=rule.category, confidence=confidence, evidence=tuple(evidence))


def _seen(shape: Shape, counts: ValueCounts, *, named: bool) -> tuple[Confidence, Evidence] | None:
    """What the values say, together with a name or alone."""
    matches = counts.shapes.get(shape, 0)
    if not matches:
        return None
    facts = FACTS[shape]
    sure = at_least(matches, counts.values)
    confidence = _confidence(facts.weight, sure, named=named)
    if confidence is None:
        if not named:
            return None
        confidence = Confidence.POSSIBLE
    text = f"{facts.noun} in {matches:,} of {counts.values:,} values"
    return confidence, Evidence(source=Source.SAMPLE, text=text, matches=matches, values=counts.values)


def _confidence(weight: Weight, sure: float, *, named: bool) -> Confidence | None:
    if named and sure >= MOST:
        return Confidence.CERTAIN
    match weight:
        case Weight.DISTINCT:
            if sure >= MOST:
                return Confidence.CERTAIN
            return Confidence.LIKELY if sure >= SOME else Confidence.POSSIBLE
        case Weight.CHECKED:
            return Confidence.LIKELY if sure >= MOST else None
        case Weight.SUPPORTS:
            return None


def at_least(matches: int, values: int) -> float:
    """The share that is behind a count, on the safe side: one of one is no proof.

    The lower end of Wilson's interval at 95 % (E. B. Wilson, 1927, doi:10.1080/01621459.1927.10502953).
    """
    if values <= 0 or matches <= 0:
        return 0.0
    share, square = matches / values, _Z * _Z
    middle = share + square / (2 * values)
    spread = _Z * sqrt((share * (1 - share) + square / (4 * values)) / values)
    return max(0.0, (middle - spread) / (1 + square / values))


_UNREAD: Final = frozenset({Holds.BOOLEAN, Holds.BYTES, Holds.DATE, Holds.PLACE, Holds.TIME, Holds.UUID})


def readable_columns(columns: tuple[Column, ...], dialect: str) -> Iterator[Column]:
    """Those whose values have to be read at all: of dates and truths no shape is looked for, and pictures are large."""
    for column in columns:
        if type_facts(column.declared, dialect).holds not in _UNREAD:
            yield column
