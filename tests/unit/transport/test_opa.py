"""Trino's questions: each is recorded before it is answered, and whatever cannot be decided is an error."""

import asyncio
import json
from collections.abc import Awaitable, Iterable
from typing import Any

import pytest
from structlog.testing import capture_logs

from authz.case import Occasion
from authz.check import Phase
from authz.errors import Denied, Reason
from authz.transport.answers import AnswerWriter
from authz.transport.engine import Serving
from authz.transport.opa import OpaDesk
from tests.opa_questions import ORDERS, body, question, several, table
from tests.unit.opa.test_answering import NOW, snapshot

SNAPSHOT = snapshot()


class Notes:
    """An observer that remembers; it raises `failure` at once, or where it is `later` when it is awaited."""

    def __init__(self, failure: BaseException | None = None, *, later: bool = False) -> None:
        self._failure, self._later = failure, later
        self.seen: list[tuple[Reason, str]] = []

    def decided(self, occasion: Occasion) -> Awaitable[None] | None:
        assert (occasion.source_address, occasion.at) == ("10.0.0.1", NOW)
        self.seen.append((occasion.case.reason, occasion.decision_id))
        if self._failure is not None and not self._later:
            raise self._failure
        return self._kept() if self._later else None

    async def _kept(self) -> None:
        if self._failure is not None:
            raise self._failure

    def timed(self, phases: Iterable[tuple[Phase, float]]) -> None:
        raise AssertionError("no phase of a check")

    def traced(self, trace: object) -> None:
        raise AssertionError("no trace of a check")


class Defective:
    """A snapshot in which everything raises `failure`."""

    def __init__(self, failure: BaseException) -> None:
        self._failure = failure

    @property
    def policy(self) -> object:
        raise self._failure


async def ask(
    data: bytes,
    notes: Notes | None = None,
    *,
    of: Any = SNAPSHOT,
    path: tuple[str, str] = ("lake", "allow"),
) -> tuple[int, dict[str, object]]:
    serving = Serving(
        snapshot=of, answers=AnswerWriter(policy_version="v1", public_url=None), observer=notes or Notes()
    )
    desk = OpaDesk(lambda: serving, clock=lambda: NOW)
    status, document = await desk.answer(*path, data, "10.0.0.1")
    assert len(str(document.pop("decision_id"))) == 32
    return status, document


GOOD = body(question("SelectFromColumns", table(ORDERS, "id")))


async def test_an_answer_is_recorded_under_its_decision_id() -> None:
    """Allowed and denied alike; neither says why."""
    notes = Notes()
    assert await ask(GOOD, notes) == (200, {"result": True})
    closed = body(question("SelectFromColumns", table(ORDERS, "email")))
    assert await ask(closed, notes) == (200, {"result": False})
    assert [reason for reason, _ in notes.seen] == [Reason.GRANTED, Reason.COLUMN_HIDDEN]


async def test_no_mask_is_an_answer_without_a_result() -> None:
    """As the plugin reads it."""
    asked = question(
        "GetColumnMask", {"column": {**table()["table"], "columnName": "id", "columnType": "bigint"}}
    )
    assert await ask(body(asked), path=("lake", "column-mask")) == (200, {})


@pytest.mark.parametrize(
    ("data", "path", "status", "reason"),
    [
        (b"{", ("lake", "allow"), 400, Reason.REQUEST_MALFORMED),
        (GOOD, ("lake", "row-filters"), 400, Reason.REQUEST_MALFORMED),
        (GOOD, ("lakes", "allow"), 404, Reason.ROUTE_UNKNOWN),
        (GOOD, ("plain", "allow"), 404, Reason.ROUTE_UNKNOWN),
        (GOOD, ("lake", "ALLOW"), 404, Reason.ROUTE_UNKNOWN),
        (GOOD, ("lake", ""), 404, Reason.ROUTE_UNKNOWN),
    ],
)
async def test_what_is_no_question_is_an_error_and_recorded(
    data: bytes, path: tuple[str, str], status: int, reason: Reason
) -> None:
    """Trino fails a query whose question fails."""
    notes = Notes()
    assert await ask(data, notes, path=path) == (status, {"error": reason.value})
    assert [found for found, _ in notes.seen] == [reason]


@pytest.mark.parametrize("endpoint", ["allow", "batch", "row-filters", "column-mask", "column-masks"])
async def test_without_a_policy_nothing_is_answered(endpoint: str) -> None:
    """An empty list of filters would be every row."""
    assert await ask(GOOD, of=None, path=("lake", endpoint)) == (503, {"error": "not_ready"})


async def test_without_the_revocations_nothing_is_answered() -> None:
    """Nobody knows then who is blocked."""
    assert await ask(GOOD, of=snapshot(revocations=None)) == (503, {"error": "not_ready"})


@pytest.mark.parametrize("later", [False, True])
async def test_what_cannot_be_recorded_is_not_answered(*, later: bool) -> None:
    """Whether that shows at once or when the record is to be durable."""
    lost = Denied(Reason.AUDIT_UNAVAILABLE, "the disk is full")
    assert await ask(GOOD, Notes(lost, later=later)) == (503, {"error": "audit_unavailable"})
    assert await ask(GOOD, Notes(later=True)) == (200, {"result": True})


class Panic(BaseException):
    """Like the panics of Rust code, no `Exception`."""


@pytest.mark.parametrize(
    "failure", [RuntimeError("canary"), MemoryError(), RecursionError(), Panic("canary")]
)
async def test_a_defect_is_an_error_and_told(failure: BaseException) -> None:
    """Nothing of it is in the answer."""
    notes = Notes()
    with capture_logs() as logs:
        assert await ask(GOOD, notes, of=Defective(failure)) == (503, {"error": "internal_error"})
    assert [reason for reason, _ in notes.seen] == [Reason.INTERNAL_ERROR]
    assert [line["event"] for line in logs] == ["defect"]
    with capture_logs():
        assert await ask(GOOD, Notes(OSError("canary"))) == (503, {"error": "internal_error"})


async def test_long_questions_are_read_beside_the_loop() -> None:
    """Checks are answered meanwhile; also a long one that is no question."""
    many = several("FilterTables", [table(("lake", "sales", f"t{n}")) for n in range(5_000)] + [table()])
    assert len(body(many)) > 300_000
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    try:
        assert await ask(body(many), path=("lake", "batch")) == (200, {"result": [5_000]})
    finally:
        ticking.cancel()
    assert ticks > 1
    assert await ask(b"[" * 100_000) == (400, {"error": "request_malformed"})


async def test_an_end_is_no_answer() -> None:
    """Whoever stops the server is not told that a query is closed."""
    with pytest.raises(asyncio.CancelledError):
        await ask(GOOD, of=Defective(asyncio.CancelledError()))


async def test_each_question_has_an_id_of_its_own() -> None:
    """It is in Trino's log, if that logs answers, and in the trail."""
    notes = Notes()
    serving = Serving(
        snapshot=SNAPSHOT, answers=AnswerWriter(policy_version="v1", public_url=None), observer=notes
    )
    desk = OpaDesk(lambda: serving, clock=lambda: NOW)
    answers = [await desk.answer("lake", "allow", GOOD, "10.0.0.1") for _ in range(2)]
    assert [document["decision_id"] for _, document in answers] == [found for _, found in notes.seen]
    assert len({found for _, found in notes.seen}) == 2
    assert json.dumps(answers[0][1])
