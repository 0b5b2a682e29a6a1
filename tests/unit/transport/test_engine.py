"""The engine: every question gets an answer, every doubt is a denial, nothing is decided unseen."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from structlog.testing import capture_logs

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from authz.case import Occasion
from authz.check import Phase
from authz.errors import Denied, Reason
from authz.transport.answers import AnswerWriter
from authz.transport.engine import TIMED_ONE_IN, Engine, Serving
from tests.unit.transport.questions import question


class Notes:
    """An observer that remembers; it raises `failure` if it has one."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.failure = failure
        self.phases: list[dict[Phase, float]] = []
        self.seen: list[tuple[Reason, str | None, str, float]] = []

    def decided(self, occasion: Occasion) -> None:
        assert occasion.seconds >= 0
        case = occasion.case
        self.seen.append((case.reason, case.method, occasion.decision_id, occasion.at))
        if self.failure is not None:
            raise self.failure

    def timed(self, phases: Iterable[tuple[Phase, float]]) -> None:
        self.phases.append(dict(phases))


class Broken:
    """A snapshot in which everything raises `failure`."""

    def __init__(self, failure: BaseException) -> None:
        self._failure = failure

    @property
    def policy(self) -> object:
        raise self._failure


def _engine(notes: Notes, snapshot: object = None) -> Engine:
    answers = AnswerWriter(policy_version="v1", public_url=None)
    return Engine(
        Serving(snapshot=snapshot, answers=answers, observer=notes),  # type: ignore[arg-type]
        clock=lambda: 1_790_000_000.0,
    )


def _answer(data: bytes) -> tuple[int, int, str]:
    answer = CheckResponse.FromString(data)
    body = json.loads(answer.denied_response.body)
    return answer.status.code, answer.denied_response.status.code, body["reason"]


def test_without_a_policy_every_check_is_denied() -> None:
    """Before the first policy is loaded the answer is 503 `not_ready`, never silence and never an allow."""
    notes = Notes()
    assert _answer(_engine(notes).decide(question().SerializeToString())) == (14, 503, "not_ready")
    ((reason, method, decision_id, at),) = notes.seen
    assert (reason, method) == (Reason.NOT_READY, "GET")
    assert (len(decision_id), at) == (32, 1_790_000_000.0)


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\xff\x01"])
def test_garbage_is_denied_and_recorded(data: bytes) -> None:
    """A question that cannot be read is answered with 400 and has its record."""
    notes = Notes()
    assert _answer(_engine(notes).decide(data)) == (3, 400, "request_malformed")
    assert [(reason, request) for reason, request, _, _ in notes.seen] == [(Reason.REQUEST_MALFORMED, None)]


def test_an_empty_message_is_denied_with_a_status() -> None:
    """The zero-byte question has a full answer: a zero-byte answer would be an allow."""
    assert _answer(_engine(Notes()).decide(b"")) == (12, 400, "protocol_unsupported")


class Panic(BaseException):
    """Like the panics of Rust code, no `Exception`."""


@pytest.mark.parametrize(
    "failure", [RuntimeError("secret-canary"), MemoryError(), RecursionError(), Panic("secret-canary")]
)
def test_a_defect_is_a_denial_that_is_logged_and_recorded(failure: BaseException) -> None:
    """Whatever is raised inside a check: 503, one log line with the decision id, one record, no text of it."""
    notes = Notes()
    with capture_logs() as logs:
        answer = _engine(notes, Broken(failure)).decide(question().SerializeToString())
    assert _answer(answer) == (13, 503, "internal_error")
    assert b"canary" not in answer
    ((reason, _, decision_id, _),) = notes.seen
    assert reason is Reason.INTERNAL_ERROR
    (line,) = logs
    assert (line["event"], line["decision_id"]) == ("defect", decision_id)


def test_an_observer_that_fails_turns_the_answer_into_a_denial() -> None:
    """What cannot be noted is not decided; that the observer fails again does not matter."""
    with capture_logs() as logs:
        answer = _engine(Notes(OSError("disk"))).decide(question().SerializeToString())
    assert _answer(answer) == (13, 503, "internal_error")
    assert [line["event"] for line in logs] == ["defect"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_the_end_of_the_process_is_not_caught(stop: type[BaseException]) -> None:
    """Being told to end is no defect of a check."""
    with pytest.raises(stop):
        _engine(Notes(), Broken(stop())).decide(question().SerializeToString())


def test_each_answer_has_its_own_decision_id() -> None:
    """The id in the answer is the id in the record."""
    notes = Notes()
    engine = _engine(notes)
    bodies = [
        json.loads(CheckResponse.FromString(engine.decide(b"\xff")).denied_response.body) for _ in range(3)
    ]
    assert [body["decision_id"] for body in bodies] == [seen[2] for seen in notes.seen]
    assert len({body["decision_id"] for body in bodies}) == 3


def test_one_check_of_many_has_its_phases_timed() -> None:
    """Enough for a histogram, too few to be felt."""
    notes = Notes()
    engine = _engine(notes)
    for _ in range(2 * TIMED_ONE_IN):
        engine.decide(question().SerializeToString())
    assert [list(phases) for phases in notes.phases] == [[Phase.READ, Phase.ANSWER, Phase.RECORD]] * 2


class Holding(Notes):
    """An observer whose notes are kept when `future` says so."""

    def __init__(self) -> None:
        super().__init__()
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def decided(self, *arguments: Any, **named: Any) -> "asyncio.Future[None]":  # type: ignore[override]
        super().decided(*arguments, **named)
        return self.future


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (None, "not_ready"),
        (Denied(Reason.AUDIT_UNAVAILABLE, "no room"), "not_ready"),
        (RuntimeError("defect"), "internal_error"),
    ],
)
async def test_an_answer_waits_for_its_note(failure: Exception | None, reason: str) -> None:
    """A denial stays what it is even if the note of it is lost; a defect is never an allow."""
    notes = Holding()
    answer = asyncio.ensure_future(_engine(notes).settle(question().SerializeToString()))
    await asyncio.sleep(0)
    assert not answer.done()
    if failure is None:
        notes.future.set_result(None)
    else:
        notes.future.set_exception(failure)
    assert _answer(await answer)[2] == reason


async def test_whoever_cannot_wait_gets_the_denial_at_once() -> None:
    """`decide` has no way to wait; an allow would be refused instead."""
    assert _answer(_engine(Holding()).decide(question().SerializeToString()))[2] == "not_ready"
