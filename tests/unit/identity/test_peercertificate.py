"""What a client certificate must be before anybody asks who signed it."""

import base64
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from authz.errors import Denied, Reason
from authz.identity.peercertificate import parse_peer_certificate, peer_digest, thumbprint_of, verify_peer
from tests.pki import (
    CLIENT_AUTH,
    SERVER_AUTH,
    Leaf,
    authority,
    dns,
    email,
    rsa_private,
    uri,
)
from tests.tokens import NOW, thumbprint

ROOT = authority()
GOOD = ROOT.issue()


def refusal(leaf: Leaf, now: float = NOW) -> Denied:
    peer = parse_peer_certificate(leaf.pem)
    with pytest.raises(Denied) as caught:
        verify_peer(peer, now)
    return caught.value


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "canary",
        GOOD.pem + GOOD.pem,
        "# comment\n" + GOOD.pem,
        GOOD.pem + "junk",
        "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        GOOD.pem.replace("\n", "%0A"),
        GOOD.pem[:-40],
        GOOD.pem + "\n" * 65_536,
        "\ud800",
    ],
)
def test_anything_but_one_certificate_is_malformed(pem: str) -> None:
    """Only the first of several blocks would be read; which one Envoy meant is a guess."""
    with pytest.raises(Denied) as caught:
        parse_peer_certificate(pem)
    assert caught.value.reason is Reason.CERTIFICATE_MALFORMED
    assert "canary" not in caught.value.detail


@pytest.mark.parametrize(
    "private",
    [
        rsa_private(1024),
        ec.generate_private_key(ec.SECP192R1()),
        ec.generate_private_key(ec.SECP224R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed448.Ed448PrivateKey.generate(),
        dsa.generate_private_key(2048),
    ],
)
def test_a_weak_key_is_refused(private: object) -> None:
    """The chain verifier takes RSA-1024, P-192 and DSA in a leaf."""
    assert refusal(ROOT.issue(private=private)).reason is Reason.CERTIFICATE_WEAK  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "private",
    [
        rsa_private(2048),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
)
def test_a_strong_key_is_accepted(private: object) -> None:
    """The neighbours of the weak ones."""
    verify_peer(parse_peer_certificate(ROOT.issue(private=private).pem), NOW)  # type: ignore[arg-type]


def test_a_weak_signature_is_refused() -> None:
    """SHA-224 stands for everything below SHA-256; SHA-1 cannot even be signed with."""
    assert refusal(ROOT.issue(digest=hashes.SHA224())).reason is Reason.CERTIFICATE_WEAK


def test_validity_is_exact() -> None:
    """There is no leeway for certificates, and both ends are told as such."""
    leaf = ROOT.issue(not_before=NOW - 10, not_after=NOW + 10)
    assert refusal(leaf, NOW + 10).reason is Reason.CERTIFICATE_EXPIRED
    assert refusal(leaf, NOW - 11).reason is Reason.CERTIFICATE_EXPIRED
    assert "not valid for another 1 s" in refusal(leaf, NOW - 11).detail
    verify_peer(parse_peer_certificate(leaf.pem), NOW + 9.5)
    verify_peer(parse_peer_certificate(leaf.pem), NOW - 10)


@pytest.mark.parametrize(
    ("leaf", "detail"),
    [
        (ROOT.issue(ca=True), "a certificate authority may not be a client"),
        (ROOT.issue(usages=None), "key usage without digitalSignature"),
        (ROOT.issue(usages=()), "key usage without digitalSignature"),
        (ROOT.issue(usages=("key_encipherment",)), "key usage without digitalSignature"),
        (ROOT.issue(usages=("digital_signature", "key_cert_sign")), "key usage of a certificate authority"),
        (ROOT.issue(usages=("digital_signature", "crl_sign")), "key usage of a certificate authority"),
        (ROOT.issue(extended=None), "extended key usage without clientAuth"),
        (ROOT.issue(extended=(SERVER_AUTH,)), "extended key usage without clientAuth"),
        (
            ROOT.issue(extended=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),
            "extended key usage without clientAuth",
        ),
    ],
)
def test_a_certificate_that_is_not_for_clients_is_refused(leaf: Leaf, detail: str) -> None:
    """A server's certificate, or an authority's, is no proof of a client."""
    denied = refusal(leaf)
    assert denied.reason is Reason.CERTIFICATE_UNTRUSTED
    assert detail in denied.detail


def test_further_usages_do_no_harm() -> None:
    """X509-SVIDs are for both sides."""
    leaf = ROOT.issue(extended=(SERVER_AUTH, CLIENT_AUTH), usages=("digital_signature", "key_agreement"))
    verify_peer(parse_peer_certificate(leaf.pem), NOW)


def test_a_certificate_is_read_completely() -> None:
    """Names by kind, digests, serial number and times."""
    leaf = ROOT.issue([uri("spiffe://a/b"), dns("x.example"), email("a@b.example"), dns("y.example")])
    peer = parse_peer_certificate(leaf.pem)
    assert peer.uris == ("spiffe://a/b",)
    assert peer.dns_names == ("x.example", "y.example")
    assert peer.emails == ("a@b.example",)
    assert peer.fingerprint == hashlib.sha256(leaf.der).hexdigest()
    assert thumbprint_of(peer_digest(leaf.pem)) == thumbprint(leaf.der)
    assert int(peer.serial, 16) == leaf.certificate.serial_number
    assert (peer.not_before, peer.not_after) == (NOW - 3600, NOW + 86_400)


def test_an_extension_twice_is_malformed() -> None:
    """Which of the two would count?"""
    one, other = (x509.ObjectIdentifier(f"1.3.6.1.5.5.7.48.1.{last}") for last in (5, 6))
    leaf = ROOT.issue(extra=[(x509.UnrecognizedExtension(oid, b"\x05\x00"), False) for oid in (one, other)])
    prefix = b"\x2b\x06\x01\x05\x05\x07\x30\x01"
    doubled = leaf.der.replace(prefix + b"\x06", prefix + b"\x05")
    assert doubled != leaf.der
    assert refused_as_malformed(doubled)
    assert not refused_as_malformed(leaf.der)


@pytest.mark.parametrize("serial", [b"\x00", b"\xff"])
def test_a_serial_number_that_is_not_positive_is_malformed(serial: bytes) -> None:
    """RFC 5280 section 4.1.2.2; such a number could be written in several ways."""
    leaf = ROOT.issue(serial=1)
    changed = leaf.der.replace(b"\x02\x01\x01", b"\x02\x01" + serial, 1)
    assert refused_as_malformed(changed)
    assert not refused_as_malformed(leaf.der)


def test_unused_bits_in_the_signature_are_malformed() -> None:
    """They are outside of what is signed, so a certificate would have a second fingerprint."""
    leaf = next(leaf for leaf in iter(ROOT.issue, None) if leaf.certificate.signature[-1] & 1 == 0)
    length = len(leaf.certificate.signature)
    changed = leaf.der[: -length - 1] + b"\x01" + leaf.certificate.signature
    assert refused_as_malformed(changed)
    assert not refused_as_malformed(leaf.der)


def refused_as_malformed(der: bytes) -> bool:
    body = base64.encodebytes(der).decode()
    try:
        parse_peer_certificate(f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
    except Denied as denied:
        return denied.reason is Reason.CERTIFICATE_MALFORMED
    return False
