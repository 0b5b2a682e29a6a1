"""The comparison of an answer with its expectation: a checker that finds nothing would make every line right."""

import dataclasses
from typing import Any

import pytest

from authz.demo.client import Answer
from authz.demo.expected import AnsweredBy, Email, Expected, Truth, answered_by, problems
from authz.demo.sales import COLUMNS
from authz.demo.scenes import SCENES

TRUTH = Truth(rows=7, revenue="12.50", emails=("a@mail.example",))
BODY: dict[str, Any] = {
    "rows": 7,
    "revenue": "12.50",
    "columns": list(COLUMNS),
    "sample": [[1, "2026-01-01", "EU", "lamp", 1, "12.50", "0f3a91"]],
    "scope": {"id": "e" * 32},
    "query": 1,
}
EXPECTED = Expected(status=200, answered_by=AnsweredBy.WAREHOUSE, rows="1 = 1", email=Email.HASHED)
RIGHT = Answer(status=200, body=BODY, queries=1)
DENIED = Answer(
    status=401,
    headers={"www-authenticate": "Bearer"},
    body={"reason": "token_expired", "decision_id": "d1"},
)
REFUSED = Expected(status=401, answered_by=AnsweredBy.SCOPEGATE, reason="token_expired", challenge=True)


def _body(**changes: object) -> Answer:
    return dataclasses.replace(RIGHT, body={**BODY, **changes})


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (dataclasses.replace(RIGHT, status=403), "status"),
        (dataclasses.replace(RIGHT, queries=0), "answered by"),
        (_body(rows=8), "rows"),
        (_body(revenue="12.51"), "revenue"),
        (_body(columns=list(COLUMNS[:-1])), "columns"),
        (_body(sample=[[1, "2026-01-01", "EU", "lamp", 1, "12.50", "a@mail.example"]]), "customer_email"),
        (_body(sample=[]), "customer_email"),
        (_body(scope={"id": "f" * 32}), "scope id"),
        (_body(reason="no_grant"), "reason"),
        (dataclasses.replace(RIGHT, times=2), "asked"),
        (dataclasses.replace(RIGHT, headers={"www-authenticate": "Bearer"}), "WWW-Authenticate"),
    ],
)
def test_an_answer_that_is_wrong_in_one_point_is_found_wrong(answer: Answer, word: str) -> None:
    """Each fact that a line claims is compared."""
    found = problems(EXPECTED, answer, TRUTH, {"uma": "f" * 32})
    assert any(word in problem for problem in found), found


def test_the_right_answer_has_no_problem() -> None:
    """The neighbour of all of the above."""
    assert problems(EXPECTED, RIGHT, TRUTH, {"uma": "f" * 32}) == ()


def test_colleagues_must_have_the_same_scope_id() -> None:
    """Sharing an answer is right only between equal scopes."""
    cached = dataclasses.replace(RIGHT, queries=0)
    expected = dataclasses.replace(EXPECTED, answered_by=AnsweredBy.CACHE, same_scope_as="emma")
    assert problems(expected, cached, TRUTH, {"emma": "e" * 32}) == ()
    assert problems(expected, cached, TRUTH, {"emma": "f" * 32})
    assert problems(expected, cached, TRUTH, {})


def test_a_denial_that_reached_the_warehouse_is_wrong() -> None:
    """The client saw 401, but a query was run for it."""
    assert problems(REFUSED, DENIED, None, {}) == ()
    assert problems(REFUSED, dataclasses.replace(DENIED, queries=1), None, {})
    assert problems(REFUSED, dataclasses.replace(DENIED, headers={}), None, {})


def test_who_answered_is_told_by_facts() -> None:
    """The counter of the warehouse, the decision id of Scopegate, or neither."""
    assert answered_by(Answer(status=None)) is AnsweredBy.HANDSHAKE
    assert answered_by(DENIED) is AnsweredBy.SCOPEGATE
    assert answered_by(Answer(status=429, body={"reason": "rate_limited"})) is AnsweredBy.ENVOY
    assert answered_by(RIGHT) is AnsweredBy.WAREHOUSE
    assert answered_by(dataclasses.replace(RIGHT, queries=0)) is AnsweredBy.CACHE


def test_every_scene_has_a_name_of_its_own_and_every_allowed_one_an_oracle() -> None:
    """A line without an oracle would only be printed, not checked."""
    assert len({scene.key for scene in SCENES}) == len(SCENES)
    for scene in SCENES:
        assert (scene.expected.status == 200) == (scene.expected.rows is not None), scene.key
        assert (scene.expected.email is None) == (scene.expected.rows is None), scene.key
        assert (scene.expected.status == 401) == scene.expected.challenge, scene.key
