"""Questions that were asked before, recognized by their bytes.

A client asks the same with the same credentials again and again; its questions differ in the time, the ids of stream,
request and trace, and the port it comes from. A digest of all other bytes finds the answer of the first time, without
taking the request apart.

INVARIANT: what is remembered changes the cost of an answer, never the answer. What is left out is cut at the places where
Envoy writes it, or nothing is: two messages with one digest are the same message but for the digits in them. Of these,
`check` reads none but where `Outcome.holds_until` says so. The revocations are looked at each time. Whatever else an
answer depends on belongs to a `Serving`, and its memory with it.

The fields and their order: https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/attribute_context.proto;
the encoding: https://protobuf.dev/programming-guides/encoding/.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from google.protobuf.message import DecodeError

from authz._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from authz.case import Case, traceparent_of
from authz.check import Outcome
from authz.errors import Doubt
from authz.identity.authenticator import MAX_REMEMBERED_REFUSALS
from authz.memory import Memory
from authz.policy.decision import Deny
from authz.request import AccessRequest
from authz.transport.answers import Prepared
from authz.transport.codec import address_of

MAX_BYTES: Final = 16_000
"""Longer questions are rare, and what a digest costs is the client's to choose. Below it a length takes two bytes."""

# A header in `HeaderMap`: tag and length of the message that it is, in it those of the key and of the raw value. Values of
# another length are another header to us; these are of a UUID, as Envoy writes it, and of a `traceparent`
# (https://www.w3.org/TR/trace-context/#traceparent-header).
_REQUEST_ID: Final = b"\x0a\x34\x0a\x0cx-request-id\x1a\x24"
_REQUEST_ID_DIGITS: Final = 36
_TRACEPARENT: Final = b"\x0a\x46\x0a\x0btraceparent\x1a\x37"
_TRACEPARENT_DIGITS: Final = 55
_DIGITS: Final = b"0123456789abcdef-"
# Tags of length-delimited fields: the number, and wire type 2.
_FIRST, _SECOND, _FOURTH = 0x0A, 0x12, 0x22

_sha256: Final = hashlib.sha256


Question = tuple[bytes, str, str, str | None]
"""A digest of what is the same each time; and what may differ: the peer's address, the request's id, `traceparent`."""


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

    __slots__ = ("allows", "denials")

    def __init__(self, remembered: int) -> None:
        self.allows: Memory[bytes, Repeat] = Memory(remembered)
        self.denials: Memory[bytes, Repeat] = Memory(MAX_REMEMBERED_REFUSALS)

    def find(self, digest: bytes, at: float) -> Repeat | None:
        """What was answered to it and holds at `at` (seconds since the epoch)."""
        repeat = self.allows.recall(digest)
        if repeat is None:
            repeat = self.denials.recall(digest)
            if repeat is None:
                return None
        return repeat if repeat.since <= at < repeat.until else None

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


def read_question(data: bytes) -> Question | None:
    """None for what is not in the one form that Envoy gives to a question, or is longer than `MAX_BYTES`."""
    try:
        return _read(data)
    except (IndexError, DecodeError):
        return None


def _read(data: bytes) -> Question | None:  # noqa: C901, PLR0912 - each look at a byte is a branch; a call for each costs more than the look
    """Walks from one length to the next. Raises IndexError where the bytes end before it does."""
    size = len(data)
    if size > MAX_BYTES or data[0] != _FIRST:  # CheckRequest.attributes
        return None
    length, at = data[1], 2
    if length > 127:
        length, at = length + ((data[2] - 1) << 7), 3
    if at + length != size or data[at] != _FIRST:  # source
        return None
    length, at = data[at + 1], at + 2
    if length > 127:
        length, at = length + ((data[at] - 1) << 7), at + 1
    peer = data[at : at + length]
    began = at = at + length
    if data[at] == _SECOND:  # destination
        length, at = data[at + 1], at + 2
        if length > 127:
            length, at = length + ((data[at] - 1) << 7), at + 1
        at += length
    destination = data[began:at]
    if data[at] != _FOURTH:  # request
        return None
    length, at = data[at + 1], at + 2
    if length > 127:
        length, at = length + ((data[at] - 1) << 7), at + 1
    end = at + length
    if data[at] == _FIRST:  # time
        length, at = data[at + 1], at + 2
        if length > 127:
            return None
        at += length
    if data[at] != _SECOND:  # http
        return None
    length, at = data[at + 1], at + 2
    if length > 127:
        length, at = length + ((data[at] - 1) << 7), at + 1
    if at + length != end or end > size or data[at] != _FIRST or data[at + 1] > 127:  # id
        return None
    at += 2 + data[at + 1]
    found = data.find(_REQUEST_ID, at, end) + len(_REQUEST_ID)
    if found < at + len(_REQUEST_ID):
        return None
    behind = found + _REQUEST_ID_DIGITS
    request_id = data[found:behind]
    if behind > end or request_id.translate(None, _DIGITS):
        return None
    before, after, traceparent = data[at:found], data[behind:end], None
    if _TRACEPARENT in before:
        before, traceparent = _without_trace(before)
    elif _TRACEPARENT in after:
        after, traceparent = _without_trace(after)
    address, certificate = _peer(peer)
    rest = b"%d %d %d\n%b%b%b%b%b" % (
        len(destination),
        len(before),
        len(after),
        certificate,
        destination,
        before,
        after,
        data[end:],
    )
    return _sha256(rest).digest(), address, request_id.decode("ascii"), traceparent


def _without_trace(headers: bytes) -> tuple[bytes, str | None]:
    before, mark, after = headers.partition(_TRACEPARENT)
    digits = after[:_TRACEPARENT_DIGITS]
    if len(digits) != _TRACEPARENT_DIGITS or digits.translate(None, _DIGITS):
        return headers, None
    return before + mark + after[_TRACEPARENT_DIGITS:], digits.decode("ascii")


@lru_cache(1_024)
def _peer(source: bytes) -> tuple[str, bytes]:
    """The address of the client without its port, and a digest of its certificate. Raises DecodeError."""
    peer = AttributeContext.Peer.FromString(source)
    return address_of(peer.address), _sha256(peer.certificate.encode()).digest()
