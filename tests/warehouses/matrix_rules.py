"""Policies at random, each with one company's three warehouses, and who may see which row, said by hand.

`visible` is the oracle: it reads the rules as docs/policy.md says them, row by row, and knows nothing of filters,
their algebra or SQL.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from tests.tokens import AUDIENCE, ISSUER
from tests.warehouses.matrix_data import CLICKHOUSE, POOLS, POSTGRES, TABLES, TRINO, TYPES, Row, Speech, Value

GROUPS: Final = ("g0", "g1", "g2", "g3")
SHUT: Final = "shut"
"""The group of a rule that denies."""

WAREHOUSES: Final[Mapping[str, tuple[str, Speech]]] = {
    "lake": ("trino", TRINO),
    "events": ("clickhouse", CLICKHOUSE),
    "crm": ("postgrest", POSTGRES),
}

_CLAIMED: Final = ("region", "customer")
"""Dimensions whose values may come from a claim: the types that a claim has, too."""


@dataclass(frozen=True, slots=True)
class Term:
    """What a rule says of a dimension: `all`, a list, a range, or what a claim of the person lists."""

    listed: tuple[Value, ...] | None = None
    bounds: tuple[tuple[str, Value], ...] = ()
    claim: str | None = None

    def said(self) -> object:
        """As the policy file says it."""
        if self.claim is not None:
            return {"claim": self.claim}
        if self.listed is not None:
            return [_said(value) for value in self.listed]
        return {word: _said(value) for word, value in self.bounds} or "all"

    def of(self, claims: Mapping[str, Sequence[Value]]) -> "Term":
        return self if self.claim is None else Term(listed=tuple(claims[self.claim]))

    def admits(self, value: Any) -> bool:
        if self.listed is None and not self.bounds:
            return True
        if value is None:
            return False
        if self.listed is not None:
            return value in self.listed
        return all(_holds(word, value, bound) for word, bound in self.bounds)


def _holds(word: str, value: Any, bound: Any) -> bool:
    match word:
        case "from":
            return bool(value >= bound)
        case "after":
            return bool(value > bound)
        case "through":
            return bool(value <= bound)
        case "before":
            return bool(value < bound)
        case _:
            raise ValueError(word)


def _said(value: Value) -> object:
    match value:
        case bool() | int() | str():
            return value
        case datetime():
            return f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
        case _:
            return str(value)


@dataclass(frozen=True, slots=True)
class Rule:
    groups: tuple[str, ...]
    """Of which a person has one; empty: everybody."""
    terms: Mapping[str, Term]

    def is_for(self, person: "Person") -> bool:
        return not self.groups or not set(self.groups).isdisjoint(person.groups)


@dataclass(frozen=True, slots=True)
class Person:
    groups: tuple[str, ...]
    claims: Mapping[str, Sequence[Value]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    dimensions: tuple[str, ...]
    grants: tuple[Rule, ...]
    restrictions: tuple[Rule, ...]
    people: tuple[Person, ...]

    def text(self) -> str:
        """The policy file: JSON, which is YAML."""
        said = {
            "version": 1,
            "issuers": {
                "okta": {"issuer": ISSUER, "audiences": [AUDIENCE], "groups_claim": "groups", "jwks_file": "jwks.json"}
            },
            "assertion": {"issuer": "https://edge.example", "keys": ["signing.pem"]},
            "dimensions": {name: {"type": TYPES[name]} for name in self.dimensions},
            "warehouses": {
                name: {
                    "kind": kind,
                    "routes": [{"prefix": "/", "hosts": [f"{name}.example"]}],
                    "upstream": "http://warehouse",
                    "tables": {speech.named(table): self._table(table) for table in TABLES},
                }
                for name, (kind, speech) in WAREHOUSES.items()
            },
            "grants": [
                {"id": f"grant-{n}", "to": {"groups": [*rule.groups]}, "on": "all", "scope": _terms(rule)}
                for n, rule in enumerate(self.grants)
            ],
            "restrictions": [
                {"id": f"restriction-{n}", **({"to": {"groups": [*rule.groups]}} if rule.groups else {}), "scope": _terms(rule)}
                for n, rule in enumerate(self.restrictions)
            ],
            "denies": [{"id": "shut", "to": {"groups": [SHUT]}}],
        }  # fmt: skip
        return json.dumps(said, ensure_ascii=False, indent=1)

    def _table(self, name: str) -> dict[str, object]:
        columns = self.told_apart(name)
        unfiltered = [dimension for dimension in self.dimensions if dimension not in columns]
        return {
            **({"columns": columns} if columns else {}),
            **({"unfiltered": unfiltered} if unfiltered else {}),
        }

    def told_apart(self, table: str) -> dict[str, str]:
        """Dimension to column."""
        known = TABLES[table].dimensions
        return {dimension: known[dimension] for dimension in self.dimensions if dimension in known}

    def alternatives(self, person: Person) -> list[dict[str, list[Term]]]:
        """For each grant of a person, whatever it and every restriction says of each dimension; those that can be."""
        narrowing = [rule for rule in self.restrictions if rule.is_for(person)]
        found = []
        for grant in self.grants:
            if not grant.is_for(person):
                continue
            both = {
                name: [
                    rule.terms[name].of(person.claims) for rule in (grant, *narrowing) if name in rule.terms
                ]
                for name in self.dimensions
            }
            # What can be of no row is of no row of a table that lacks the dimension, either.
            if all(_possible(terms, TYPES[name]) for name, terms in both.items()):
                found.append(both)
        return found

    def is_let_in(self, person: Person) -> bool:
        return SHUT not in person.groups and bool(self.alternatives(person))

    def visible(self, person: Person, table: str) -> list[Row]:
        columns = self.told_apart(table)
        alternatives = self.alternatives(person)
        return [
            row
            for row in TABLES[table].rows
            if any(
                all(term.admits(row[column]) for name, column in columns.items() for term in one[name])
                for one in alternatives
            )
        ]


def _terms(rule: Rule) -> dict[str, object]:
    return {name: term.said() for name, term in rule.terms.items()}


def _possible(terms: Sequence[Term], kind: str) -> bool:
    """Whether any value at all satisfies every term: one of those they name, or one right beside."""
    named = [value for term in terms for value in (term.listed or [bound for _, bound in term.bounds])]
    if not any(term.listed is not None or term.bounds for term in terms):
        return True
    return any(all(term.admits(value) for term in terms) for one in named for value in _around(one, kind))


def _around(value: Any, kind: str) -> Iterator[Value]:
    step = {
        "integer": 1,
        "decimal": Decimal("1e-9"),
        "date": timedelta(days=1),
        "timestamp": timedelta(microseconds=1),
    }.get(kind)
    yield value
    if kind == "string":
        yield ""
        yield value + "\x01"
    elif step is not None:
        yield value - step
        yield value + step


def policy(seed: int) -> Policy:
    """Equal seeds, equal policies."""
    chance = random.Random(seed)
    dimensions = tuple(chance.sample(list(TYPES), chance.randint(2, len(TYPES))))
    grants = tuple(
        Rule(
            tuple(chance.sample(GROUPS, chance.choice((1, 1, 2)))),
            {name: _term(chance, name, 0.55) for name in dimensions},
        )
        for _ in range(chance.randint(2, 5))
    )
    restrictions = tuple(
        Rule(
            tuple(chance.sample(GROUPS, chance.choice((0, 1, 1)))),
            {name: _term(chance, name, 0.1) for name in chance.sample(dimensions, chance.choice((1, 1, 2)))},
        )
        for _ in range(chance.choice((0, 0, 1, 1, 2)))
    )
    # Somebody at random, who may have no grant, and three who have one.
    members = [chance.choice(GROUPS), *(chance.choice(chance.choice(grants).groups) for _ in range(3))]
    people = tuple(
        Person(
            tuple(
                dict.fromkeys(
                    (
                        group,
                        *chance.sample(GROUPS, chance.choice((0, 1, 2))),
                        *((SHUT,) if chance.random() < 0.04 else ()),
                    )
                )
            ),
            {name: chance.sample(_claimable(name), chance.randint(1, 5)) for name in _CLAIMED},
        )
        for group in members
    )
    return Policy(dimensions, grants, restrictions, people)


def _claimable(name: str) -> list[Value]:
    """Beyond 53 bits a number of a claim is refused: a reader of JSON may have rounded it."""
    return [value for value in POOLS[name] if not isinstance(value, int) or abs(value) < 2**53]


def _term(chance: random.Random, dimension: str, everything: float) -> Term:
    pool = POOLS[dimension]
    if chance.random() < everything:
        return Term()
    if dimension in _CLAIMED and chance.random() < 0.15:
        return Term(claim=dimension)
    if dimension == "active" or chance.random() < 0.45:
        few = 0 if chance.random() < 0.06 else chance.randint(1, max(1, len(pool) * 2 // 3))
        return Term(listed=tuple(chance.sample(pool, few)))
    low, high = sorted(chance.sample(pool, 2))  # type: ignore[type-var]
    lower = (chance.choice(("from", "after")), _beside(chance, low))
    # Between a number and the next is none: a range without one does not load.
    upper = (
        "through" if lower[0] == "after" else chance.choice(("through", "before")),
        _beside(chance, high),
    )
    return Term(bounds=chance.choice(((lower,), (upper,), (lower, upper), (lower, upper))))


def _beside(chance: random.Random, value: Value) -> Value:
    """A bound may lie where no column can: between two values of the fourth decimal."""
    if isinstance(value, Decimal) and chance.random() < 0.6:
        return value + chance.choice((Decimal("0.00003"), Decimal("-0.00003")))
    return value


def said_claims(person: Person) -> dict[str, object]:
    """What the issuer puts into a person's token."""
    return {"groups": [*person.groups], **{name: [_said(v) for v in values] for name, values in person.claims.items()}}  # fmt: skip
