"""A decision and the question that it answers, without what differs each time that the same is asked."""

from typing import Final, NamedTuple, Self

from authz.check import Outcome
from authz.errors import Reason
from authz.policy.decision import Allow
from authz.request import AccessRequest


class Case:
    """What was decided, and what was asked for; `method` is None where the question could not be read.

    The same object for every time that the same was asked and answered from memory, so that what is told of it need be
    put into words once: `told` belongs to whoever records it.
    """

    __slots__ = ("allowed", "host", "method", "outcome", "path", "reason", "told", "warehouse")

    def __init__(self, outcome: Outcome, request: AccessRequest | None) -> None:
        decision = outcome.decision
        self.outcome: Final = outcome
        self.allowed: Final = isinstance(decision, Allow)
        self.reason: Final = Reason.GRANTED if isinstance(decision, Allow) else decision.reason
        self.warehouse: Final = None if outcome.warehouse is None else outcome.warehouse.name
        self.method: Final = None if request is None else request.method
        self.host: Final = "" if request is None else request.host
        self.path: Final = "" if request is None else request.path
        self.told: tuple[str, str] | None = None


class Occasion(NamedTuple):
    """One time that something was asked. `at` is in seconds since the epoch, `seconds` is what the answer took.

    `traceparent` is that of a traced check, or what the request says: a client's text.
    """

    case: Case
    decision_id: str
    at: float
    seconds: float
    source_address: str = ""
    request_id: str = ""
    traceparent: str | None = None

    @classmethod
    def of(  # noqa: PLR0913 - the facts of one check
        cls,
        outcome: Outcome,
        request: AccessRequest | None,
        *,
        decision_id: str,
        at: float,
        seconds: float,
        traceparent: str | None = None,
    ) -> Self:
        """The first time. `traceparent` is that of the trace that `request` belongs to, in place of its own."""
        case = Case(outcome, request)
        if request is None:
            return cls(case, decision_id, at, seconds, traceparent=traceparent)
        parent = traceparent_of(request) if traceparent is None else traceparent
        return cls(case, decision_id, at, seconds, request.source_address, request.request_id, parent)


def traceparent_of(request: AccessRequest) -> str | None:
    """What a request says of the trace it belongs to, if it says it once; a client's text."""
    values = request.headers.get("traceparent")
    return values[0] if values is not None and len(values) == 1 else None
