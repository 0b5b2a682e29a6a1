"""What an introspection endpoint answers (RFC 7662 section 2.2)."""

import pytest

from authz.keysources.fetch import FetchError
from authz.keysources.introspector import parse_introspection


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"active":"true"}',
        b'{"active":1}',
        b'{"active":null}',
        b'{"active":true,"active":true}',
        b'\xff\xfe{"active":true}',
    ],
)
def test_anything_but_true_and_false_is_no_answer(body: bytes) -> None:
    """The token may be good; nobody has said so."""
    with pytest.raises(FetchError):
        parse_introspection(body)


def test_what_is_said_beside_active_are_the_claims() -> None:
    """And of a token that is not active nothing is believed."""
    assert parse_introspection(b'{"active":true,"sub":"a"}') == {"sub": "a"}
    assert parse_introspection(b'{"active":false,"sub":"a"}') is None
