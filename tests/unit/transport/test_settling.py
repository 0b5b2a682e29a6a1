"""What a check cannot know by itself: asked outside, then checked anew, and denied if that did not help."""

import asyncio
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from authz.case import Occasion
from authz.errors import Denied, Doubt, Reason, TokenDoubt
from authz.policy.decision import Deny
from authz.transport.answers import AnswerWriter
from authz.transport.engine import Engine, Serving
from tests.unit.transport.questions import question

OPAQUE = TokenDoubt("okta", b"d" * 32, "opq_canary")


class Doubtful:
    """A snapshot in which every check is in doubt until `settled`, and then another denial."""

    version = "v1"

    def __init__(self) -> None:
        self.settled = False
        self.checks = 0

    @property
    def policy(self) -> "Doubtful":
        return self

    @property
    def routes(self) -> "Doubtful":
        return self

    def find(self, _: object) -> None:
        self.checks += 1
        if self.settled:
            raise Denied(Reason.NO_GRANT, "known now")
        raise Denied(Reason.INTROSPECTION_UNAVAILABLE, "nobody knows", doubt=OPAQUE)


class Settler:
    """Settles, or does not; `failure` is raised instead."""

    def __init__(
        self, snapshot: Doubtful, problem: str | None = None, failure: Exception | None = None
    ) -> None:
        self.snapshot = snapshot
        self.problem = problem
        self.failure = failure
        self.able = True
        self.asked: list[Doubt] = []
        self.waiting = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    def can_settle(self, doubt: Doubt) -> bool:
        return self.able

    async def settle(self, doubt: Doubt) -> str | None:
        self.asked.append(doubt)
        self.waiting.set()
        await self.go_on.wait()
        if self.failure is not None:
            raise self.failure
        self.snapshot.settled = self.problem is None
        return self.problem


class Notes:
    """An observer that remembers reasons, and what the operator is told."""

    def __init__(self) -> None:
        self.seen: list[Reason] = []
        self.details: list[str] = []

    def decided(self, occasion: Occasion) -> None:
        decision = occasion.case.outcome.decision
        assert isinstance(decision, Deny)
        self.seen.append(decision.reason)
        self.details.append(decision.detail)

    def timed(self, *_: object) -> None:
        """Nobody measures."""


def _answer(data: bytes) -> tuple[int, int, str]:
    answer = CheckResponse.FromString(data)
    body = json.loads(answer.denied_response.body)
    return answer.status.code, answer.denied_response.status.code, body["reason"]


def _in_doubt(**options: Any) -> tuple[Engine, Notes, Settler]:
    notes, snapshot = Notes(), Doubtful()
    settler = Settler(snapshot, **options)
    answers = AnswerWriter(policy_version="v1", public_url=None)
    serving = Serving(snapshot=snapshot, answers=answers, observer=notes, settler=settler)  # type: ignore[arg-type]
    return Engine(serving), notes, settler


QUESTION = question().SerializeToString()


async def test_a_doubt_is_settled_and_the_check_made_anew() -> None:
    """One answer, one record; the doubt itself is no decision."""
    engine, notes, settler = _in_doubt()
    assert _answer(await engine.settle(QUESTION)) == (7, 403, "no_grant")
    assert settler.asked == [OPAQUE]
    assert notes.seen == [Reason.NO_GRANT]


async def test_what_could_not_be_settled_is_denied_with_the_cause_for_the_operator() -> None:
    """Asked once, not for ever; the client is told the reason only."""
    engine, notes, settler = _in_doubt(problem="no answer within 0.3 s")
    answer = await engine.settle(QUESTION)
    assert _answer(answer) == (14, 503, "introspection_unavailable")
    assert notes.details == ["nobody knows: no answer within 0.3 s"]
    assert b"0.3" not in answer
    assert len(settler.asked) == 1
    assert settler.snapshot.checks == 2


async def test_a_settler_that_fails_has_settled_nothing() -> None:
    """A defect is logged, and the denial leaves all the same."""
    engine, notes, _ = _in_doubt(failure=RuntimeError("defect"))
    with capture_logs() as logs:
        assert _answer(await engine.settle(QUESTION)) == (14, 503, "introspection_unavailable")
    assert [line["event"] for line in logs] == ["defect"]
    assert notes.details == ["nobody knows: RuntimeError"]


async def test_a_check_that_envoy_gives_up_is_noted() -> None:
    """Envoy has refused the request by then: that is a denial like others."""
    engine, notes, settler = _in_doubt()
    settler.go_on.clear()
    task = asyncio.create_task(engine.settle(QUESTION))
    await settler.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert notes.seen == [Reason.INTROSPECTION_UNAVAILABLE]


def test_whoever_cannot_wait_is_denied() -> None:
    """`decide` asks nobody."""
    engine, _, settler = _in_doubt()
    assert _answer(engine.decide(QUESTION)) == (14, 503, "introspection_unavailable")
    assert settler.asked == []


async def test_where_asking_cannot_help_nobody_is_asked() -> None:
    """Denied at once, and decided once: a flood costs no more than it must."""
    engine, notes, settler = _in_doubt()
    settler.able = False
    assert _answer(await engine.settle(QUESTION)) == (14, 503, "introspection_unavailable")
    assert (settler.asked, settler.snapshot.checks, len(notes.seen)) == ([], 1, 1)


async def test_without_doubt_nobody_is_asked() -> None:
    """And the answer is there without waiting."""
    engine, _, settler = _in_doubt()
    settler.snapshot.settled = True
    assert _answer(await engine.settle(QUESTION)) == (7, 403, "no_grant")
    assert settler.asked == []


async def test_the_policy_in_force_when_the_doubt_is_settled_decides() -> None:
    """The second check is a whole one, under whatever policy is in force by then."""
    engine, notes, settler = _in_doubt()
    settler.go_on.clear()
    task = asyncio.create_task(engine.settle(QUESTION))
    await settler.waiting.wait()
    engine.serving = Serving(
        snapshot=None, answers=AnswerWriter(policy_version="v2", public_url=None), observer=notes
    )
    settler.go_on.set()
    assert _answer(await task) == (14, 503, "not_ready")


async def test_the_token_in_doubt_is_in_no_text() -> None:
    """Neither the decision nor an error shows it."""
    engine, notes, _ = _in_doubt(failure=RuntimeError("defect"))
    with capture_logs() as logs:
        answer = await engine.settle(QUESTION)
    shown = f"{notes.details} {logs} {OPAQUE!r} {Denied(Reason.NO_GRANT, 'x', doubt=OPAQUE)!r}"
    assert "canary" not in shown
    assert b"canary" not in answer
