"""SPIFFE IDs: one spelling each."""

import string

import pytest

from authz.identity.spiffe import MAX_SPIFFE_ID_BYTES, SpiffeId, parse_trust_domain

DOMAIN_BYTES = frozenset(string.ascii_lowercase + string.digits + ".-_")
SEGMENT_BYTES = frozenset(string.ascii_letters + string.digits + ".-_")


def refused(text: str) -> bool:
    try:
        SpiffeId.parse(text)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe:",
        "spiffe://",
        "spiffe:///path",
        "spiffe:/acme.example/x",
        "acme.example/x",
        "SPIFFE://acme.example/x",
        "https://acme.example/x",
        " spiffe://acme.example/x",
        "spiffe://acme.example/x ",
        "spiffe://acme.example/x\n",
        "spiffe://acme.example/",
        "spiffe://acme.example/x/",
        "spiffe://acme.example//x",
        "spiffe://acme.example/./x",
        "spiffe://acme.example/../x",
        "spiffe://acme.example/x/..",
        "spiffe://acme.example:443/x",
        "spiffe://user@acme.example/x",
        "spiffe://user:pass@acme.example/x",
        "spiffe://acme.example/x?y=z",
        "spiffe://acme.example/x#y",
        "spiffe://acme.example/%78",
        "spiffe://acme%2eexample/x",
        "spiffe://Acme.example/x",
        "spiffe://acm\u00e9.example/x",
        "spiffe://acme.example/\u0661",
        "spiffe://[::1]/x",
        "spiffe://" + "a" * 256 + "/x",
        "spiffe://acme.example/" + "x" * MAX_SPIFFE_ID_BYTES,
    ],
)
def test_what_is_no_spiffe_id_is_refused(text: str) -> None:
    """Ports, users, queries, percent-encoding and dot segments would be second spellings of an identity."""
    assert refused(text)


@pytest.mark.parametrize("code", range(256))
def test_each_byte_is_allowed_exactly_where_the_specification_says(code: int) -> None:
    """https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md sections 2.1 and 2.2."""
    char = chr(code)
    assert refused(f"spiffe://acme{char}example/x") is (char not in DOMAIN_BYTES | {"/"})
    assert refused(f"spiffe://acme.example/a{char}b") is (char not in SEGMENT_BYTES | {"/"})


def test_a_spiffe_id_is_read() -> None:
    """The neighbours of the refused ones."""
    spiffe_id = SpiffeId.parse("spiffe://acme.example/tableau/Extract_1.0-x")
    assert (spiffe_id.trust_domain, spiffe_id.path) == ("acme.example", "/tableau/Extract_1.0-x")
    assert spiffe_id.text == "spiffe://acme.example/tableau/Extract_1.0-x"
    assert SpiffeId.parse("spiffe://acme.example").path == ""
    assert SpiffeId.parse("spiffe://acme.example/...").path == "/..."
    assert SpiffeId.parse("spiffe://a/" + "x" * (MAX_SPIFFE_ID_BYTES - 11)).path
    assert SpiffeId.parse("spiffe://" + "a" * 255 + "/x").path


@pytest.mark.parametrize("text", ["", "Acme", "acme/x", "a b", "acme\n", "x" * 256])
def test_a_trust_domain_is_checked_alone_too(text: str) -> None:
    """The policy file names one."""
    with pytest.raises(ValueError, match="trust domain"):
        parse_trust_domain(text)
    assert parse_trust_domain("acme_1.example") == "acme_1.example"
