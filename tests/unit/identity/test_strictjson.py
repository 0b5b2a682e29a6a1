"""JSON that every parser reads the same way."""

import pytest

from authz.identity.strictjson import MAX_DEPTH, StrictJsonError, parse_object


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'"a"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"a":1', "not JSON"),
        (b'{"a":1} x', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":"\x01"}', "not JSON"),
        (b'{"a":1,"a":1}', "a name occurs twice in one object"),
        (b'{"x":{"a":1,"\\u0061":2}}', "a name occurs twice in one object"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        ('{"a":1}'.encode("utf-16-le"), "not JSON"),
        ('{"a":1}'.encode("utf-32-be"), "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a":"\\ud800"}', "a string has half of a surrogate pair"),
        (b'{"\\udc00":1}', "a string has half of a surrogate pair"),
        (b'{"a":NaN}', "NaN and Infinity are no JSON"),
        (b'{"a":-Infinity}', "NaN and Infinity are no JSON"),
        (b'{"a":1e999}', "a number is too large"),
        (b'{"a":9223372036854775808}', "an integer does not fit in 64 bits"),
        (b'{"a":-9223372036854775808}', "an integer does not fit in 64 bits"),
        (b'{"a":' + b"9" * 100_000 + b"}", "an integer does not fit in 64 bits"),
        (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", f"nested deeper than {MAX_DEPTH}"),
        (b'{"a":' * 100_000, f"nested deeper than {MAX_DEPTH}"),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(data: bytes, message: str) -> None:
    """Each of these means different things to different parsers, or breaks a later one."""
    with pytest.raises(StrictJsonError) as caught:
        parse_object(data)
    assert str(caught.value) == message


def test_an_object_is_read() -> None:
    """The neighbours of the refused ones."""
    assert parse_object(b' {"a":[1,-2.5,true,null,{"b":"\\ud83d\\ude00\xc3\xa9"}]}\n') == {
        "a": [1, -2.5, True, None, {"b": "\U0001f600\u00e9"}]
    }
    assert parse_object(b'{"a":9223372036854775807}') == {"a": 2**63 - 1}
    assert parse_object(b'{"a":' + b"[" * (MAX_DEPTH - 2) + b"]" * (MAX_DEPTH - 2) + b"}")


def test_the_input_is_never_quoted() -> None:
    """The input may be a secret, and the message goes to a log."""
    with pytest.raises(StrictJsonError) as caught:
        parse_object(b'{"a": canary}')
    assert "canary" not in repr(caught.value)
    assert caught.value.__cause__ is None
