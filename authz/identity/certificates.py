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
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import assert_never

from cryptography import x509
from cryptography.x509.verification import ClientVerifier, PolicyBuilder, VerificationError

from authz.errors import Denied, Reason
from authz.identity.authorities import TrustBundleError, authority_flaw
from authz.identity.crl import authority_key
from authz.identity.names import parse_dns_name, parse_email_address
from authz.identity.peercertificate import UNREADABLE, PeerCertificate, load_certificate, verify_peer
from authz.identity.principal import CertificateIdentity
from authz.identity.revocationstatus import check_revocation
from authz.identity.spiffe import SpiffeId
from authz.identity.trust import CertificateNames, CertificateTrust
from authz.identity.trustbundle import TrustBundle, parse_trust_bundle

__all__ = [
    "TrustBundle",
    "TrustBundleError",
    "VerifiedCertificate",
    "parse_trust_bundle",
    "usable_authorities",
    "verify_certificate",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCertificate:
    """A verified client certificate; good from `not_before` until just before `expires_at`.

    Until then its chain is valid and its revocation lists are fresh. `presented` are the digests of those
    certificates of the chain that only the client has shown: without them there is no chain.
    """

    identity: CertificateIdentity
    not_before: float
    expires_at: float
    presented: frozenset[bytes] = frozenset()


def usable_authorities(ders: Iterable[bytes]) -> Mapping[bytes, x509.Certificate]:
    """Of certificates that a client has shown, those that could be authorities, by SHA-256 of their DER form.

    One for each name and key: variants of one authority would only make the search for a chain longer.
    """
    found: dict[bytes, x509.Certificate] = {}
    seen: set[bytes] = set()
    for der in ders:
        try:
            certificate = load_certificate(der)
            if authority_flaw(certificate) or (key := authority_key(certificate)) in seen:
                continue
        except UNREADABLE:
            continue
        seen.add(key)
        found[hashlib.sha256(der).digest()] = certificate
    return found


def verify_certificate(
    peer: PeerCertificate,
    trusts: Iterable[str],
    bundles: Mapping[str, TrustBundle],
    now: float,
    presented: Mapping[bytes, x509.Certificate] = MappingProxyType({}),
) -> VerifiedCertificate:
    """Verify a client certificate under one of the named trusts; the first by name that accepts it, names it.

    `presented` are the authorities that the client has shown (`usable_authorities`): they may complete a chain to
    a root, and are believed in nothing else.

    Raises `Denied`: `certificate_weak`, `certificate_expired`, `certificate_identity_invalid`,
    `certificate_untrusted`, `certificate_revoked`, `certificate_revocation_unknown`, or `keys_unavailable` if the
    roots of a trust are not loaded and no other accepts. Of several reasons, the one nearest to success is given.
    """
    verify_peer(peer, now)
    nearest: Denied | None = None
    for name in sorted(trusts):
        try:
            return _verify_under(peer, _bundle(name, bundles), now, presented)
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
    Reason.CERTIFICATE_REVOCATION_UNKNOWN: 4,
    Reason.CERTIFICATE_REVOKED: 5,
}


def _bundle(name: str, bundles: Mapping[str, TrustBundle]) -> TrustBundle:
    bundle = bundles.get(name)
    if bundle is None:
        raise Denied(Reason.KEYS_UNAVAILABLE, f"the roots of client certificates `{name}` are not loaded")
    return bundle


def _verify_under(
    peer: PeerCertificate, bundle: TrustBundle, now: float, presented: Mapping[bytes, x509.Certificate]
) -> VerifiedCertificate:
    chain = _verify_chain(peer, bundle, [*bundle.intermediates, *presented.values()], now)
    identity = _identity(peer, bundle.trust)
    expires_at = min([certificate.not_valid_after_utc for certificate in chain]).timestamp()
    if bundle.trust.crls:
        expires_at = min(expires_at, check_revocation(chain, bundle.lists, bundle.trust.crl_check, now))
    configured = {*bundle.roots, *bundle.intermediates} if presented else set()
    return VerifiedCertificate(
        identity=identity,
        not_before=max([certificate.not_valid_before_utc for certificate in chain]).timestamp(),
        expires_at=expires_at,
        presented=frozenset(
            digest
            for digest, certificate in presented.items()
            if certificate in chain and certificate not in configured
        ),
    )


def _verify_chain(
    peer: PeerCertificate, bundle: TrustBundle, authorities: list[x509.Certificate], now: float
) -> list[x509.Certificate]:
    if not (peer.uris or peer.dns_names or peer.emails):
        raise Denied(
            Reason.CERTIFICATE_IDENTITY_INVALID,
            "the certificate has no URI, DNS or e-mail name; a common name is no identity (RFC 9525 section 2)",
        )
    at = datetime.fromtimestamp(now, UTC)
    proven = bundle.proven.chain(peer.certificate, at)
    if proven is not None:
        return proven
    try:
        chain = _verifier(bundle, at).verify(peer.certificate, authorities).chain
    except VerificationError:
        pass
    else:
        bundle.proven.learn(chain, (*bundle.roots, *bundle.intermediates))
        return chain
    try:
        # The same chain on the day the certificate was issued: tells an expired authority from a foreign one.
        _verifier(bundle, datetime.fromtimestamp(peer.not_before, UTC)).verify(peer.certificate, authorities)
    except VerificationError as error:
        detail = str(error).partition("(encountered")[0].strip()
        raise Denied(
            Reason.CERTIFICATE_UNTRUSTED, f"client certificates `{bundle.trust.name}`: {detail}"
        ) from None
    raise Denied(
        Reason.CERTIFICATE_EXPIRED,
        f"client certificates `{bundle.trust.name}`: an authority of the chain is not valid any more",
    )


def _verifier(bundle: TrustBundle, at: datetime) -> ClientVerifier:
    return PolicyBuilder().store(bundle.store).time(at).build_client_verifier()


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
