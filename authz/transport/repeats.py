"""Questions that were asked before, recognized by their bytes.

A client asks the same with the same credentials again and again; its questions differ in the time, the request's id and
the trace, the port it comes from. A digest of all else finds the answer of the first time, without taking the request
apart.

INVARIANT: what is remembered changes the cost of an answer, never the answer. What is not in the digest is what `check`
never reads but where `Outcome.holds_until` says so; the first time each question is read by the codec, and is kept only
if this module has read the same of what may differ. The revocations are looked at each time. Whatever else an answer
depends on belongs to a `Serving`, and its memory with it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from authz._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from authz._pb.scopegate.question_pb2 import Question as _Message
from authz.case import Case, traceparent_of
from authz.check import Outcome
from authz.identity.authenticator import MAX_REMEMBERED_REFUSALS
from authz.memory import Memory
from authz.policy.decision import Allow
from authz.request import AccessRequest
from authz.transport.answers import Prepared

# A header in `HeaderMap`: a message of its own (tag and length), in it the key and the raw value, both likewise. The values
# are of one length, or it is another header to us: a UUID as Envoy writes it, and a `traceparent` of version 00
# (https://www.w3.org/TR/trace-context/#traceparent-header). What is cut out is their digits and nothing else, so two
# messages with one rest are read in the same way.
_REQUEST_ID: Final = b"\x0a\x34\x0a\x0cx-request-id\x1a\x24"
_REQUEST_ID_DIGITS: Final = 36
_TRACEPARENT: Final = b"\x0a\x46\x0a\x0btraceparent\x1a\x37"
_TRACEPARENT_DIGITS: Final = 55
_DIGITS: Final = b"0123456789abcdef-"

_PARTS: Final = b"%d %d %d %d %d %d %d %d %d\n%b%b%b%b%b%b%b%b"

_parse: Final[Callable[[bytes], _Message]] = _Message.FromString
_sha256: Final = hashlib.sha256


class Question(NamedTuple):
    """What may differ between two times that the same is asked, and a digest of all else."""

    digest: bytes
    source_address: str
    request_id: str
    traceparent: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """An answer that holds from `since` until `until`, in seconds since the epoch. `answer` lacks the decision id."""

    case: Case
    answer: Prepared
    since: float
    until: float


class Repeats:
    """What was answered under one policy, with one set of keys. Denials have a bound of their own, as elsewhere."""

    __slots__ = ("allows", "denials")

    def __init__(self, remembered: int) -> None:
        self.allows: Memory[bytes, Repeat] = Memory(remembered)
        self.denials: Memory[bytes, Repeat] = Memory(MAX_REMEMBERED_REFUSALS)

    def find(self, question: Question, at: float) -> Repeat | None:
        """What was answered to it and holds at `at` (seconds since the epoch)."""
        digest = question.digest
        repeat = self.allows.recall(digest)
        if repeat is None:
            repeat = self.denials.recall(digest)
            if repeat is None:
                return None
        return repeat if repeat.since <= at < repeat.until else None

    def keep(
        self, question: Question, request: AccessRequest, outcome: Outcome, answer: Prepared, at: float
    ) -> None:
        """Remember `answer`, if the outcome holds for longer than this once."""
        if not at < outcome.holds_until:
            return
        read = (request.source_address, request.request_id, traceparent_of(request))
        if read != (question.source_address, question.request_id, question.traceparent):
            return
        again = Case.of(outcome if outcome.remembered else replace(outcome, remembered=True), request)
        memory = self.allows if isinstance(outcome.decision, Allow) else self.denials
        memory[question.digest] = Repeat(again, answer, at, outcome.holds_until)


def read_question(data: bytes) -> Question | None:
    """None for what is never asked twice, or not in this form: a body, headers in a map, what is no CheckRequest."""
    try:
        attributes = _parse(data).attributes
        http = attributes.request.http
        if http.raw_body or http.headers or http.query or http.fragment:
            return None
        address, certificate = _source(attributes.source)
    except DecodeError:
        return None
    headers = http.header_map
    traceparent: str | None = None
    before, mark, after = headers.partition(_TRACEPARENT)
    if mark:
        digits = after[:_TRACEPARENT_DIGITS]
        if len(digits) != _TRACEPARENT_DIGITS or digits.translate(None, _DIGITS):
            return None
        traceparent = digits.decode("ascii")
        headers = before + mark + after[_TRACEPARENT_DIGITS:]
    before, mark, after = headers.partition(_REQUEST_ID)
    if mark:
        digits = after[:_REQUEST_ID_DIGITS]
        after = after[_REQUEST_ID_DIGITS:]
        if len(digits) != _REQUEST_ID_DIGITS or digits.translate(None, _DIGITS):
            return None
        before += mark
    else:
        digits = http.id
        if not digits.isalnum():
            return None
    method, path, host, scheme = http.method, http.path, http.host, http.scheme
    session, extensions = attributes.tls_session, attributes.context_extensions
    count = len(extensions)
    context = extensions[0] if count == 1 else repr([*extensions]).encode()
    lengths = (
        count,
        len(method),
        len(path),
        len(host),
        len(scheme),
        len(certificate),
        len(session),
        len(context),
        len(before),
    )
    asked = _PARTS % (*lengths, method, path, host, scheme, certificate, session, context, before)
    return Question(_sha256(asked + after).digest(), address, digits.decode("ascii"), traceparent)


@lru_cache(4_096)
def _source(data: bytes) -> tuple[str, bytes]:
    """The peer's address and its certificate. Raises DecodeError."""
    peer = AttributeContext.Peer.FromString(data)
    address = peer.address
    return address.socket_address.address or address.pipe.path, peer.certificate.encode()
