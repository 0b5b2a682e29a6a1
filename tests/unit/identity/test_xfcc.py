"""What Envoy says of the certificates that a client has sent along, and what others might write there."""

import hashlib
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from authz.errors import Denied, Reason
from authz.identity.xfcc import (
    MAX_SENT_ALONG,
    MAX_XFCC_CHARACTERS,
    XfccError,
    parse_client_chain,
    parse_xfcc,
    sent_along,
)
from tests.pki import Authority, Leaf, authority, make_authority, rsa_private
from tests.tokens import NOW

ROOT = authority()
BELOW = ROOT.intermediate()
LEAF = BELOW.issue()


def digest(der: bytes) -> bytes:
    return hashlib.sha256(der).digest()


def pem_text(*parts: Leaf | Authority) -> str:
    return "".join(part.pem if isinstance(part, Leaf) else part.pem.decode() for part in parts)


def header(*parts: Leaf | Authority, leaf: Leaf = LEAF, extra: str = "", text: str | None = None) -> str:
    """As Envoy 1.40 writes it with `chain: true` (measured)."""
    chain = quote(pem_text(leaf, *parts) if text is None else text, safe="-")
    return f'Hash={digest(leaf.der).hex()};Chain="{chain}"{extra}'


def der_of(part: Authority) -> bytes:
    return part.certificate.public_bytes(Encoding.DER)


def refusal(value: str, leaf: Leaf = LEAF) -> Denied:
    with pytest.raises(Denied) as caught:
        sent_along(value, digest(leaf.der))
    return caught.value


GOOD = header(BELOW)
CHAIN = GOOD.partition(";")[2]


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "Hash",
        "Hash=",
        "Chain=",
        "By=spiffe://edge.example;URI=spiffe://acme.example/tableau/extract",
        GOOD.partition(";")[0],
        CHAIN,
        CHAIN + ";" + CHAIN,
        GOOD + ";",
        GOOD + ",",
        GOOD + ";Evil=1",
        GOOD + ";=1",
        GOOD + f";Hash={'0' * 64}",
        GOOD + ";" + CHAIN,
        GOOD + ',By="x',
        GOOD.replace('Chain="', "Chain="),
        GOOD.replace('Chain="', 'Chain=""'),
        GOOD.replace('Chain="', 'Chain="\\'),
        GOOD.replace('Chain="', 'Chain="%'),
        GOOD.replace("%0A", "\n"),
        GOOD.replace("%0A", "%0a"),
        GOOD.replace("%2B", "+"),
        GOOD.replace("%0A", "%00"),
        GOOD.replace("Hash=", "Hash ="),
        GOOD.replace("Hash=", " Hash="),
        GOOD.replace("Hash=", "Häsh="),
        GOOD.replace(digest(LEAF.der).hex(), digest(LEAF.der).hex().upper()),
        GOOD.replace(digest(LEAF.der).hex(), "0" * 64),
        header(text=""),
        header(text="junk" + pem_text(LEAF)),
        header(text=pem_text(LEAF) + "junk"),
        header(text=pem_text(BELOW, LEAF)),
        header(*[BELOW] * (MAX_SENT_ALONG + 1)),
        GOOD + ";Subject=" + '"' + "x" * MAX_XFCC_CHARACTERS + '"',
    ],
    ids=lambda _: (
        "value"
    ),  # not the value: keys are made anew in each process, and all must name the tests alike
)
def test_what_envoy_does_not_write_is_refused(value: str) -> None:
    """Who wrote it is then not known, and nobody but Envoy may."""
    denied = refusal(value)
    assert denied.reason is Reason.CERTIFICATE_MALFORMED
    assert "BEGIN" not in denied.detail


@pytest.mark.parametrize(
    "value",
    [
        GOOD + "," + GOOD,
        "Hash=" + "0" * 64 + "," + GOOD,
        GOOD + ",Hash=" + "0" * 64,
        f"Hash={digest(LEAF.der).hex()};URI=spiffe://acme.example/a,{CHAIN}",
    ],
)
def test_a_second_element_is_refused(value: str) -> None:
    """A client's own, or a name with a comma in it that Envoy did not quote."""
    assert "several elements" in refusal(value).detail


def test_another_certificate_than_that_of_the_handshake_is_refused() -> None:
    """The header then speaks of somebody else."""
    assert refusal(GOOD, leaf=BELOW.issue()).reason is Reason.REQUEST_AMBIGUOUS


def test_what_came_along_is_read() -> None:
    """The neighbour of the refused ones: each authority by the digest of its DER form."""
    assert list(sent_along(GOOD, digest(LEAF.der))) == [digest(der_of(BELOW))]
    assert sent_along(header(), digest(LEAF.der)) == {}
    assert sent_along(None, digest(LEAF.der)) == {}


@pytest.mark.parametrize(
    "extra",
    [
        ';Subject="CN=client"',
        ';Subject="CN=a\\"b\\\\c;d,e";URI=spiffe://acme.example/a;DNS=a.b;DNS=b.c',
        ";By=spiffe://edge.example/a;By=spiffe://edge.example/b",
        ";URI=",
        ";URI=https://a.b/?x=y",
    ],
)
def test_other_parts_of_the_element_do_no_harm(extra: str) -> None:
    """Another Envoy may write more of the certificate than ours; none of it is believed."""
    assert len(sent_along(header(BELOW, extra=extra), digest(LEAF.der))) == 1


def test_quoted_values_are_unquoted() -> None:
    """By Envoy's grammar."""
    assert parse_xfcc('Subject="a\\"b\\\\c;d,e";URI=x;URI=y') == {
        "subject": ('a"b\\c;d,e',),
        "uri": ("x", "y"),
    }


@pytest.mark.parametrize(
    "value", ['Subject="a\\n"', 'Subject="a"b', 'Subject=a"b"', "URI=a\\b", 'Subject="a']
)
def test_broken_quotes_are_refused(value: str) -> None:
    """An escape of something that needs none, and quotes that do not end."""
    with pytest.raises(XfccError):
        parse_xfcc(value)


def test_only_what_could_be_an_authority_is_kept() -> None:
    """Leaves, weak keys and keys that the verifier does not know make no chain, and are left out."""
    weak = make_authority("Weak", private=rsa_private(1024))
    other = make_authority("Ed", private=ed25519.Ed25519PrivateKey.generate())
    kept = sent_along(header(BELOW.issue(), weak, other, BELOW), digest(LEAF.der))
    assert list(kept) == [digest(der_of(BELOW))]


def test_one_certificate_for_each_name_and_key_is_kept() -> None:
    """Authorities that sign each other in a circle would make the search for a chain exponential."""
    private = ec.generate_private_key(ec.SECP256R1())
    mesh = [
        Authority(make_authority("Mesh", private=private, not_after=NOW + number).certificate, private)
        for number in range(1, MAX_SENT_ALONG + 1)
    ]
    assert len({der_of(each) for each in mesh}) == MAX_SENT_ALONG
    assert list(sent_along(header(*mesh), digest(LEAF.der))) == [digest(der_of(mesh[0]))]


def test_the_same_header_is_parsed_once() -> None:
    """Envoy writes it anew for each request of a connection."""
    assert parse_client_chain(GOOD) is parse_client_chain(GOOD)
