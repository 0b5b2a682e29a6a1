"""Client certificates: whose they are, and who vouches for that.

A trust binds roots to one kind of name and, for SPIFFE, to one trust domain: an authority of one domain
cannot speak for another, whatever it signs.

Stricter than RFC 5280 asks: a common name is no identity; authorities with an Ed25519 key, and chains with
URI name constraints or critical directoryName constraints, are refused (cryptography 50 cannot check them).
A certificate that its owner may re-encode has other fingerprints (an ECDSA signature has two forms), so
whoever revokes must name issuer and serial number.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import assert_never

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import ClientVerifier, PolicyBuilder, Store, VerificationError

from authz.errors import Denied, Reason
from authz.identity.names import parse_dns_name, parse_email_address
from authz.identity.peercertificate import (
    UNREADABLE,
    PeerCertificate,
    key_weakness,
    load_certificate,
    verify_peer,
)
from authz.identity.pem import MAX_BUNDLE_BYTES, PemError, parse_certificate_blocks
from authz.identity.principal import CertificateIdentity
from authz.identity.spiffe import SpiffeId
from authz.identity.trust import CertificateNames, CertificateTrust


class TrustBundleError(ValueError):
    """The PEM files of a trust cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """The roots and intermediates of one trust, parsed; at least one root. Equal if it vouches for the same."""

    trust: CertificateTrust
    roots: tuple[x509.Certificate, ...] = field(repr=False, compare=False)
    intermediates: tuple[x509.Certificate, ...] = field(repr=False, compare=False)
    fingerprint: str
    """Changes if and only if the trust or one of its certificates does."""

    def expired(self, now: float) -> tuple[str, ...]:
        """Which certificates of the bundle are outside their validity: a report line each, for the operator."""
        at = datetime.fromtimestamp(now, UTC)
        return tuple(
            f"client certificates `{self.trust.name}`: {kind} `{_shown(certificate)}` is not valid"
            f" (from {certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d})"
            for kind, certificates in (("root", self.roots), ("intermediate", self.intermediates))
            for certificate in certificates
            if not certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCertificate:
    """A verified client certificate; good from `not_before` until just before `expires_at`, its chain included."""

    identity: CertificateIdentity
    not_before: float
    expires_at: float


def parse_trust_bundle(
    trust: CertificateTrust, roots_pem: bytes, intermediates_pem: bytes | None
) -> TrustBundle:
    """Parse the PEM files of a trust: every block of each. Raises `TrustBundleError`.

    A certificate that is no authority is refused: in a store, a leaf would anchor itself.
    """
    roots = _parse_authorities(roots_pem, trust.roots)
    if not roots:
        raise TrustBundleError(f"{trust.roots}: no certificate")
    intermediates: tuple[x509.Certificate, ...] = ()
    if intermediates_pem is not None:
        intermediates = _parse_authorities(intermediates_pem, str(trust.intermediates))
    return TrustBundle(
        trust=trust,
        roots=roots,
        intermediates=intermediates,
        fingerprint=_fingerprint(trust, roots, intermediates),
    )


def verify_certificate(
    peer: PeerCertificate, trusts: Iterable[str], bundles: Mapping[str, TrustBundle], now: float
) -> VerifiedCertificate:
    """Verify a client certificate under one of the named trusts; the first by name that accepts it, names it.

    Raises `Denied`: `certificate_weak`, `certificate_expired`, `certificate_identity_invalid`,
    `certificate_untrusted`, or `keys_unavailable` if the roots of a trust are not loaded and no other
    accepts. Of several reasons, the one nearest to success is given.
    """
    verify_peer(peer, now)
    nearest: Denied | None = None
    for name in sorted(trusts):
        try:
            return _verify_under(peer, _bundle(name, bundles), now)
        except Denied as denied:
            if nearest is None or _NEARNESS[denied.reason] > _NEARNESS[nearest.reason]:
                nearest = denied
    if nearest is None:
        raise Denied(Reason.CERTIFICATE_UNTRUSTED, "the warehouse takes no client certificates")
    raise nearest


_NEARNESS: Mapping[Reason, int] = {
    Reason.CERTIFICATE_UNTRUSTED: 0,
    Reason.KEYS_UNAVAILABLE: 1,
    Reason.CERTIFICATE_EXPIRED: 2,
    Reason.CERTIFICATE_IDENTITY_INVALID: 3,
}


def _bundle(name: str, bundles: Mapping[str, TrustBundle]) -> TrustBundle:
    bundle = bundles.get(name)
    if bundle is None:
        raise Denied(Reason.KEYS_UNAVAILABLE, f"the roots of client certificates `{name}` are not loaded")
    return bundle


def _verify_under(peer: PeerCertificate, bundle: TrustBundle, now: float) -> VerifiedCertificate:
    chain = _verify_chain(peer, bundle, now)
    return VerifiedCertificate(
        identity=_identity(peer, bundle.trust),
        not_before=max(certificate.not_valid_before_utc.timestamp() for certificate in chain),
        expires_at=min(certificate.not_valid_after_utc.timestamp() for certificate in chain),
    )


def _verify_chain(peer: PeerCertificate, bundle: TrustBundle, now: float) -> list[x509.Certificate]:
    if not (peer.uris or peer.dns_names or peer.emails):
        raise Denied(
            Reason.CERTIFICATE_IDENTITY_INVALID,
            "the certificate has no URI, DNS or e-mail name; a common name is no identity (RFC 9525 section 2)",
        )
    try:
        return _verifier(bundle, now).verify(peer.certificate, list(bundle.intermediates)).chain
    except VerificationError:
        pass
    try:
        # The same chain on the day the certificate was issued: tells an expired authority from a foreign one.
        _verifier(bundle, peer.not_before).verify(peer.certificate, list(bundle.intermediates))
    except VerificationError as error:
        detail = str(error).partition("(encountered")[0].strip()
        raise Denied(
            Reason.CERTIFICATE_UNTRUSTED, f"client certificates `{bundle.trust.name}`: {detail}"
        ) from None
    raise Denied(
        Reason.CERTIFICATE_EXPIRED,
        f"client certificates `{bundle.trust.name}`: an authority of the chain is not valid any more",
    )


def _verifier(bundle: TrustBundle, at: float) -> ClientVerifier:
    builder = PolicyBuilder().store(Store(list(bundle.roots))).time(datetime.fromtimestamp(at, UTC))
    return builder.build_client_verifier()


def _identity(peer: PeerCertificate, trust: CertificateTrust) -> CertificateIdentity:
    spiffe_id: str | None = None
    dns_name: str | None = None
    email: str | None = None
    try:
        match trust.identity:
            case CertificateNames.SPIFFE:
                name = spiffe_id = _workload(_only(peer.uris, "URI"), str(trust.trust_domain))
            case CertificateNames.DNS:
                name = dns_name = parse_dns_name(_only(peer.dns_names, "DNS"))
            case CertificateNames.EMAIL:
                name = email = parse_email_address(_only(peer.emails, "e-mail"))
            case _:
                assert_never(trust.identity)
    except ValueError as error:
        raise Denied(
            Reason.CERTIFICATE_IDENTITY_INVALID, f"client certificates `{trust.name}`: {error}"
        ) from None
    return CertificateIdentity(
        trust=trust.name,
        name=name,
        spiffe_id=spiffe_id,
        dns_name=dns_name,
        email=email,
        fingerprint=peer.fingerprint,
        serial=peer.serial,
        not_after=peer.not_after,
    )


def _only(names: tuple[str, ...], kind: str) -> str:
    # X509-SVID section 2 for URIs; for the others, which of two names would be the identity is a guess.
    if len(names) != 1:
        raise ValueError(f"got {len(names)} {kind} names, expected exactly one")
    return names[0]


def _workload(text: str, trust_domain: str) -> str:
    spiffe_id = SpiffeId.parse(text)
    if not spiffe_id.path:
        # X509-SVID section 5.2.
        raise ValueError("the SPIFFE ID is that of a trust domain, not of a workload")
    if spiffe_id.trust_domain != trust_domain:
        raise ValueError(f"the SPIFFE ID is not in the trust domain `{trust_domain}`")
    return spiffe_id.text


def _parse_authorities(pem: bytes, place: str) -> tuple[x509.Certificate, ...]:
    if len(pem) > MAX_BUNDLE_BYTES:
        raise TrustBundleError(f"{place}: got {len(pem)} bytes, expected at most {MAX_BUNDLE_BYTES}")
    try:
        blocks = parse_certificate_blocks(pem.decode("utf-8"), comments=True)
    except UnicodeDecodeError:
        raise TrustBundleError(f"{place}: not UTF-8; is it DER? expected PEM") from None
    except PemError as error:
        raise TrustBundleError(f"{place}: {error}") from None
    return tuple(_parse_authority(der, f"{place}: certificate {n}") for n, der in enumerate(blocks, start=1))


def _parse_authority(der: bytes, place: str) -> x509.Certificate:
    try:
        certificate = load_certificate(der)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        key = certificate.public_key()
    except x509.ExtensionNotFound:
        raise TrustBundleError(f"{place}: not a certificate authority (no basic constraints)") from None
    except UNREADABLE:
        raise TrustBundleError(f"{place}: cannot be read") from None
    if not constraints.ca:
        raise TrustBundleError(f"{place}: not a certificate authority")
    if weakness := key_weakness(key):
        raise TrustBundleError(f"{place}: {weakness}")
    if isinstance(key, ed25519.Ed25519PublicKey):
        raise TrustBundleError(
            f"{place}: an authority with an Ed25519 key is not supported; expected RSA or EC"
        )
    return certificate


def _fingerprint(
    trust: CertificateTrust, roots: Iterable[x509.Certificate], intermediates: Iterable[x509.Certificate]
) -> str:
    digest = hashlib.sha256(repr(trust).encode("utf-8"))
    for kind, certificates in ((b"root", roots), (b"intermediate", intermediates)):
        for der in sorted(certificate.public_bytes(Encoding.DER) for certificate in certificates):
            digest.update(kind + hashlib.sha256(der).digest())
    return digest.hexdigest()


def _shown(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()[:128].encode("unicode_escape").decode("ascii")
