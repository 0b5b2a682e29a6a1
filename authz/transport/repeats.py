"""Questions that were asked before, recognized by their bytes.

A client asks the same with the same credentials again and again; its questions differ in the time, the ids of stream,
request and trace, and the port it comes from. A digest of all other bytes (`authz.transport.questions`) finds the answer
of the first time, without taking the request apart.

INVARIANT: what is remembered changes the cost of an answer, never the answer. Of the digits that are left out, `check`
reads none but where `Outcome.holds_until` says so. The revocations are looked at each time. Whatever else an answer
depends on belongs to a `Serving`, and its memory with it.
"""

from dataclasses import dataclass, replace
from typing import Final

from google.protobuf.message import DecodeError

from authz.case import Case, traceparent_of
from authz.check import Outcome
from authz.errors import Doubt
from authz.identity.authenticator import MAX_REMEMBERED_REFUSALS
from authz.memory import Memory
from authz.policy.decision import Deny
from authz.request import AccessRequest
from authz.transport.answers import Prepared
from authz.transport.questions import Layout, Question, lay_out

_MAX_LAYOUTS: Final = 1_024


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """An answer that holds from `since` until `until`, in seconds since the epoch. `answer` lacks the decision id."""

    case: Case
    answer: Prepared
    since: float
    until: float
    doubt: Doubt | None


class Repeats:
    """What was answered under one policy, with one set of keys. Denials have a bound of their own, as elsewhere."""

    __slots__ = ("_layouts", "allows", "denials")

    def __init__(self, remembered: int) -> None:
        # By the length of a question.
        self._layouts: dict[int, Layout] = {}
        self.allows: Memory[bytes, Repeat] = Memory(remembered)
        self.denials: Memory[bytes, Repeat] = Memory(MAX_REMEMBERED_REFUSALS)

    def find(self, data: bytes, at: float) -> tuple[Question | None, Repeat | None]:
        """The question in `data`, and what was answered to it and holds at `at` (seconds since the epoch).

        No question for what is not in the one form that Envoy gives to it, or is too long.
        """
        try:
            question = self._read(data)
        except DecodeError:
            return None, None
        if question is None:
            return None, None
        repeat = self.allows.recall(question[0])
        if repeat is None:
            repeat = self.denials.recall(question[0])
            if repeat is None:
                return question, None
        return question, repeat if repeat.since <= at < repeat.until else None

    def _read(self, data: bytes) -> Question | None:
        layout = self._layouts.get(len(data))
        if layout is not None:
            question = layout.read(data)
            # INVARIANT: a digest that is known is that of the same bytes at the same places, which have been found there.
            if question is not None and (
                question[0] in self.allows or question[0] in self.denials or layout.covers(data)
            ):
                return question
        layout = lay_out(data)
        if layout is None:
            return None
        if len(self._layouts) >= _MAX_LAYOUTS:
            self._layouts.clear()
        self._layouts[len(data)] = layout
        return layout.read(data)

    def keep(
        self, question: Question, request: AccessRequest, outcome: Outcome, answer: Prepared, at: float
    ) -> None:
        """Remember `answer`, if the outcome holds for longer than this once.

        Only if the codec has read the same of what differs: it is recorded each time, and a header that comes twice or in
        another form is not what was cut out.
        """
        if not at < outcome.holds_until:
            return
        digest, *differing = question
        if differing != [request.source_address, request.request_id, traceparent_of(request)]:
            return
        case = Case(outcome if outcome.remembered else replace(outcome, remembered=True), request)
        memory = self.allows if case.allowed else self.denials
        doubt = outcome.decision.doubt if isinstance(outcome.decision, Deny) else None
        memory[digest] = Repeat(case, answer, at, outcome.holds_until, doubt)
