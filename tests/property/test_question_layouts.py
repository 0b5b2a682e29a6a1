"""A question is read the same by the layout of another as by itself, whatever stands in either."""

import re

from google.protobuf.message import DecodeError
from hypothesis import event, given, settings
from hypothesis import strategies as st

from authz._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from authz.case import traceparent_of
from authz.errors import Denied
from authz.transport.codec import parse_check_request
from authz.transport.questions import Question, read_question
from authz.transport.repeats import Repeat, Repeats
from tests.unit.transport.questions import question

ID = "8f14e45f-ceea-467f-9e3c-3d2a8f1f0b11"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
REQUEST_ID_MARK = "\n4\n\fx-request-id\x1a$"
TRACE_MARK = "\nF\n\vtraceparent\x1a7"
CREDENTIAL_MARK = "\n\rauthorization\x1a"

digits = st.sampled_from(["0", "a", "f", "-"])
ids = st.builds(lambda first, rest: first + rest, digits, st.just(ID[1:]))
traces = st.builds(lambda first, rest: first + rest, digits, st.just(TRACE[1:]))
# What a client may write into a header: the beginnings of headers as Envoy would write them, and digits.
hostile = st.sampled_from(
    [
        "",
        "x",
        REQUEST_ID_MARK,
        REQUEST_ID_MARK + ID,
        TRACE_MARK,
        TRACE_MARK + TRACE,
        TRACE_MARK + "z" * 55,
        CREDENTIAL_MARK,
        CREDENTIAL_MARK + "\x24" + "z" * 36,
        CREDENTIAL_MARK + "\x7f",
        CREDENTIAL_MARK + "x\x01",
        "z" * 36,
        ID,
    ]
)
headers = st.lists(
    st.one_of(
        st.tuples(st.just("x-request-id"), st.one_of(ids, hostile)),
        st.tuples(st.just("traceparent"), st.one_of(traces, hostile)),
        st.tuples(st.sampled_from(["a", "authorization", "zz"]), hostile),
    ),
    max_size=2,
)


@st.composite
def questions(draw: st.DrawFn) -> bytes:
    request = question(path="/" + draw(hostile))
    attributes = request.attributes
    attributes.source.address.socket_address.address = draw(st.sampled_from(["192.0.2.7", "192.0.2.8"]))
    attributes.source.address.socket_address.port_value = draw(st.sampled_from([1, 99, 40_000, 50_000]))
    attributes.source.certificate = draw(st.sampled_from(["", "one", "two"]))
    if draw(st.booleans()):
        attributes.ClearField("destination")
    if draw(st.booleans()):
        attributes.request.ClearField("time")
    else:
        attributes.request.time.seconds = draw(st.sampled_from([1, 2, 1_700_000_000]))
    http = attributes.request.http
    http.id = draw(st.sampled_from(["1", "2", "12345678901234567890"]))
    http.body = draw(hostile)
    kept = [header for header in http.header_map.headers if header.key != "x-request-id"]
    del http.header_map.headers[:]
    http.header_map.headers.extend(kept)
    for name, value in [*draw(headers), ("x-request-id", draw(ids)), *draw(headers)]:
        http.header_map.headers.add(key=name, raw_value=value.encode())
    attributes.context_extensions["warehouse"] = draw(st.sampled_from(["sales", "other"]))
    return request.SerializeToString()


@st.composite
def likenesses(draw: st.DrawFn) -> list[bytes]:
    """A question, others of its length with some bytes from others, and others altogether."""
    first = draw(questions())
    asked = [first]
    for _ in range(draw(st.integers(1, 5))):
        data = bytearray(draw(st.one_of(st.just(first), questions())))
        ours = [data.rfind(digits[1:].encode()) for digits in (ID, TRACE)]
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.one_of(st.sampled_from(ours), st.integers(0, len(data) - 1)))
            data[at] = draw(st.one_of(st.sampled_from(b'\n\x12\x1a"07az-'), st.integers(0, 255)))
        asked.append(bytes(data))
    return asked


def _found(repeats: Repeats, data: bytes, known: Repeat) -> Question | None:
    found, _ = repeats.find(data, 0.0)
    if found is not None:
        repeats.allows[found[0]] = known
    return found


@settings(max_examples=300)
@given(likenesses())
def test_what_was_read_before_changes_nothing(asked: list[bytes]) -> None:
    """Neither where the answer is remembered, nor where only the places are."""
    remembering, forgetting = Repeats(100), Repeats(100)
    # Whether there is an answer is asked here, not what it is.
    known = Repeat(case=None, answer=(), since=0.0, until=1.0, doubt=None)  # type: ignore[arg-type]
    for data in (*asked, *asked):
        alone = read_question(data)
        event("none" if alone is None else "a question")
        assert forgetting.find(data, 0.0)[0] == alone
        assert _found(remembering, data, known) == alone


@settings(max_examples=300)
@given(likenesses())
def test_messages_with_one_digest_differ_in_digits_only(asked: list[bytes]) -> None:
    by_digest: dict[bytes, list[bytes]] = {}
    for data in asked:
        found = read_question(data)
        if found is not None:
            by_digest.setdefault(found[0], []).append(data)
    for alike in by_digest.values():
        # Others are not remembered, see `Repeats.keep`; what is no message at all, the codec refuses.
        kept = [_without_digits(data) for data in alike if _cut_where_it_stands(data)]
        event(f"alike: {min(3, len(set(alike)))}, kept: {min(2, len(kept))}")
        for message in map(_without_digits, alike):
            assert not kept or message is None or message == kept[0]


def _cut_where_it_stands(data: bytes) -> bool:
    """Whether the codec reads the same digits where headers are."""
    try:
        request = parse_check_request(data)
    except Denied:
        return False
    found = read_question(data)
    assert found is not None
    return found[1:] == (request.source_address, request.request_id, traceparent_of(request))


def _without_digits(data: bytes) -> CheckRequest | None:
    try:
        request = CheckRequest.FromString(data)
    except DecodeError:
        return None
    attributes = request.attributes
    # Nothing else of the peer is read.
    attributes.source.CopyFrom(AttributeContext.Peer(certificate=attributes.source.certificate))
    attributes.request.ClearField("time")
    attributes.request.http.id = ""
    for header in attributes.request.http.header_map.headers:
        if header.key in {"x-request-id", "traceparent"}:
            header.raw_value = re.sub(rb"[0-9a-f-]", b"0", header.raw_value)
    return request
