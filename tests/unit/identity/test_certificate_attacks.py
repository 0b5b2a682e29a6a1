"""Attacks with client certificates, by class, through the one door that a check uses.

Each row is what somebody presents who may not come in, and the reason that keeps them out; `test_the_neighbour` is the
same thing done right. What the library does not check by itself (measured with cryptography 50) is marked `alone`.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec

from authz.errors import Denied, Reason
from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.authenticator import Authenticator
from authz.identity.certificates import parse_trust_bundle
from authz.identity.credentials import Credentials
from authz.identity.keyset import parse_jwks
from authz.identity.trust import CertificateNames, CertificateTrust
from tests.pki import (
    CLIENT_AUTH,
    EXTRACT_ID,
    SERVER_AUTH,
    TRUST_DOMAIN,
    Authority,
    Leaf,
    authority,
    crl_pem,
    dns,
    make_authority,
    rsa_private,
    uri,
)
from tests.tokens import NOW, claims, ec_key, jwks, make_issuer, mint, thumbprint

KEY = ec_key()
ROOT = authority()
PARTNER_ROOT = authority("Partner Root CA")
BELOW = ROOT.intermediate()
FOREIGN = make_authority("Foreign CA")
LEAF = BELOW.issue(serial=0x0A1B)
REVOKED = BELOW.issue(serial=0x0BAD)
OF_REVOKED = ROOT.intermediate("Revoked CA")
OLD = ROOT.intermediate("Old CA", not_after=NOW - 1)
UNLISTED = ROOT.intermediate("Unlisted CA")

TRUST = CertificateTrust(
    name="extracts",
    roots="roots.pem",
    identity=CertificateNames.SPIFFE,
    trust_domain=TRUST_DOMAIN,
    intermediates="below.pem",
    crls=("below.crl", "root.crl"),
)
PARTNERS = CertificateTrust(
    name="partners", roots="partners.pem", identity=CertificateNames.SPIFFE, trust_domain="partner.example"
)
LISTS = (
    crl_pem(BELOW.crl(REVOKED.certificate), OF_REVOKED.crl()),
    crl_pem(ROOT.crl(OF_REVOKED.certificate)),
)


def make() -> Authenticator:
    return Authenticator(
        issuers={"okta": make_issuer()},
        key_sets={"okta": parse_jwks(jwks(KEY))},
        bundles={
            "extracts": parse_trust_bundle(TRUST, ROOT.pem, BELOW.pem + OF_REVOKED.pem, LISTS),
            "partners": parse_trust_bundle(PARTNERS, PARTNER_ROOT.pem, None),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """What is presented. Makers are called when the test runs, so that a failing one names its row."""

    reason: Reason
    leaf: Callable[[], Leaf] | None = None
    pem: Callable[[], str] | None = None
    shown: Callable[[], Sequence[Authority]] = tuple
    header: Callable[[], str] | None = None
    token: Callable[[], str] | None = None
    mode: Authentication = Authentication.CERTIFICATE


def of(reason: Reason, **made: object) -> Attack:
    """A leaf of the good intermediate with something wrong."""
    return Attack(reason=reason, leaf=lambda: BELOW.issue(**made))  # type: ignore[arg-type]


def named(*names: x509.GeneralName) -> Attack:
    return of(Reason.CERTIFICATE_IDENTITY_INVALID, names=list(names))


def spiffe(rest: str) -> Attack:
    return named(uri(f"spiffe://{rest}"))


def chain_header(leaf: Leaf, *others: Authority) -> str:
    pem = leaf.pem + "".join(other.pem.decode() for other in others)
    return f'Hash={hashlib.sha256(leaf.der).hexdigest()};Chain="{quote(pem, safe="-")}"'


def bound(leaf: Leaf) -> str:
    return mint(claims(cnf={"x5t#S256": thumbprint(leaf.der)}), KEY)


UNTRUSTED, WEAK = Reason.CERTIFICATE_UNTRUSTED, Reason.CERTIFICATE_WEAK
MALFORMED, INVALID = Reason.CERTIFICATE_MALFORMED, Reason.CERTIFICATE_IDENTITY_INVALID

ATTACKS: dict[str, Attack] = {
    # whose signature it is
    "anchor/self-signed under the name of the root": Attack(
        reason=UNTRUSTED, leaf=lambda: Authority(ROOT.certificate, FOREIGN.private).issue()
    ),
    "anchor/foreign authority": Attack(reason=UNTRUSTED, leaf=FOREIGN.issue),
    "anchor/foreign authority of the same name": Attack(
        reason=UNTRUSTED, leaf=lambda: make_authority("Test Root CA").issue()
    ),
    "anchor/foreign root shown along": Attack(reason=UNTRUSTED, leaf=FOREIGN.issue, shown=lambda: [FOREIGN]),
    "anchor/foreign intermediate shown along": Attack(
        reason=UNTRUSTED,
        leaf=lambda: Authority(BELOW.certificate, FOREIGN.private).issue(),
        shown=lambda: [Authority(BELOW.certificate, FOREIGN.private)],
    ),
    "anchor/a leaf that signs": Attack(
        reason=UNTRUSTED, leaf=lambda: Authority(LEAF.certificate, LEAF.private).issue()
    ),
    "anchor/a leaf that signs, shown along": Attack(
        reason=UNTRUSTED,
        leaf=lambda: Authority(LEAF.certificate, LEAF.private).issue(),
        shown=lambda: [Authority(LEAF.certificate, LEAF.private)],
    ),
    "anchor/an authority beyond its path length": Attack(
        reason=UNTRUSTED,
        leaf=lambda: BELOW.intermediate("Too deep").issue(),
        shown=lambda: [BELOW.intermediate("Too deep")],
    ),
    # alone: the library lets these in
    "strength/RSA of 1024 bits (alone)": of(WEAK, private=rsa_private(1024)),
    "strength/P-192 (alone)": of(WEAK, private=ec.generate_private_key(ec.SECP192R1())),
    "strength/P-224 (alone)": of(WEAK, private=ec.generate_private_key(ec.SECP224R1())),
    "strength/DSA (alone)": of(WEAK, private=dsa.generate_private_key(2048)),
    "strength/secp256k1 (alone)": of(WEAK, private=ec.generate_private_key(ec.SECP256K1())),
    "strength/signed over SHA-224": of(WEAK, digest=hashes.SHA224()),
    "purpose/no extended key usage (alone)": of(UNTRUSTED, extended=None),
    "purpose/for servers only": of(UNTRUSTED, extended=(SERVER_AUTH,)),
    "purpose/any extended key usage": of(
        UNTRUSTED, extended=(x509.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)
    ),
    "purpose/no key usage (alone)": of(UNTRUSTED, usages=None),
    "purpose/key usage without signatures (alone)": of(UNTRUSTED, usages=("key_encipherment",)),
    "purpose/key usage of an authority (alone)": of(UNTRUSTED, usages=("digital_signature", "key_cert_sign")),
    "purpose/key usage of a list's signer (alone)": of(UNTRUSTED, usages=("digital_signature", "crl_sign")),
    "purpose/an authority as a client": of(UNTRUSTED, ca=True),
    "purpose/the intermediate itself": Attack(
        reason=UNTRUSTED, leaf=lambda: Leaf(BELOW.certificate, BELOW.private)
    ),
    # when
    "time/expired": of(Reason.CERTIFICATE_EXPIRED, not_after=NOW),
    "time/not yet valid": of(Reason.CERTIFICATE_EXPIRED, not_before=NOW + 1),
    "time/of an expired intermediate": Attack(
        reason=Reason.CERTIFICATE_EXPIRED,
        leaf=OLD.issue,
        shown=lambda: [OLD],
    ),
    # whose name it is (alone: nobody looks at names)
    "name/none": of(INVALID, names=None),
    "name/a common name only": of(INVALID, names=None, subject=EXTRACT_ID),
    "name/of another kind": named(dns("extract.acme.example")),
    "name/two SPIFFE IDs": named(uri(EXTRACT_ID), uri("spiffe://acme.example/admin")),
    "name/a SPIFFE ID and another URI": named(uri(EXTRACT_ID), uri("https://acme.example/")),
    "name/no workload": spiffe("acme.example"),
    "name/an empty path": spiffe("acme.example/"),
    "name/another trust domain": spiffe("partner.example/tableau/extract"),
    "name/another trust domain that begins alike": spiffe("acme.example.evil/tableau/extract"),
    "name/another trust domain that ends alike": spiffe("evil-acme.example/tableau/extract"),
    "name/upper case": spiffe("ACME.example/tableau/extract"),
    "name/another scheme": named(uri("SPIFFE://acme.example/tableau/extract")),
    "name/port": spiffe("acme.example:8443/tableau/extract"),
    "name/user": spiffe("admin@acme.example/tableau/extract"),
    "name/user that looks like the domain": spiffe("acme.example@evil.example/tableau/extract"),
    "name/query": spiffe("acme.example/tableau/extract?admin"),
    "name/fragment": spiffe("acme.example/tableau/extract#admin"),
    "name/dot segments": spiffe("acme.example/tableau/x/../extract"),
    "name/double slash": spiffe("acme.example//tableau/extract"),
    "name/trailing slash": spiffe("acme.example/tableau/extract/"),
    "name/percent-encoding": spiffe("acme.example/tableau/%65xtract"),
    "name/NUL": spiffe("acme.example/tableau/extract\0.evil"),
    "name/CR LF": spiffe("acme.example/tableau/extract\r\nx-scope-sql: true"),
    "name/quote": spiffe('acme.example/tableau/extract"'),
    "name/comma": spiffe("acme.example/tableau/extract,By=x"),
    "name/space": spiffe("acme.example/tableau/extract "),
    "name/backslash": spiffe("acme.example/tableau\\extract"),
    "name/wildcard": spiffe("acme.example/*"),
    "name/too long": spiffe("acme.example/" + "x" * 2048),
    "domain/an authority of another domain": Attack(
        reason=INVALID, leaf=lambda: PARTNER_ROOT.issue([uri(EXTRACT_ID)])
    ),
    "domain/our authority for another's domain": Attack(
        reason=INVALID, leaf=lambda: BELOW.issue([uri("spiffe://partner.example/x")])
    ),
    # what has been taken back (alone: lists are not looked at)
    "revoked/the client (alone)": Attack(reason=Reason.CERTIFICATE_REVOKED, leaf=lambda: REVOKED),
    "revoked/its authority (alone)": Attack(reason=Reason.CERTIFICATE_REVOKED, leaf=OF_REVOKED.issue),
    "revoked/nobody knows (alone)": Attack(
        reason=Reason.CERTIFICATE_REVOCATION_UNKNOWN,
        leaf=UNLISTED.issue,
        shown=lambda: [UNLISTED],
    ),
    # how it is written
    "text/two certificates": Attack(reason=MALFORMED, pem=lambda: LEAF.pem + BELOW.issue().pem),
    "text/something before it": Attack(reason=MALFORMED, pem=lambda: "subject=CN=admin\n" + LEAF.pem),
    "text/something behind it": Attack(reason=MALFORMED, pem=lambda: LEAF.pem + "x"),
    "text/a comment": Attack(reason=MALFORMED, pem=lambda: "# admin\n" + LEAF.pem),
    "text/another kind of block": Attack(
        reason=MALFORMED, pem=lambda: LEAF.pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE")
    ),
    "text/no end": Attack(reason=MALFORMED, pem=lambda: LEAF.pem.partition("-----END")[0]),
    "text/not base64": Attack(reason=MALFORMED, pem=lambda: LEAF.pem.replace("M", "*", 1)),
    "text/bytes behind the certificate": Attack(reason=MALFORMED, pem=lambda: block(LEAF.der + b"\0")),
    "text/a signature of another length": Attack(
        reason=MALFORMED, pem=lambda: block(other_unused_bits(LEAF.der))
    ),
    "text/a serial number of zero": Attack(reason=MALFORMED, pem=lambda: block(without_serial(LEAF))),
    "text/too long": Attack(reason=MALFORMED, pem=lambda: LEAF.pem + "\n" * 70_000),
    # what a header says
    "header/of another certificate": Attack(
        reason=Reason.REQUEST_AMBIGUOUS, leaf=lambda: LEAF, header=lambda: chain_header(REVOKED)
    ),
    "header/two elements": Attack(
        reason=MALFORMED, leaf=lambda: LEAF, header=lambda: f"{chain_header(REVOKED)},{chain_header(LEAF)}"
    ),
    "header/names behind the chain that add one": Attack(
        reason=MALFORMED,
        leaf=lambda: LEAF,
        header=lambda: f"{chain_header(LEAF)};URI=x,{chain_header(REVOKED)}",
    ),
    "header/a hash that is not its own": Attack(
        reason=MALFORMED,
        leaf=lambda: LEAF,
        header=lambda: chain_header(LEAF).replace("Hash=", f"Hash={'0' * 64};X="),
    ),
    # what a token is bound to
    "bound/to another certificate": Attack(
        reason=Reason.TOKEN_BINDING_FAILED,
        leaf=lambda: LEAF,
        token=lambda: bound(BELOW.issue()),
        mode=Authentication.BOTH,
    ),
    "bound/to another certificate, where none is asked for": Attack(
        reason=Reason.TOKEN_BINDING_FAILED,
        leaf=lambda: LEAF,
        token=lambda: bound(BELOW.issue()),
        mode=Authentication.TOKEN,
    ),
    "bound/without a certificate": Attack(
        reason=Reason.TOKEN_BINDING_FAILED, token=lambda: bound(LEAF), mode=Authentication.TOKEN
    ),
    "bound/to one that is revoked": Attack(
        reason=Reason.CERTIFICATE_REVOKED,
        leaf=lambda: REVOKED,
        token=lambda: bound(REVOKED),
        mode=Authentication.BOTH,
    ),
    "bound/in upper case": Attack(
        reason=Reason.TOKEN_BINDING_FAILED,
        leaf=lambda: LEAF,
        token=lambda: mint(claims(cnf={"x5t#S256": thumbprint(LEAF.der).swapcase()}), KEY),
        mode=Authentication.BOTH,
    ),
    "bound/with padding": Attack(
        reason=Reason.TOKEN_BINDING_FAILED,
        leaf=lambda: LEAF,
        token=lambda: mint(claims(cnf={"x5t#S256": thumbprint(LEAF.der) + "="}), KEY),
        mode=Authentication.BOTH,
    ),
    "bound/by SHA-1 beside": Attack(
        reason=Reason.TOKEN_BINDING_FAILED,
        leaf=lambda: LEAF,
        token=lambda: mint(claims(cnf={"x5t#S256": thumbprint(LEAF.der), "x5t": "x"}), KEY),
        mode=Authentication.BOTH,
    ),
}


def block(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def other_unused_bits(der: bytes) -> bytes:
    """The signature is a bit string; a count of unused bits in it makes another file of the same certificate."""
    signature = x509.load_der_x509_certificate(der).signature
    position = len(der) - len(signature) - 1
    assert der[position] == 0
    return der[:position] + b"\x01" + der[position + 1 :]


def without_serial(leaf: Leaf) -> bytes:
    """The serial number is written as zero; the signature is then wrong, too, but that is not the first thing seen."""
    number = leaf.certificate.serial_number
    size = (number.bit_length() + 8) // 8
    written = bytes([2, size]) + number.to_bytes(size, "big")
    assert leaf.der.count(written) == 1
    return leaf.der.replace(written, bytes([2, size]) + bytes(size))


def present(subject: Authenticator, attack: Attack) -> None:
    leaf = None if attack.leaf is None else attack.leaf()
    pem = attack.pem() if attack.pem is not None else None if leaf is None else leaf.pem
    header = attack.header() if attack.header is not None else None
    shown = attack.shown()
    if shown and leaf is not None:
        header = chain_header(leaf, *shown)
    subject.authenticate(
        Credentials(
            token=None if attack.token is None else attack.token(), certificate_pem=pem, client_chain=header
        ),
        AcceptedCredentials(
            authentication=attack.mode,
            issuers=frozenset({"okta"}),
            trusts=frozenset({"extracts", "partners"}),
            client_chain=True,
        ),
        NOW,
    )


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_with_its_reason(name: str) -> None:
    """Twice, so that nothing of the first attempt is remembered as good."""
    subject = make()
    for _ in range(2):
        with pytest.raises(Denied) as caught:
            present(subject, ATTACKS[name])
        assert caught.value.reason is ATTACKS[name].reason, caught.value


@pytest.mark.parametrize(
    "attack",
    [
        Attack(reason=Reason.GRANTED, leaf=lambda: LEAF),
        Attack(reason=Reason.GRANTED, leaf=lambda: LEAF, shown=lambda: [BELOW, FOREIGN]),
        Attack(reason=Reason.GRANTED, leaf=lambda: BELOW.issue(extended=(CLIENT_AUTH, SERVER_AUTH))),
        Attack(reason=Reason.GRANTED, leaf=lambda: BELOW.issue(private=rsa_private(2048))),
        Attack(reason=Reason.GRANTED, leaf=lambda: BELOW.issue(not_after=NOW + 1)),
        Attack(
            reason=Reason.GRANTED, leaf=lambda: BELOW.issue([uri(EXTRACT_ID), dns("extract.acme.example")])
        ),
        Attack(reason=Reason.GRANTED, leaf=lambda: PARTNER_ROOT.issue([uri("spiffe://partner.example/x")])),
        Attack(reason=Reason.GRANTED, pem=lambda: LEAF.pem.replace("\n", "\r\n")),
        Attack(reason=Reason.GRANTED, leaf=lambda: LEAF, token=lambda: bound(LEAF), mode=Authentication.BOTH),
        Attack(
            reason=Reason.GRANTED, leaf=lambda: LEAF, token=lambda: bound(LEAF), mode=Authentication.TOKEN
        ),
    ],
)
def test_the_neighbour(attack: Attack) -> None:
    """The same things done right."""
    present(make(), attack)


def test_an_attack_beside_a_good_token_is_refused_all_the_same() -> None:
    """Whatever is presented must be good: a token is no excuse for a certificate."""
    for name, attack in ATTACKS.items():
        if attack.token is None:
            both = Attack(
                reason=attack.reason,
                leaf=attack.leaf,
                pem=attack.pem,
                shown=attack.shown,
                header=attack.header,
                token=lambda: mint(claims(), KEY),
                mode=Authentication.ANY,
            )
            with pytest.raises(Denied) as caught:
                present(make(), both)
            assert caught.value.reason is attack.reason, name
