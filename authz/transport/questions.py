"""A question as bytes: where in it stands what differs each time, and a digest of the rest.

INVARIANT: what is left out is cut at the places where Envoy writes it, or nothing is: two messages with one digest are the
same message but for the digits in them.

The fields and their order: https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/attribute_context.proto;
the encoding: https://protobuf.dev/programming-guides/encoding/.
"""

import hashlib
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from authz._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from authz.memory import REMEMBERED_TEXTS
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
_AUTHORIZATION: Final = b"\x0a\x0dauthorization\x1a"
# Tags of length-delimited fields: the number, and wire type 2.
_FIRST, _SECOND, _FOURTH = 0x0A, 0x12, 0x22

_sha256: Final = hashlib.sha256


Question = tuple[bytes, str, str, str | None]
"""A digest of what is the same each time; and what may differ: the peer's address, the request's id, `traceparent`."""


class _Places(NamedTuple):
    """Where the parts of a question are: `structural`, the tags and lengths before the headers; the headers, from `within`
    to `end`; where the digits of the request's id and of the trace begin. `trace` is None where there is none.
    `credential` is the value of `authorization`, or empty.
    """

    structural: tuple[slice, ...]
    peer: slice
    destination: slice
    within: int
    request_id: int
    trace: int | None
    credential: slice
    end: int


class Layout:
    """Where everything stands in one question, and so in every other with the same tags and lengths.

    To `read` by these places takes a third of what it takes to find them first.
    """

    __slots__ = (
        "_credential",
        "_cut",
        "_end",
        "_fixed",
        "_prefix",
        "_request_id",
        "_structural",
        "_structure",
        "_trace",
        "_within",
    )

    def __init__(self, data: bytes, places: _Places) -> None:
        """The places of `data`."""
        within, request_id, trace, end = places.within, places.request_id, places.trace, places.end
        self._structural = itemgetter(*places.structural)
        self._structure = self._structural(data)
        self._within, self._end = within, end
        self._request_id, self._trace = request_id, trace
        digits = [slice(request_id, request_id + _REQUEST_ID_DIGITS)]
        if trace is not None:
            digits.append(slice(trace, trace + _TRACEPARENT_DIGITS))
        self._cut = itemgetter(places.peer, *digits)
        self._credential = credential = places.credential
        cuts = sorted((cut.start, cut.stop) for cut in (*digits, credential))
        edges = [within, *(edge for cut in cuts for edge in cut), end]
        headers = map(slice, edges[::2], edges[1::2])
        self._fixed = itemgetter(places.destination, *headers, slice(end, None))
        # The same bytes with other bounds are another question.
        length = places.destination.stop - places.destination.start
        bounds = (*edges, credential.start)
        self._prefix = b"%d %b\n" % (length, b" ".join(b"%d" % (edge - within) for edge in bounds))

    def read(self, data: bytes) -> Question | None:
        """The question in `data`, which is as long as the first one; None if it is not laid out so.

        That its headers are, too, the digest says to whoever knows it, and `covers` to others. Raises DecodeError for a
        peer that is none.
        """
        if self._structural(data) != self._structure:
            return None
        traceparent = None
        if self._trace is None:
            peer, request_id = self._cut(data)
        else:
            peer, request_id, trace = self._cut(data)
            if trace.translate(None, _DIGITS):
                return None
            traceparent = trace.decode("ascii")
        if request_id.translate(None, _DIGITS):
            return None
        address, certificate = _peer(peer)
        rest = b"".join((self._prefix, certificate, _digest_of(data[self._credential]), *self._fixed(data)))
        return _sha256(rest).digest(), address, request_id.decode("ascii"), traceparent

    def covers(self, data: bytes) -> bool:
        """Whether whoever took `data` apart, which `read` has read, would find the headers at the same places."""
        within, end = self._within, self._end
        trace = -1 if self._trace is None else self._trace - len(_TRACEPARENT)
        return (
            data.rfind(_REQUEST_ID, within, end) == self._request_id - len(_REQUEST_ID)
            and data.rfind(_TRACEPARENT, within, end) == trace
            and _credential_in(data, within, end) == self._credential
        )


def read_question(data: bytes) -> Question | None:
    """None for what is not in the one form that Envoy gives to a question, or is longer than `MAX_BYTES`."""
    layout = lay_out(data)
    try:
        return None if layout is None else layout.read(data)
    except DecodeError:
        return None


def lay_out(data: bytes) -> Layout | None:
    """None for what is not in the one form that Envoy gives to a question, or is longer than `MAX_BYTES`."""
    try:
        places = _walk(data)
    except IndexError:
        return None
    return None if places is None else Layout(data, places)


def _walk(data: bytes) -> _Places | None:  # noqa: C901, PLR0912 - each look at a byte is a branch; a call for each costs more than the look
    """Goes from one length to the next. Raises IndexError where the bytes end before it does."""
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
    peer = slice(at, at + length)
    began = at = at + length
    if data[at] == _SECOND:  # destination
        length, at = data[at + 1], at + 2
        if length > 127:
            length, at = length + ((data[at] - 1) << 7), at + 1
        inside, at = at, at + length
    else:
        inside = at
    destination = slice(began, at)
    if data[at] != _FOURTH:  # request
        return None
    length, at = data[at + 1], at + 2
    if length > 127:
        length, at = length + ((data[at] - 1) << 7), at + 1
    end = at + length
    structural = [slice(0, peer.start), slice(began, inside)]
    if data[at] == _FIRST:  # time
        length, at = data[at + 1], at + 2
        if length > 127:
            return None
        structural.append(slice(destination.stop, at))
        before_http = at = at + length
    else:
        before_http = destination.stop
    if data[at] != _SECOND:  # http
        return None
    length, at = data[at + 1], at + 2
    if length > 127:
        length, at = length + ((data[at] - 1) << 7), at + 1
    if at + length != end or end > size or data[at] != _FIRST or data[at + 1] > 127:  # id
        return None
    structural.append(slice(before_http, at + 2))
    at += 2 + data[at + 1]
    digits = _digits_in(data, at, end)
    if digits is None:
        return None
    request_id, trace = digits
    return _Places(
        structural=tuple(structural),
        peer=peer,
        destination=destination,
        within=at,
        request_id=request_id,
        trace=trace,
        credential=_credential_in(data, at, end),
        end=end,
    )


def _digits_in(data: bytes, start: int, end: int) -> tuple[int, int | None] | None:
    """Where the digits of the request's id begin, and those of the trace; None without an id in Envoy's form."""
    # The last ones: the headers stand behind the body, which may hold anything, and no header holds a line feed.
    found = data.rfind(_REQUEST_ID, start, end) + len(_REQUEST_ID)
    behind = found + _REQUEST_ID_DIGITS
    if found < start + len(_REQUEST_ID) or behind > end or data[found:behind].translate(None, _DIGITS):
        return None
    trace = data.rfind(_TRACEPARENT, start, end) + len(_TRACEPARENT)
    traced = trace >= start + len(_TRACEPARENT) and _is_trace(data, trace, found if trace < found else end)
    return found, trace if traced else None


def _credential_in(data: bytes, start: int, end: int) -> slice:
    """The value of `authorization`, which has a digest of its own: it is the longest part, and the same in many questions.

    Wherever it is found, over the digits too: its bounds are part of the digest, so two questions that are cut in another
    way have two digests.
    """
    at = data.find(_AUTHORIZATION, start, end) + len(_AUTHORIZATION)
    if at < start + len(_AUTHORIZATION) or at + 2 > end:
        return slice(start, start)
    length, at = data[at], at + 1
    if length > 127:
        length, at = length + ((data[at] - 1) << 7), at + 1
    return slice(at, min(at + length, end))


def _is_trace(data: bytes, start: int, end: int) -> bool:
    digits = data[start : min(start + _TRACEPARENT_DIGITS, end)]
    return len(digits) == _TRACEPARENT_DIGITS and not digits.translate(None, _DIGITS)


@lru_cache(REMEMBERED_TEXTS)
def _digest_of(credential: bytes) -> bytes:
    # None is longer than `MAX_BYTES`.
    return _sha256(credential).digest()


@lru_cache(1_024)
def _peer(source: bytes) -> tuple[str, bytes]:
    """The address of the client without its port, and a digest of its certificate. Raises DecodeError."""
    peer = AttributeContext.Peer.FromString(source)
    return address_of(peer.address), _sha256(peer.certificate.encode()).digest()
