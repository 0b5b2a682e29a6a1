"""Hostile certificates, bundles and names: a denial or our own error, nothing else."""

import base64
import contextlib

from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from authz.errors import Denied
from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.authenticator import Authenticator
from authz.identity.certificates import TrustBundleError, parse_trust_bundle
from authz.identity.credentials import Credentials
from authz.identity.names import parse_dns_name, parse_email_address
from authz.identity.spiffe import SpiffeId
from authz.identity.trust import CertificateNames, CertificateTrust
from tests.pki import EXTRACT_ID, TRUST_DOMAIN, authority
from tests.tokens import NOW

ROOT = authority()
LEAF = ROOT.issue()
TRUST = CertificateTrust(
    name="extracts", roots="roots.pem", identity=CertificateNames.SPIFFE, trust_domain=TRUST_DOMAIN
)
ACCEPTS = AcceptedCredentials(
    authentication=Authentication.CERTIFICATE, issuers=frozenset(), trusts=frozenset({"extracts"})
)
AUTHENTICATOR = Authenticator(
    issuers={}, key_sets={}, bundles={"extracts": parse_trust_bundle(TRUST, ROOT.pem, None)}
)


# No deadline: the machine may be busy, and none of these properties is about speed.
EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def authenticates(pem: str) -> bool:
    """Whether the certificate is accepted; anything but `Denied` escapes and fails the test."""
    try:
        AUTHENTICATOR.authenticate(Credentials(token=None, certificate_pem=pem), ACCEPTS, NOW)
    except Denied as denied:
        denied.detail.encode("utf-8")
        return False
    return True


def block(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def test_the_certificate_that_is_changed_here_is_good() -> None:
    """Or the properties below would hold for nothing."""
    assert authenticates(LEAF.pem)
    assert authenticates(block(LEAF.der))


@EXAMPLES
@given(st.text(st.characters(exclude_categories=[]), max_size=200))
def test_any_text_is_no_certificate(text: str) -> None:
    """Whatever comes as a certificate."""
    assert not authenticates(text)


@EXAMPLES
@given(st.binary(max_size=300))
def test_any_der_is_no_certificate(der: bytes) -> None:
    """Well-formed PEM around anything."""
    assert not authenticates(block(der))


@EXAMPLES
@given(st.integers(0, 5_000), st.integers(1, 255))
def test_a_certificate_with_a_changed_byte_is_denied(position: int, change: int) -> None:
    """Everything is under the signature, or is the signature."""
    der = bytearray(LEAF.der)
    position %= len(der)
    der[position] ^= change
    assert not authenticates(block(bytes(der)))


@EXAMPLES
@given(st.integers(0, 5_000), st.binary(min_size=1, max_size=8))
def test_a_certificate_with_inserted_bytes_is_denied(position: int, inserted: bytes) -> None:
    """At the end, too: nothing trails a certificate."""
    position %= len(LEAF.der) + 1
    changed = LEAF.der[:position] + inserted + LEAF.der[position:]
    assume(changed != LEAF.der)
    assert not authenticates(block(changed))


@EXAMPLES
@given(st.binary(max_size=300))
def test_any_bytes_are_no_bundle(data: bytes) -> None:
    """A file of the operator's, perhaps the wrong one."""
    for pem in (data, ROOT.pem + data.strip(b" \t\r\n#") + b"x"):
        try:
            parse_trust_bundle(TRUST, pem, None)
        except TrustBundleError:
            continue
        raise AssertionError("junk was taken for a bundle")


@EXAMPLES
@given(st.integers(0, 5_000), st.integers(1, 255))
def test_a_bundle_with_a_changed_byte_is_our_error_or_vouches_for_nobody_new(
    position: int, change: int
) -> None:
    """A root whose key or name changed vouches for no certificate of the old one."""
    der = bytearray(ROOT.certificate.public_bytes(Encoding.DER))
    position %= len(der)
    der[position] ^= change
    try:
        bundle = parse_trust_bundle(TRUST, block(bytes(der)).encode(), None)
    except TrustBundleError:
        return
    bundle.expired(NOW)


@EXAMPLES
@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: f"spiffe://acme.example/{text}"))
def test_a_spiffe_id_has_one_spelling(text: str) -> None:
    """What is read, is what was written, and has no character that needs care anywhere."""
    try:
        spiffe_id = SpiffeId.parse(text)
    except ValueError:
        return
    assert spiffe_id.text == text
    assert text.isascii()
    assert not set(text) & set("%?#@:,;\"' \\") - {":"}
    assert text.count(":") == 1
    assert not {"", ".", ".."} & set(spiffe_id.path.split("/")[1:])


@EXAMPLES
@given(st.integers(0, len(EXTRACT_ID) - 1), st.characters())
def test_a_changed_spiffe_id_is_refused_or_another_one(position: int, char: str) -> None:
    """No two spellings of one identity."""
    assume(EXTRACT_ID[position] != char)
    changed = EXTRACT_ID[:position] + char + EXTRACT_ID[position + 1 :]
    with contextlib.suppress(ValueError):
        assert SpiffeId.parse(changed) != SpiffeId.parse(EXTRACT_ID)


@EXAMPLES
@given(st.text(max_size=40) | st.from_regex(r"\A[A-Za-z0-9.*-]{1,30}\Z"))
def test_names_are_canonical(text: str) -> None:
    """Reading a canonical name changes nothing."""
    try:
        name = parse_dns_name(text)
    except ValueError:
        return
    assert parse_dns_name(name) == name == name.lower()
    address = f"A.b@{text}"
    assert parse_email_address(address) == f"A.b@{name}"
