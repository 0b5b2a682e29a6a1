"""Messages of gRPC in bodies of HTTP."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.transport.framing import Code, FramingError, Messages, framed, message_of, seconds_of

MOST = 64


@given(st.lists(st.binary(max_size=MOST), max_size=5), st.data())
def test_messages_come_out_as_they_went_in_however_the_body_is_cut(
    messages: list[bytes], data: st.DataObject
) -> None:
    """Pieces end where the network likes."""
    body = b"".join(map(framed, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    reader = Messages(MOST)
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert [message for piece in pieces for message in reader.feed(piece)] == messages
    assert reader.is_whole


@given(st.binary(max_size=MOST))
def test_a_unary_body_is_one_message(message: bytes) -> None:
    """Nothing before, nothing behind."""
    assert message_of(framed(message), MOST) == message


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.INTERNAL),
        (b"\0\0\0", Code.INTERNAL),
        (framed(b"abc")[:-1], Code.INTERNAL),
        (framed(b"abc") + b"x", Code.INTERNAL),
        (framed(b"a") * 2, Code.INTERNAL),
        (b"\1" + framed(b"abc")[1:], Code.UNIMPLEMENTED),
        (framed(bytes(MOST + 1)), Code.RESOURCE_EXHAUSTED),
        (b"\0\xff\xff\xff\xff", Code.RESOURCE_EXHAUSTED),
    ],
)
def test_whatever_is_not_one_message_is_refused(body: bytes, code: Code) -> None:
    """With the status that gRPC has for it."""
    with pytest.raises(FramingError) as refused:
        message_of(body, MOST)
    assert refused.value.code is code


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1S", 1.0), ("250m", 0.25), ("2H", 7200.0), ("3M", 180.0), ("5u", 5e-6), ("99999999n", 0.099999999)],
)
def test_a_timeout_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    """At most eight digits."""
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "S", "1", "1s", "123456789S", "-1S", "1S\n", "\uff11S"])
def test_another_text_is_no_timeout(text: str) -> None:
    """It sets no limit: the caller's own holds."""
    assert seconds_of(text) is None
