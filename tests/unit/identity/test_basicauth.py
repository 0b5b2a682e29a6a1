"""HTTP Basic, read strictly."""

import base64

import pytest

from authz.errors import Denied, Reason
from authz.identity.basicauth import parse_basic


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode("ascii")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%%%",
        encoded("ann:abc")[:-1],
        encoded("ann:abcd") + "=",
        encoded("ann:abc") + "\n",
        " " + encoded("ann:abc"),
        encoded("ann:a").rstrip("="),
        encoded(b"ann:\xff"),
        encoded(b"\xff\xfea\x00:\x00b\x00"),
        encoded("ann"),
        encoded(":abc"),
        encoded("ann:"),
        encoded("a\nn:abc"),
        encoded("a\x85n:abc"),
        encoded("ann:a\x00c"),
        encoded("ann:a c"),
        encoded("ann:ab\u00e9"),
        encoded("a" * 513 + ":abc"),
        base64.urlsafe_b64encode(b"ann:\x7e\x7e\x7e\x3f\x3f").decode("ascii"),
    ],
)
def test_what_can_be_read_otherwise_is_malformed(text: str) -> None:
    """One credential has one spelling; control characters, other alphabets and missing parts are refused."""
    with pytest.raises(Denied) as caught:
        parse_basic(text)
    assert caught.value.reason is Reason.CREDENTIAL_MALFORMED
    assert "abc" not in caught.value.detail


def test_unused_bits_are_refused() -> None:
    """`YW5uOmE=` and `YW5uOmF=` are the same bytes to a lenient decoder."""
    assert parse_basic(encoded("ann:a")) == ("ann", "a")
    with pytest.raises(Denied):
        parse_basic("YW5uOmF=")


def test_the_first_colon_ends_the_user_name() -> None:
    """RFC 7617 section 2: a password may have colons, a user name has none; both are UTF-8."""
    assert parse_basic(encoded("ann:abc:def:")) == ("ann", "abc:def:")
    assert parse_basic(encoded("\u00c9lo\u00efse M\u00fcller:abc.def-_~+/=")) == (
        "\u00c9lo\u00efse M\u00fcller",
        "abc.def-_~+/=",
    )
