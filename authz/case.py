"""A decision and the question that it answers, without what differs each time that the same is asked."""

from typing import Final, NamedTuple, Self

from authz.check import Outcome
from authz.request import AccessRequest


class Case:
    """What was decided, and what was asked for; `method` is None where the question could not be read.

    The same object for every time that the same was asked and answered from memory, so that what is told of it need be
    put into words once: `told` belongs to whoever records it.
    """

    __slots__ = ("host", "method", "outcome", "path", "told")

    def __init__(self, outcome: Outcome, method: str | None = None, host: str = "", path: str = "") -> None:
        self.outcome: Final = outcome
        self.method: Final = method
        self.host: Final = host
        self.path: Final = path
        self.told: tuple[str, str] | None = None

    @classmethod
    def of(cls, outcome: Outcome, request: AccessRequest | None) -> Self:
        """The outcome of `request`, which is None where the question could not be read."""
        if request is None:
            return cls(outcome)
        return cls(outcome, request.method, request.host, request.path)


class Occasion(NamedTuple):
    """One time that something was asked. `at` is in seconds since the epoch, `seconds` is what the answer took.

    `traceparent` is that of a traced check, or what the request says: a client's text.
    """

    decision_id: str
    at: float
    seconds: float
    source_address: str = ""
    request_id: str = ""
    traceparent: str | None = None

    @classmethod
    def of(
        cls,
        request: AccessRequest | None,
        *,
        decision_id: str,
        at: float,
        seconds: float,
        traceparent: str | None = None,
    ) -> Self:
        """That of `request`; `traceparent` is that of the trace that it belongs to, in place of the request's own."""
        if request is None:
            return cls(decision_id, at, seconds, traceparent=traceparent)
        parent = traceparent_of(request) if traceparent is None else traceparent
        return cls(decision_id, at, seconds, request.source_address, request.request_id, parent)


def traceparent_of(request: AccessRequest) -> str | None:
    """What a request says of the trace it belongs to, if it says it once; a client's text."""
    values = request.headers.get("traceparent")
    return values[0] if values is not None and len(values) == 1 else None
