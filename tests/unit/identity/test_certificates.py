"""Whose a client certificate is, and who vouches for it."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from authz.errors import Denied, Reason
from authz.identity.certificates import (
    TrustBundle,
    TrustBundleError,
    VerifiedCertificate,
    parse_trust_bundle,
    verify_certificate,
)
from authz.identity.peercertificate import parse_peer_certificate
from authz.identity.trust import CertificateNames, CertificateTrust
from tests.pki import (
    EXTRACT_ID,
    TRUST_DOMAIN,
    Authority,
    Leaf,
    authority,
    dns,
    email,
    make_authority,
    rsa_private,
    uri,
)
from tests.tokens import NOW

ROOT = authority()
OTHER = authority("Another Root CA")


def trust(identity: CertificateNames = CertificateNames.SPIFFE, **fields: object) -> CertificateTrust:
    domain = TRUST_DOMAIN if identity is CertificateNames.SPIFFE else None
    return CertificateTrust(
        **{"name": "extracts", "roots": "roots.pem", "identity": identity, "trust_domain": domain, **fields}
    )


def bundle(*roots: Authority, below: tuple[Authority, ...] = (), **fields: object) -> TrustBundle:
    pem = b"".join(root.pem for root in roots or (ROOT,))
    return parse_trust_bundle(trust(**fields), pem, b"".join(ca.pem for ca in below) if below else None)


def verify(leaf: Leaf, *bundles: TrustBundle, now: float = NOW) -> VerifiedCertificate:
    by_name = {one.trust.name: one for one in bundles or (bundle(),)}
    return verify_certificate(parse_peer_certificate(leaf.pem), by_name, by_name, now)


def refusal(leaf: Leaf, *bundles: TrustBundle, now: float = NOW) -> Denied:
    with pytest.raises(Denied) as caught:
        verify(leaf, *bundles, now=now)
    return caught.value


def test_a_certificate_of_another_authority_is_untrusted() -> None:
    """The same name in the issuer field is not enough."""
    assert refusal(OTHER.issue()).reason is Reason.CERTIFICATE_UNTRUSTED
    assert refusal(make_authority("Test Root CA").issue()).reason is Reason.CERTIFICATE_UNTRUSTED


def test_a_self_signed_certificate_is_untrusted() -> None:
    """Nobody vouches for it."""
    private = ec.generate_private_key(ec.SECP256R1())
    impostor = Authority(ROOT.certificate, private)
    assert refusal(impostor.issue(private=private)).reason is Reason.CERTIFICATE_UNTRUSTED


def test_a_chain_needs_its_intermediate() -> None:
    """Envoy reports the leaf only, so intermediates come from the configuration."""
    below = ROOT.intermediate()
    assert refusal(below.issue()).reason is Reason.CERTIFICATE_UNTRUSTED
    assert verify(below.issue(), bundle(below=(below,)))


def test_a_leaf_signed_by_a_leaf_is_untrusted() -> None:
    """A client may not make clients."""
    leaf = ROOT.issue()
    below = Authority(leaf.certificate, leaf.private).issue()
    assert refusal(below).reason is Reason.CERTIFICATE_UNTRUSTED


def test_an_expired_authority_is_told_apart_from_a_foreign_one() -> None:
    """The operator must renew a root, not look for an attacker."""
    old = make_authority("Old Root CA", not_after=NOW - 10)
    assert refusal(old.issue(), bundle(old)).reason is Reason.CERTIFICATE_EXPIRED
    below = ROOT.intermediate(not_after=NOW - 10)
    assert refusal(below.issue(), bundle(below=(below,))).reason is Reason.CERTIFICATE_EXPIRED
    assert refusal(ROOT.issue(not_after=NOW - 1)).reason is Reason.CERTIFICATE_EXPIRED


def test_the_end_of_the_chain_is_the_end_of_the_certificate() -> None:
    """A remembered certificate must not outlive its authority."""
    below = ROOT.intermediate(not_before=NOW - 100, not_after=NOW + 100)
    verified = verify(below.issue(), bundle(below=(below,)))
    assert (verified.not_before, verified.expires_at) == (NOW - 100, NOW + 100)
    assert verified.identity.not_after == NOW + 86_400


def test_every_root_of_the_file_counts() -> None:
    """Not only the first block."""
    assert verify(OTHER.issue(), bundle(ROOT, OTHER))
    assert verify(ROOT.issue(), bundle(ROOT, OTHER))


@pytest.mark.parametrize(
    "names",
    [
        None,
        [dns("extract.acme.example")],
        [uri(EXTRACT_ID), uri("spiffe://acme.example/other")],
        [uri(EXTRACT_ID), uri("https://acme.example/")],
        [uri("https://acme.example/tableau/extract")],
        [uri("spiffe://acme.example")],
        [uri("spiffe://acme.example/")],
        [uri("spiffe://evil.example/tableau/extract")],
        [uri("spiffe://acme.example.evil/tableau/extract")],
        [uri("spiffe://Acme.example/tableau/extract")],
        [uri("spiffe://acme.example:8443/tableau/extract")],
        [uri("spiffe://user@acme.example/tableau/extract")],
        [uri("spiffe://acme.example/tableau/../extract")],
        [uri("spiffe://acme.example/tableau/%65xtract")],
        [uri("spiffe://acme.example/tableau/extract?x")],
        [uri("spiffe://acme.example/tableau/extract#x")],
        [uri("spiffe://acme.example/a,b")],
        [uri('spiffe://acme.example/a"b')],
        [uri("spiffe://acme.example/a\r\nb")],
        [uri("spiffe://acme.example/a\x00b")],
        [uri("")],
    ],
)
def test_a_name_that_is_no_workload_of_the_domain_is_refused(names: list[x509.GeneralName] | None) -> None:
    """The chain is good each time: only the name is wrong. A common name is no identity."""
    assert refusal(ROOT.issue(names)).reason is Reason.CERTIFICATE_IDENTITY_INVALID


def test_an_authority_of_one_domain_cannot_speak_for_another() -> None:
    """Both are trusted, each for its own domain."""
    acme = bundle(ROOT)
    evil = bundle(OTHER, name="partners", trust_domain="partner.example")
    assert refusal(OTHER.issue(), acme, evil).reason is Reason.CERTIFICATE_IDENTITY_INVALID
    verified = verify(OTHER.issue([uri("spiffe://partner.example/x")]), acme, evil)
    assert verified.identity.trust == "partners"


def test_a_spiffe_identity_is_read() -> None:
    """Other kinds of names beside the one URI do no harm (X509-SVID section 2)."""
    leaf = ROOT.issue([uri(EXTRACT_ID), dns("extract.acme.example")])
    identity = verify(leaf).identity
    assert identity.name == identity.spiffe_id == EXTRACT_ID
    assert (identity.dns_name, identity.email) == (None, None)
    assert identity.trust == "extracts"
    assert int(identity.serial, 16) == leaf.certificate.serial_number


@pytest.mark.parametrize(
    "names",
    [
        [uri(EXTRACT_ID)],
        [dns("*.acme.example")],
        [dns("acme.example."), uri(EXTRACT_ID)],
        [dns("a.acme.example"), dns("b.acme.example")],
        [dns("10.0.0.1")],
    ],
)
def test_a_dns_identity_is_exactly_one_host_name(names: list[x509.GeneralName]) -> None:
    """A wildcard is no client, and of two names nobody knows which one is meant."""
    denied = refusal(ROOT.issue(names), bundle(identity=CertificateNames.DNS))
    assert denied.reason in {Reason.CERTIFICATE_IDENTITY_INVALID, Reason.CERTIFICATE_UNTRUSTED}


def test_a_dns_identity_is_read_in_lower_case() -> None:
    """The neighbour of the refused ones."""
    leaf = ROOT.issue([dns("Extract.ACME.example")])
    identity = verify(leaf, bundle(identity=CertificateNames.DNS)).identity
    assert identity.name == identity.dns_name == "extract.acme.example"
    assert identity.spiffe_id is None


@pytest.mark.parametrize(
    "names", [[dns("acme.example")], [email("a@acme.example"), email("b@acme.example")], [email("a")]]
)
def test_an_email_identity_is_exactly_one_address(names: list[x509.GeneralName]) -> None:
    """As for the others."""
    denied = refusal(ROOT.issue(names), bundle(identity=CertificateNames.EMAIL))
    assert denied.reason in {Reason.CERTIFICATE_IDENTITY_INVALID, Reason.CERTIFICATE_UNTRUSTED}


def test_an_email_identity_is_read() -> None:
    """The neighbour of the refused ones."""
    identity = verify(
        ROOT.issue([email("Alice@ACME.example")]), bundle(identity=CertificateNames.EMAIL)
    ).identity
    assert identity.name == identity.email == "Alice@acme.example"


def test_without_accepted_trusts_no_certificate_is_good() -> None:
    """An empty list accepts none."""
    with pytest.raises(Denied) as caught:
        verify_certificate(parse_peer_certificate(ROOT.issue().pem), (), {"extracts": bundle()}, NOW)
    assert caught.value.reason is Reason.CERTIFICATE_UNTRUSTED


def test_a_trust_that_is_not_accepted_vouches_for_nothing() -> None:
    """Its roots are loaded, for another warehouse."""
    bundles = {"extracts": bundle(), "others": bundle(OTHER, name="others")}
    with pytest.raises(Denied) as caught:
        verify_certificate(parse_peer_certificate(ROOT.issue().pem), ("others",), bundles, NOW)
    assert caught.value.reason is Reason.CERTIFICATE_UNTRUSTED


def test_of_several_reasons_the_one_nearest_to_success_is_given() -> None:
    """Whatever the names of the trusts are: the operator of the right one is helped."""
    leaf = ROOT.issue([uri("https://acme.example/")])
    for right, wrong in (("a", "z"), ("z", "a")):
        denied = refusal(leaf, bundle(name=right), bundle(OTHER, name=wrong))
        assert denied.reason is Reason.CERTIFICATE_IDENTITY_INVALID


def test_roots_that_are_not_loaded_are_our_fault() -> None:
    """Unless another trust accepts the certificate."""
    peer = parse_peer_certificate(ROOT.issue().pem)
    with pytest.raises(Denied) as caught:
        verify_certificate(peer, ("extracts", "missing"), {"extracts": bundle(OTHER)}, NOW)
    assert caught.value.reason is Reason.KEYS_UNAVAILABLE
    assert verify_certificate(peer, ("extracts", "missing"), {"extracts": bundle()}, NOW)


LEAF_PEM = ROOT.issue().pem.encode()
WEAK = make_authority("Weak", private=rsa_private(1024)).pem
ED25519 = make_authority("Ed", private=ed25519.Ed25519PrivateKey.generate()).pem
PLAIN = ROOT.issue(ca=None).pem.encode()


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (b"", "roots.pem: no certificate"),
        (b"# nothing\n", "roots.pem: no certificate"),
        (b"\x30\x82\xff", "roots.pem: not UTF-8; is it DER?"),
        (b"junk", "roots.pem: line 1: got something else"),
        (ROOT.pem + b"junk", "got something else than a certificate block"),
        (LEAF_PEM, "roots.pem: certificate 1: not a certificate authority"),
        (ROOT.pem + LEAF_PEM, "roots.pem: certificate 2: not a certificate authority"),
        (PLAIN, "roots.pem: certificate 1: not a certificate authority (no basic constraints)"),
        (WEAK, "roots.pem: certificate 1: an RSA key of 1024 bits"),
        (ED25519, "an authority with an Ed25519 key is not supported"),
        (
            b"-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n",
            "roots.pem: certificate 1: cannot be read",
        ),
        (b"\n" * 4_194_305, "roots.pem: got 4194305 bytes"),
    ],
)
def test_a_bad_bundle_is_refused_whole(pem: bytes, message: str) -> None:
    """A leaf in the store would anchor itself; junk would hide that half of the file is not read."""
    with pytest.raises(TrustBundleError) as caught:
        parse_trust_bundle(trust(), pem, None)
    assert message in str(caught.value)


def test_a_bad_intermediate_is_refused_at_load() -> None:
    """The same rules, under its own file's name."""
    with pytest.raises(TrustBundleError, match=r"below\.pem: certificate 1: not a certificate authority"):
        parse_trust_bundle(trust(intermediates="below.pem"), ROOT.pem, LEAF_PEM)


def test_expired_roots_are_reported() -> None:
    """They stay in the bundle, and somebody should renew them."""
    old = make_authority("Old Root CA", not_after=NOW - 10)
    below = ROOT.intermediate(not_before=NOW + 10)
    reported = bundle(ROOT, old, below=(below,)).expired(NOW)
    assert len(reported) == 2
    assert "root `CN=Old Root CA` is not valid" in reported[0]
    assert "intermediate `CN=Intermediate CA` is not valid" in reported[1]
    assert bundle().expired(NOW) == ()


def test_bundles_are_equal_if_they_vouch_for_the_same() -> None:
    """The order of the file makes no new bundle; another root, role or trust does."""
    below = ROOT.intermediate()
    assert bundle(ROOT, OTHER) == bundle(OTHER, ROOT)
    assert bundle(ROOT, OTHER) != bundle(ROOT)
    assert bundle(ROOT, below) != bundle(ROOT, below=(below,))
    assert bundle() != bundle(trust_domain="other.example")
