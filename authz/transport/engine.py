"""Bytes in, bytes out: the one function behind which servers can be exchanged.

Whatever happens in here, the answer is a CheckResponse with an explicit status. There is no way to fail open:
a question that cannot be read, a missing policy and a defect are denials like any other.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Protocol

import structlog

from authz.case import Occasion
from authz.check import Outcome, Phase, Snapshot, check
from authz.errors import Denied, Doubt, Reason
from authz.memory import DEFAULT_REMEMBERED
from authz.policy.decision import Deny
from authz.request import AccessRequest
from authz.signing.keys import SigningKeys
from authz.transport.answers import AnswerWriter
from authz.transport.codec import parse_check_request
from authz.transport.decision_ids import decision_ids
from authz.transport.laps import UNTIMED, Laps
from authz.transport.questions import Question
from authz.transport.repeats import Repeat, Repeats
from authz.transport.tracing import KEEP, SETTLE, CheckTrace

TIMED_ONE_IN: Final = 64
"""Of so many checks one has its phases timed: reading the clock seven times costs as much as counting it."""

_log: Final = structlog.get_logger("scopegate.engine")


class Observer(Protocol):
    """Is told of every decision before its answer leaves: for the audit trail, the metrics, the key sources."""

    def decided(self, occasion: Occasion) -> Awaitable[None] | None:
        """Take note. Its case is the same object each time that the same is asked and answered from memory.

        Does not wait. What it returns is to be awaited before the answer leaves; None lets it leave at once. An
        allow of which no note can be taken is refused: either raises `Denied`. Any other exception turns the
        answer into a denial, too.
        """

    def timed(self, phases: Iterable[tuple[Phase, float]]) -> None:
        """The phases of one check out of many, with their seconds."""

    def traced(self, trace: CheckTrace) -> None:
        """A check of a sampled trace, when its answer leaves."""


class Settler(Protocol):
    """Asks outside what a check cannot know by itself: an issuer for its newest keys, or about an opaque token."""

    def can_settle(self, doubt: Doubt) -> bool:
        """Whether asking could help now; if not, the doubt is a denial at once. Neither waits nor raises."""

    async def settle(self, doubt: Doubt) -> str | None:
        """Return when it is worth while to check once more; what went wrong, if something did.

        Waits for a bounded time, however many call, and does not raise.
        """


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Serving:
    """Everything that belongs to one policy, swapped as a whole. Without a snapshot every check is `not_ready`.

    `remembered` bounds the repeated questions that are known again. INVARIANT: they belong to this one value, and a
    `dataclasses.replace` of it begins with none: whatever is exchanged, nothing that rested on it is left.
    """

    snapshot: Snapshot | None
    answers: AnswerWriter
    observer: Observer
    settler: Settler | None = None
    remembered: int = DEFAULT_REMEMBERED
    repeats: Repeats = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "repeats", Repeats(self.remembered))


@dataclass(frozen=True, slots=True)
class _Unsettled:
    settler: Settler
    doubt: Doubt


@dataclass(frozen=True, slots=True)
class _Unkept:
    """An answer that leaves when the note of it is kept, and what is said if it cannot be."""

    answer: bytes
    kept: Awaitable[None]
    allowed: bool
    refusal: Callable[[Reason], bytes]


_Begun = tuple[bytes, float]
"""The id of a decision, and when it was begun, in seconds of `time.perf_counter`."""


class _Asked:
    """One check while it runs; `request` is None until it has been read."""

    __slots__ = ("at", "begun", "data", "laps", "request", "trace")

    def __init__(self, data: bytes, begun: _Begun, at: float, laps: Laps, trace: CheckTrace | None) -> None:
        self.data = data
        self.begun = begun
        self.at = at
        self.laps = laps
        self.trace = trace
        self.request: AccessRequest | None = None


class Engine:
    """Decides checks from what `serving` is at the moment that a check begins."""

    __slots__ = ("_checks", "_clock", "_ids", "serving")

    def __init__(self, serving: Serving, *, clock: Callable[[], float] = time.time) -> None:
        self.serving = serving
        self._clock = clock
        self._ids = decision_ids()
        self._checks = 0

    def signing_keys(self) -> SigningKeys | None:
        """The keys to sign with that are in force now."""
        snapshot = self.serving.snapshot
        return None if snapshot is None else snapshot.signing

    def decide(self, data: bytes) -> bytes:
        """The serialized CheckResponse for a serialized CheckRequest. Never raises for what `data` holds.

        A doubt that only somebody outside could settle is a denial here, and so is an allow that has to wait
        for the note of it.
        """
        answer = self._decided(data, (next(self._ids), time.perf_counter()))
        if isinstance(answer, bytes):
            return answer
        return answer.refusal(Reason.AUDIT_UNAVAILABLE) if answer.allowed else answer.answer

    def begin(self, data: bytes) -> bytes | Coroutine[Any, Any, bytes]:
        """The answer where it is known at once, as nearly always; else what is to be awaited for it, once."""
        begun = next(self._ids), time.perf_counter()
        first = self._answer(data, begun, ask=True)
        return first if isinstance(first, bytes) else self._finished(data, begun, first, None)

    async def settle(self, data: bytes, traceparent: str | None = None) -> bytes:
        """`decide`, after asking outside where that can change the answer; every other answer comes at once.

        An answer that has to wait for the note of it does. `traceparent` is that of a sampled trace, which is told of
        the check.
        """
        if traceparent is None:
            answer = self.begin(data)
            return answer if isinstance(answer, bytes) else await answer
        trace = CheckTrace(traceparent)
        try:
            begun = next(self._ids), time.perf_counter()
            first = self._answer(data, begun, ask=True, trace=trace)
            return first if isinstance(first, bytes) else await self._finished(data, begun, first, trace)
        finally:
            # INVARIANT: whatever becomes of a trace, the answer is the same.
            with suppress(Exception):
                self.serving.observer.traced(trace)

    async def _finished(
        self, data: bytes, begun: _Begun, first: _Unsettled | _Unkept, trace: CheckTrace | None
    ) -> bytes:
        decision_id, _ = begun
        if isinstance(first, _Unkept):
            with _waiting(trace, KEEP):
                return await _when_kept(first, decision_id)
        try:
            with _waiting(trace, SETTLE):
                problem = await first.settler.settle(first.doubt)
        except asyncio.CancelledError:
            # Envoy has given up, and has refused the request: that is to be noted like any other denial.
            self._decided(data, begun, trace=trace)
            raise
        except Exception as defect:  # noqa: BLE001 - a settler that fails has settled nothing
            _log.error("defect", decision_id=decision_id.decode("ascii"), exc_info=defect)
            problem = type(defect).__name__
        answer = self._decided(data, begun, problem, trace=trace)
        if isinstance(answer, bytes):
            return answer
        with _waiting(trace, KEEP):
            return await _when_kept(answer, decision_id)

    def _decided(
        self,
        data: bytes,
        begun: _Begun,
        problem: str | None = None,
        *,
        trace: CheckTrace | None = None,
    ) -> bytes | _Unkept:
        answer = self._answer(data, begun, ask=False, problem=problem, trace=trace)
        if isinstance(answer, _Unsettled):
            raise TypeError("an answer was due")
        return answer

    def _answer(
        self,
        data: bytes,
        begun: _Begun,
        *,
        ask: bool,
        problem: str | None = None,
        trace: CheckTrace | None = None,
    ) -> bytes | _Unsettled | _Unkept:
        # INVARIANT: read once. A reload in between must not give a check two policies.
        serving = self.serving
        at = self._clock()
        self._checks += 1
        timed = self._checks % TIMED_ONE_IN == 0
        laps = Laps() if timed or trace is not None else UNTIMED
        asked = _Asked(data, begun, at, laps, trace)
        try:
            # A traced check is taken apart, so that its trace shows the parts.
            question, repeat = (None, None) if trace is not None else serving.repeats.find(data, at)
            if (
                question is not None
                and repeat is not None
                and problem is None
                and _stands(repeat, serving, at)
            ):
                noted: bytes | _Unsettled | _Unkept = _again(serving, repeat, question, asked)
            else:
                noted = _anew(serving, question, asked, ask=ask, problem=problem)
            if timed and not isinstance(noted, _Unsettled):
                serving.observer.timed(laps.end())
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as defect:  # noqa: BLE001 - caught here and nowhere else; a panic in cryptography's Rust is no Exception
            decision_id, _ = begun
            _log.error("defect", decision_id=decision_id.decode("ascii"), exc_info=defect)
            # The defect may lie in the observer itself, and the denial must leave all the same.
            with suppress(Exception):
                failed = _denied(serving, Reason.INTERNAL_ERROR, type(defect).__name__)
                serving.observer.decided(_occasion(failed, asked))
            return serving.answers.serialize_denial(Reason.INTERNAL_ERROR, decision_id)
        return noted


def _again(serving: Serving, repeat: Repeat, question: Question, asked: _Asked) -> bytes | _Unkept:
    decision_id, started = asked.begun
    answer = decision_id.join(repeat.answer)
    if asked.laps is not UNTIMED:
        asked.laps.enter(Phase.RECORD)
    _, address, request_id, traceparent = question
    now = time.perf_counter()
    # What the class itself does, without its call: this is in every check.
    occasion = tuple.__new__(
        Occasion,
        (repeat.case, decision_id.decode("ascii"), asked.at, now - started, address, request_id, traceparent),
    )
    return _noted(serving, occasion, answer)


def _anew(
    serving: Serving, question: Question | None, asked: _Asked, *, ask: bool, problem: str | None
) -> bytes | _Unsettled | _Unkept:
    decision_id, _ = asked.begun
    laps, trace = asked.laps, asked.trace
    try:
        asked.request = request = parse_check_request(asked.data)
        outcome = _checked(request, serving.snapshot, asked.at, laps.enter)
    except Denied as denied:
        outcome = _denied(serving, denied.reason, denied.detail)
    if (doubt := _doubt(outcome)) is not None:
        if ask and serving.settler is not None and serving.settler.can_settle(doubt):
            if trace is not None:
                trace.decided(outcome, decision_id.decode("ascii"), laps)
            return _Unsettled(serving.settler, doubt)
        outcome = _with_problem(outcome, problem)
    laps.enter(Phase.ANSWER)
    prepared = serving.answers.prepare_outcome(outcome, asked.request)
    if question is not None and asked.request is not None and problem is None:
        serving.repeats.keep(question, asked.request, outcome, prepared, asked.at)
    answer = decision_id.join(prepared)
    laps.enter(Phase.RECORD)
    noted = _noted(serving, _occasion(outcome, asked), answer)
    if trace is not None:
        trace.decided(outcome, decision_id.decode("ascii"), laps)
    return noted


def _stands(repeat: Repeat, serving: Serving, at: float) -> bool:
    """Whether nobody has revoked what it rests on, nor can settle a doubt; on every check, as if it were the first."""
    snapshot, settler = serving.snapshot, serving.settler
    if repeat.doubt is not None and settler is not None and settler.can_settle(repeat.doubt):
        return False
    if snapshot is None or snapshot.revocations is None:
        return False
    principal = repeat.case.outcome.principal
    if principal is not None:
        try:
            snapshot.revocations.check(principal, at)
        except Denied:
            return False
    return True


def _occasion(outcome: Outcome, asked: _Asked) -> Occasion:
    decision_id, started = asked.begun
    return Occasion.of(
        outcome,
        asked.request,
        decision_id=decision_id.decode("ascii"),
        at=asked.at,
        seconds=time.perf_counter() - started,
        traceparent=None if asked.trace is None else asked.trace.parent,
    )


def _waiting(trace: CheckTrace | None, name: str) -> AbstractContextManager[None]:
    return nullcontext() if trace is None else trace.waiting(name)


def _noted(serving: Serving, occasion: Occasion, answer: bytes) -> bytes | _Unkept:
    try:
        kept = serving.observer.decided(occasion)
    except Denied as denied:
        return _refusal(serving, occasion, denied.reason)
    if kept is None:
        return answer
    return _Unkept(answer, kept, allowed=occasion.case.allowed, refusal=partial(_refusal, serving, occasion))


def _refusal(serving: Serving, occasion: Occasion, reason: Reason) -> bytes:
    decision_id = occasion.decision_id.encode("ascii")
    return serving.answers.serialize_denial(reason, decision_id, warehouse=occasion.case.warehouse)


async def _when_kept(unkept: _Unkept, decision_id: bytes) -> bytes:
    try:
        await unkept.kept
    except Denied as denied:
        return unkept.refusal(denied.reason) if unkept.allowed else unkept.answer
    except Exception as defect:  # noqa: BLE001 - whatever it is, nobody knows that the note was kept
        _log.error("defect", decision_id=decision_id.decode("ascii"), exc_info=defect)
        return unkept.refusal(Reason.INTERNAL_ERROR)
    return unkept.answer


def _doubt(outcome: Outcome) -> Doubt | None:
    return outcome.decision.doubt if isinstance(outcome.decision, Deny) else None


def _with_problem(outcome: Outcome, problem: str | None) -> Outcome:
    decision = outcome.decision
    if problem is None or not isinstance(decision, Deny):
        return outcome
    return replace(outcome, decision=replace(decision, detail=f"{decision.detail}: {problem}"))


def _checked(
    request: AccessRequest, snapshot: Snapshot | None, at: float, entering: Callable[[Phase], None]
) -> Outcome:
    if snapshot is None:
        raise Denied(Reason.NOT_READY, "no policy is loaded yet")
    return check(request, snapshot, at, entering=entering)


def _denied(serving: Serving, reason: Reason, detail: str) -> Outcome:
    return Outcome(
        decision=Deny(reason=reason, detail=detail),
        warehouse=None,
        principal=None,
        rewrites=None,
        request_rewrites=None,
        policy_version=serving.answers.policy_version,
    )
