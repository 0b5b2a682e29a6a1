"""What a line of the demo must show, and the comparison with what it did show."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import duckdb

from authz.demo.client import Answer
from authz.demo.sales import COLUMNS


class AnsweredBy(StrEnum):
    """Where the answer was made."""

    WAREHOUSE = "warehouse"
    CACHE = "edge cache"
    SCOPEGATE = "Scopegate"
    ENVOY = "Envoy"
    HANDSHAKE = "Envoy (TLS)"


class Email(StrEnum):
    """How the column with personal data is shown."""

    CLEAR = "clear"
    HASHED = "hashed"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """`rows` is SQL written by hand, with `$today` for the day in UTC: the oracle, which has seen no policy.

    `same_scope_as` names an earlier line with the same scope id; an allowed line without it must have a scope id
    that no earlier line had.
    """

    status: int | None
    answered_by: AnsweredBy
    reason: str | None = None
    rows: str | None = None
    email: Email | None = None
    same_scope_as: str | None = None
    challenge: bool = False
    """Whether the answer must carry `WWW-Authenticate` (RFC 6750 section 3)."""
    times: range = range(1, 2)
    """How often it may be asked before this answer comes (rate limits)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The oracle's answer."""

    rows: int
    revenue: str
    emails: tuple[str, ...]


def ask_oracle(connection: duckdb.DuckDBPyConnection, where: str, today: date) -> Truth:
    """Count with hand-written SQL, directly on the data, past Scopegate, Envoy and the warehouse's HTTP API."""
    day = f"DATE '{today.isoformat()}'"
    inside = f"FROM sales WHERE {where.replace('$today', day)}"
    cursor = connection.cursor()
    counted = cursor.execute(f"SELECT count(*), CAST(sum(amount) AS VARCHAR) {inside}").fetchall()
    emails = cursor.execute(f"SELECT customer_email {inside} ORDER BY order_id LIMIT 3").fetchall()
    return Truth(rows=counted[0][0], revenue=counted[0][1], emails=tuple(email for (email,) in emails))


def answered_by(answer: Answer) -> AnsweredBy:
    """Who made the answer, from facts that cannot be claimed: the warehouse's own counter, and whose body it is."""
    if answer.status is None:
        return AnsweredBy.HANDSHAKE
    if answer.status == 200:
        return AnsweredBy.WAREHOUSE if answer.queries else AnsweredBy.CACHE
    if "decision_id" in answer.body:
        return AnsweredBy.SCOPEGATE
    return AnsweredBy.ENVOY


def scope_of(answer: Answer) -> Mapping[str, Any]:
    scope = answer.body.get("scope")
    return scope if isinstance(scope, dict) else {}


def problems(
    expected: Expected, answer: Answer, truth: Truth | None, scopes: Mapping[str, str]
) -> tuple[str, ...]:
    """Everything about `answer` that is not as expected, as `what: got …, expected …`; empty if the line is right.

    `scopes` holds the scope ids of the lines before, by line.
    """
    found = [
        *_differs("status", answer.status, expected.status),
        *_differs("answered by", answered_by(answer).value, expected.answered_by.value),
        *_differs("reason", answer.body.get("reason"), expected.reason),
    ]
    if answer.times not in expected.times:
        found.append(
            f"asked: got this answer at {answer.times}, expected at {expected.times.start} to {expected.times.stop - 1}"
        )
    if expected.challenge != ("www-authenticate" in answer.headers):
        found.append(
            f"WWW-Authenticate: got {answer.headers.get('www-authenticate')}, expected one: {expected.challenge}"
        )
    if expected.status != 200 and (answer.queries or "rows" in answer.body):
        found.append(f"the warehouse: ran {answer.queries} queries, expected none")
    if truth is not None and answer.status == 200:
        found += _wrong_data(expected, answer, truth)
        found += _wrong_scope(expected, answer, scopes)
    return tuple(found)


def _wrong_data(expected: Expected, answer: Answer, truth: Truth) -> list[str]:
    columns = list(COLUMNS)
    if expected.email is Email.HIDDEN:
        columns.remove("customer_email")
    return [
        *_differs("rows", answer.body.get("rows"), truth.rows),
        *_differs("revenue", answer.body.get("revenue"), truth.revenue),
        *_differs("columns", answer.body.get("columns"), columns),
        *_differs("customer_email", _email_shown(answer, truth), expected.email),
    ]


def _email_shown(answer: Answer, truth: Truth) -> Email | str:
    columns, sample = answer.body.get("columns", []), answer.body.get("sample", [])
    if "customer_email" not in columns:
        return Email.HIDDEN
    shown = tuple(str(row[columns.index("customer_email")]) for row in sample)
    if shown == truth.emails:
        return Email.CLEAR
    if shown and not any("@" in value or "customer" in value for value in shown):
        return Email.HASHED
    return f"{shown}"


def _wrong_scope(expected: Expected, answer: Answer, scopes: Mapping[str, str]) -> list[str]:
    mine = scope_of(answer).get("id")
    if expected.same_scope_as is not None:
        return _differs(
            f"scope id, as of `{expected.same_scope_as}`", mine, scopes.get(expected.same_scope_as)
        )
    return [
        f"scope id: got that of `{line}`, expected one of its own"
        for line, other in scopes.items()
        if other == mine
    ]


def _differs(what: str, got: object, expected: object) -> list[str]:
    return [] if got == expected else [f"{what}: got {got}, expected {expected}"]
