"""PEM text, read strictly."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.identity.pem import PemError, parse_blocks, parse_certificate_blocks
from tests.pki import authority

ROOT = authority().pem.decode()
KEY = "-----BEGIN PRIVATE KEY-----\nYWJj\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("junk\n" + ROOT, "line 1: got something else than a certificate block"),
        (ROOT + "junk", f"line {ROOT.count(chr(10)) + 1}: got something else"),
        (KEY + ROOT, "line 1: got something else"),
        (ROOT.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), "line 1: got something else"),
        (ROOT.replace("-----END CERTIFICATE-----", ""), "a certificate block has a line that is not base64"),
        (ROOT.partition("-----END")[0].rstrip(), "a certificate block has no end"),
        (
            "-----BEGIN CERTIFICATE-----\nY=Q=\n-----END CERTIFICATE-----",
            "line 2: a certificate block has a line that is not base64",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nYWJ\n-----END CERTIFICATE-----",
            "line 3: a certificate block is not base64",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nYQ==\nYQ==\n-----END CERTIFICATE-----",
            "line 4: a certificate block is not base64",
        ),
        ("-----BEGIN CERTIFICATE----- -----END CERTIFICATE-----", "line 1: got something else"),
        ("# a comment\n" + ROOT, "line 1: got something else"),
    ],
)
def test_junk_is_refused(text: str, message: str) -> None:
    """A reader that skips what it does not know trusts half a file and says nothing."""
    with pytest.raises(PemError) as caught:
        parse_certificate_blocks(text)
    assert message in str(caught.value)


def test_every_block_is_read() -> None:
    """Also with blank lines, Windows line ends and no last line end."""
    assert len(parse_certificate_blocks(ROOT)) == 1
    assert len(parse_certificate_blocks("\n" + ROOT + "\n\n" + ROOT.rstrip())) == 2
    assert parse_certificate_blocks(ROOT.replace("\n", "\r\n")) == parse_certificate_blocks(ROOT)
    assert parse_certificate_blocks("") == ()


def test_comments_are_for_bundle_files() -> None:
    """People write whose root it is; a peer's certificate has no comments."""
    assert len(parse_certificate_blocks(f"# Acme root\n{ROOT}", comments=True)) == 1
    with pytest.raises(PemError):
        parse_certificate_blocks(f"Acme root\n{ROOT}", comments=True)


@settings(deadline=None)
@given(
    lines=st.lists(
        st.sampled_from(["YWJj", "YQ==", "Y=Q=", "YWJ", "", " YWJj", "YWJj\r", "Y*==", "YR=="]), max_size=4
    ),
    end=st.sampled_from(["", "\n", "\n\n", "\njunk", "\r\n"]),
)
def test_one_block_is_read_as_among_many(lines: list[str], end: str) -> None:
    """The short way for a single block takes nothing that the long way refuses, nor reads it differently."""
    text = "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----"]) + end
    try:
        expected = parse_blocks(text, "CERTIFICATE", "certificate")
    except PemError as error:
        with pytest.raises(PemError, match=re.escape(str(error))):
            parse_certificate_blocks(text)
        return
    assert parse_certificate_blocks(text) == expected
