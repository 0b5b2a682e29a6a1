"""One matrix for every warehouse: policies at random, questions at random, and an oracle that knows no scope in SQL.

Each case is decided by the check itself. What it rewrites is brought to the warehouse as Envoy would bring it, and the
answer is held against DuckDB, which is asked the same over tables that plain Python has cut down before.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Final

import duckdb

from authz.check import Outcome, Snapshot, check
from authz.errors import Reason
from authz.identity.authenticator import Authenticator
from authz.identity.keyset import parse_jwks
from authz.identity.revocations import NOTHING_REVOKED
from authz.policy.decision import Allow
from authz.policy.policyset import PolicySet, Warehouse
from authz.request import AccessRequest
from authz.signing.keys import SigningKeys
from tests.policies import policy as loaded
from tests.tokens import claims, ec_key, jwks, mint
from tests.warehouses import matrix_rules
from tests.warehouses.matrix_data import DUCKDB, TABLES
from tests.warehouses.matrix_questions import Question, question
from tests.warehouses.matrix_rules import Person, Policy

POLICIES: Final = int(os.environ.get("SCOPEGATE_MATRIX_POLICIES", "40"))
QUESTIONS: Final = int(os.environ.get("SCOPEGATE_MATRIX_QUESTIONS", "5"))
"""Of each policy."""
FIRST: Final = int(os.environ.get("SCOPEGATE_MATRIX_SEED", "1"))
"""The seed of the first policy; the others follow."""

TELLING: Final = 1 / 3
"""The share of answers that are neither what everybody would get nor what nobody would."""
ENOUGH: Final = 100
"""Answers of which such a share can be asked for."""

_KEY: Final = ec_key("matrix")

Cells = Counter[tuple[str | None, ...]]
"""An answer: rows in no order, each value as a text."""


@dataclass(frozen=True, slots=True)
class Case:
    """A person asks a question under a policy."""

    seed: int
    number: int
    policy: Policy
    person: Person
    question: Question

    def __str__(self) -> str:
        return (
            f"SCOPEGATE_MATRIX_SEED={self.seed}, question {self.number}: {self.person}\n{self.policy.text()}\n"
            f"{self.question.said(DUCKDB)}\n"
        )


def policies() -> Iterator[tuple[int, Policy]]:
    for seed in range(FIRST, FIRST + POLICIES):
        yield seed, matrix_rules.policy(seed)


def cases(seed: int, policy: Policy) -> Iterator[Case]:
    chance = random.Random(seed)
    for number in range(QUESTIONS):
        yield Case(seed, number, policy, chance.choice(policy.people), question(seed * 1000 + number))


class Deciding:
    """The check of one policy."""

    def __init__(self, policy: str, keys: SigningKeys) -> None:
        """`policy` is the text of a policy file."""
        self.policy: PolicySet = loaded(policy)
        authenticator = Authenticator(
            issuers=self.policy.issuers, key_sets={"okta": parse_jwks(jwks(_KEY))}, bundles={}
        )
        self._snapshot = Snapshot(
            policy=self.policy, authenticator=authenticator, revocations=NOTHING_REVOKED, signing=keys
        )

    def warehouse(self, name: str) -> Warehouse:
        return self.policy.warehouses[name]

    def decide(
        self,
        warehouse: str,
        person: Person,
        *,
        method: str,
        target: str,
        body: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Decided":
        """With the person's token, or another; `headers` are what the client sends beside."""
        now = time.time()
        path, _, query = target.partition("?")
        sent = {"authorization": f"Bearer {token or token_of(person)}", **(headers or {})}
        request = AccessRequest(
            method=method,
            host=f"{warehouse}.example",
            path=path,
            query=query,
            headers={name: (value,) for name, value in sent.items()},
            body=None if body is None else body.encode(),
            context={"warehouse": warehouse, "body": "whole"},
            warehouse_hint=warehouse,
        )
        return Decided(target, sent, check(request, self._snapshot, now))


def token_of(person: Person, **changes: Any) -> str:
    """From the issuer, valid now unless told otherwise."""
    now = int(time.time())
    said = claims(sub="ann", iat=now - 5, nbf=now - 5, exp=now + 600, **matrix_rules.said_claims(person))
    return mint({**said, **changes}, _KEY)


@dataclass(frozen=True, slots=True)
class Decided:
    target: str
    sent: Mapping[str, str]
    outcome: Outcome

    @property
    def reason(self) -> Reason:
        decision = self.outcome.decision
        return Reason.GRANTED if isinstance(decision, Allow) else decision.reason

    def rewritten(self) -> tuple[str, dict[str, str]]:
        """The target and the headers with which the request goes on: Envoy sets first and removes last."""
        constant, own = self.outcome.rewrites, self.outcome.request_rewrites
        assert constant is not None
        assert own is not None
        headers = {**self.sent, **dict((*constant.set_headers, *own.set_headers))}
        for name in (*constant.remove_headers, *own.remove_headers):
            headers.pop(name, None)
        return own.path or self.target, headers


@cache
def _everything() -> "duckdb.DuckDBPyConnection":
    """All rows of all tables, under `all_…`."""
    connection = duckdb.connect()
    for statement in DUCKDB.setup():
        connection.execute(statement)
    for name in TABLES:
        connection.execute(f"ALTER TABLE {name} RENAME TO all_{name}")
    return connection


def oracle(asked: Question, seen: Mapping[str, Sequence[int]]) -> Cells:
    """What the question means where each table has the rows of these numbers only."""
    connection = _everything()
    for name in TABLES:
        numbers = ", ".join(map(str, seen[name])) or "NULL"
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM all_{name} WHERE id IN ({numbers})"
        )
    return cells(connection.execute(asked.said(DUCKDB)).fetchall(), asked.types)


def cells(rows: Sequence[Sequence[Any]], types: Sequence[str]) -> Cells:
    """Values as an engine gives them, its own or in words of JSON."""
    return Counter(tuple(_cell(value, kind) for value, kind in zip(row, types, strict=True)) for row in rows)


def _cell(value: Any, kind: str) -> str | None:
    if value is None:
        return None
    match kind:
        case "integer":
            return str(int(value))
        case "decimal":
            return format(Decimal(value).normalize(), "f")
        case "date":
            return str(date.fromisoformat(str(value)))
        case "boolean":
            return str(value in {True, "true"})
        case _:
            return str(value)


def seen_by(case: Case) -> dict[str, list[int]]:
    return {name: [int(str(row["id"])) for row in case.policy.visible(case.person, name)] for name in TABLES}


@dataclass(slots=True)
class Score:
    """What was asked and answered, so that a matrix of nothing at all is none."""

    answered: int = 0
    telling: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)

    def hold(self, case: Case, answer: Cells) -> None:
        """Exactly the rows of the oracle's answer, or `AssertionError` with what makes it again."""
        seen = seen_by(case)
        expected = oracle(case.question, seen)
        more, fewer = answer - expected, expected - answer
        assert not more, f"{case}too much: {list(more)[:5]}"
        assert not fewer, f"{case}too little: {list(fewer)[:5]}"
        self.answered += 1
        nobody = oracle(case.question, dict.fromkeys(TABLES, ()))
        everybody = oracle(
            case.question, {name: [int(str(row["id"])) for row in held.rows] for name, held in TABLES.items()}
        )
        self.telling += expected not in (nobody, everybody)

    def refuse(self, case: Case, reason: Reason, *, most: int) -> None:
        """A denial must be one of the policy's own; with more alternatives than `most` a kind may refuse a scope."""
        self.refused[reason] += 1
        match reason:
            case Reason.SCOPE_NOT_EXPRESSIBLE:
                assert len(case.policy.alternatives(case.person)) > most, case
            case Reason.NO_GRANT | Reason.DENIED_BY_RULE | Reason.SCOPE_EMPTY:
                assert not case.policy.is_let_in(case.person), case
            case _:
                raise AssertionError(f"{case}{reason}")

    def is_worth_something(self) -> None:
        """Most questions are answered, many in a way that only this scope explains, and some people are let in nowhere."""
        asked = self.answered + self.refused.total()
        assert self.answered > asked / 2, self
        if self.answered >= ENOUGH:
            assert self.telling >= TELLING * self.answered, self
            assert self.refused, self


Ask = Callable[[Case, Deciding], "tuple[Reason, Cells | None]"]


def run(ask_of: Callable[[Policy], tuple[Deciding, Ask]], *, most: int) -> Score:
    """Every case at one warehouse; `ask_of` makes it ready for a policy."""
    score = Score()
    for seed, policy in policies():
        deciding, ask = ask_of(policy)
        for case in cases(seed, policy):
            reason, answer = ask(case, deciding)
            if answer is None:
                score.refuse(case, reason, most=most)
            else:
                assert case.policy.is_let_in(case.person), case
                score.hold(case, answer)
    score.is_worth_something()
    return score
