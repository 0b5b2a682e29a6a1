"""Authorities out of SPIFFE bundles, and those that clients show."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from authz.errors import Denied, Reason
from authz.identity.authorities import TrustBundleError, parse_authorities
from authz.identity.certificates import parse_trust_bundle, usable_authorities, verify_certificate
from authz.identity.peercertificate import parse_peer_certificate
from authz.identity.trust import CertificateNames, CertificateTrust, CrlCheck
from tests.pki import TRUST_DOMAIN, Authority, Leaf, authority, crl_pem, make_authority
from tests.tokens import NOW, ec_key

ROOT = authority()
OTHER = authority("Another Root CA")
BELOW = ROOT.intermediate()


def der_of(part: Authority) -> bytes:
    return part.certificate.public_bytes(Encoding.DER)


def svid_key(part: Authority | Leaf, **members: object) -> dict[str, object]:
    """The entry of an authority, as SPIRE writes it."""
    der = part.der if isinstance(part, Leaf) else der_of(part)
    jwk = {name: value for name, value in ec_key().jwk().items() if name in {"kty", "crv", "x", "y"}}
    return {**jwk, "use": "x509-svid", "x5c": [base64.b64encode(der).decode()], **members}


def spiffe_bundle(*keys: dict[str, object], **members: object) -> bytes:
    return json.dumps(
        {"keys": list(keys), "spiffe_sequence": 7, "spiffe_refresh_hint": 300, **members}
    ).encode()


JWT_KEY = {**ec_key().jwk(), "use": "jwt-svid"}


def trust(identity: CertificateNames = CertificateNames.SPIFFE, **fields: object) -> CertificateTrust:
    domain = TRUST_DOMAIN if identity is CertificateNames.SPIFFE else None
    return CertificateTrust(
        **{"name": "extracts", "roots": "bundle.json", "identity": identity, "trust_domain": domain, **fields}
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "bundle.json: not JSON"),
        (b'{"keys": [], "keys": []}', "bundle.json: "),
        (b"{}", "bundle.json: `keys` is no list; expected a SPIFFE bundle"),
        (b'{"keys": {}}', "bundle.json: `keys` is no list"),
        (spiffe_bundle(), "bundle.json: no certificate"),
        (spiffe_bundle(JWT_KEY), "bundle.json: no certificate"),
        (spiffe_bundle(svid_key(ROOT, use="sig")), "bundle.json: no certificate"),
        (spiffe_bundle(svid_key(ROOT, use="X509-SVID")), "bundle.json: no certificate"),
        (spiffe_bundle(svid_key(ROOT, x5c=[])), "bundle.json: no certificate"),
        (spiffe_bundle(svid_key(ROOT, x5c=None)), "bundle.json: no certificate"),
        (spiffe_bundle(svid_key(ROOT, x5c="MII")), "bundle.json: key 1: `x5c` is no list of texts"),
        (spiffe_bundle(svid_key(ROOT, x5c=[7])), "bundle.json: key 1: `x5c` is no list of texts"),
        (spiffe_bundle(svid_key(ROOT, x5c=["-_"])), "bundle.json: key 1: `x5c` is not base64"),
        (spiffe_bundle(svid_key(ROOT, x5c=["AAAA"])), "bundle.json: certificate 1: cannot be read"),
        (
            spiffe_bundle(svid_key(ROOT), svid_key(ROOT.issue())),
            "bundle.json: certificate 2: not a certificate authority",
        ),
        (b" " + spiffe_bundle()[:-1], "bundle.json: "),
    ],
)
def test_a_bad_bundle_is_refused(content: bytes, message: str) -> None:
    """As bad PEM is."""
    with pytest.raises(TrustBundleError) as caught:
        parse_trust_bundle(trust(), content, None)
    assert message in str(caught.value)


@pytest.mark.parametrize("identity", [CertificateNames.DNS, CertificateNames.EMAIL])
def test_a_spiffe_bundle_vouches_for_spiffe_ids_only(identity: CertificateNames) -> None:
    """It says whose trust domain it is nowhere, but it is some trust domain's."""
    with pytest.raises(TrustBundleError, match="belongs to `identity: spiffe`"):
        parse_trust_bundle(trust(identity), spiffe_bundle(svid_key(ROOT)), None)


def test_a_spiffe_bundle_is_read() -> None:
    """Each authority of `x509-svid`; keys of other uses, and further certificates of one, are ignored."""
    content = spiffe_bundle(
        JWT_KEY,
        svid_key(ROOT, kid="x"),
        {"kty": "new", "use": "new-svid"},
        svid_key(OTHER, x5c=[base64.b64encode(der_of(each)).decode() for each in (OTHER, BELOW)]),
    )
    bundle = parse_trust_bundle(trust(), b"\n" + content, None)
    assert [der_of(ROOT), der_of(OTHER)] == [each.public_bytes(Encoding.DER) for each in bundle.roots]
    peer = parse_peer_certificate(ROOT.issue().pem)
    assert verify_certificate(peer, ("extracts",), {"extracts": bundle}, NOW)


def test_a_bundle_in_pem_is_the_same_bundle() -> None:
    """The format is no part of what a bundle vouches for."""
    assert parse_trust_bundle(trust(), ROOT.pem, None) == parse_trust_bundle(
        trust(), spiffe_bundle(svid_key(ROOT)), None
    )


def test_a_file_that_is_too_large_is_not_read() -> None:
    """Whatever is in it."""
    with pytest.raises(TrustBundleError, match="expected at most"):
        parse_authorities(b"{" + b" " * 4_194_304, "bundle.json", spiffe=True)


def shown(*parts: Authority | Leaf) -> dict[bytes, object]:
    return dict(usable_authorities(part.der if isinstance(part, Leaf) else der_of(part) for part in parts))


def verified(leaf: Leaf, *parts: Authority | Leaf, **fields: object) -> frozenset[bytes]:
    """What of the client's own chain was needed."""
    crls = fields.pop("lists", ())
    bundle = parse_trust_bundle(trust(**fields), ROOT.pem, None, crls)
    presented = usable_authorities(part.der if isinstance(part, Leaf) else der_of(part) for part in parts)
    peer = parse_peer_certificate(leaf.pem)
    return verify_certificate(peer, ("extracts",), {"extracts": bundle}, NOW, presented).presented


def refused(leaf: Leaf, *parts: Authority | Leaf, **fields: object) -> Reason:
    with pytest.raises(Denied) as caught:
        verified(leaf, *parts, **fields)
    return caught.value.reason


def test_what_a_client_shows_is_no_root() -> None:
    """Not even a root of its own, nor one under a name that is believed."""
    other = make_authority("Test Root CA")
    assert refused(OTHER.issue(), OTHER) is Reason.CERTIFICATE_UNTRUSTED
    assert refused(other.issue(), other) is Reason.CERTIFICATE_UNTRUSTED
    assert refused(other.intermediate().issue(), other.intermediate(), other) is Reason.CERTIFICATE_UNTRUSTED


def test_what_a_client_shows_must_be_an_authority() -> None:
    """A client may not make clients."""
    leaf = ROOT.issue()
    assert refused(Authority(leaf.certificate, leaf.private).issue(), leaf) is Reason.CERTIFICATE_UNTRUSTED


def test_an_intermediate_that_the_client_shows_completes_the_chain() -> None:
    """It is named, so that the same certificate without it is not taken for verified."""
    leaf = BELOW.issue()
    assert refused(leaf) is Reason.CERTIFICATE_UNTRUSTED
    assert verified(leaf, BELOW) == {hashlib.sha256(der_of(BELOW)).digest()}


def test_what_is_not_needed_is_not_named() -> None:
    """Nor is a root that came along."""
    assert verified(ROOT.issue(), BELOW, OTHER) == frozenset()
    assert verified(BELOW.issue(), OTHER, ROOT, BELOW) == {hashlib.sha256(der_of(BELOW)).digest()}


def test_an_expired_intermediate_is_told_apart_here_too() -> None:
    """The client must renew its chain."""
    old = ROOT.intermediate(not_after=NOW - 10)
    assert refused(old.issue(), old) is Reason.CERTIFICATE_EXPIRED


def test_an_authority_that_only_the_client_shows_can_have_no_list() -> None:
    """Lists are verified when they are read, by configured authorities: `intermediates` is the help."""
    leaf = BELOW.issue()
    lists = {"crls": ("root.crl",), "lists": (crl_pem(ROOT.crl()),)}
    assert refused(leaf, BELOW, **lists) is Reason.CERTIFICATE_REVOCATION_UNKNOWN
    revoked = {"crls": ("root.crl",), "lists": (crl_pem(ROOT.crl(BELOW.certificate)),)}
    assert refused(leaf, BELOW, **revoked) is Reason.CERTIFICATE_REVOKED
    assert refused(leaf, BELOW, crl_check=CrlCheck.CHAIN, **lists) is Reason.CERTIFICATE_REVOCATION_UNKNOWN


def test_shown_certificates_are_kept_by_digest() -> None:
    """Junk is left out; the order is that of the client."""
    assert list(shown(ROOT.issue(), BELOW, OTHER, BELOW)) == [
        hashlib.sha256(der_of(each)).digest() for each in (BELOW, OTHER)
    ]
    assert usable_authorities([b"", b"\x30\x00"]) == {}
