"""The files of one trust, parsed: whom it believes, and what they have revoked."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import Store

from authz.identity.authorities import TrustBundleError, parse_authorities
from authz.identity.crl import CrlError, RevocationList, parse_crls, shown_name
from authz.identity.provenpaths import ProvenPaths
from authz.identity.trust import CertificateNames, CertificateTrust


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """The roots, intermediates and revocation lists of one trust; at least one root. Equal if it vouches for the same."""

    trust: CertificateTrust
    roots: tuple[x509.Certificate, ...] = field(repr=False, compare=False)
    store: Store = field(repr=False, compare=False)
    """The roots, as the verifier takes them: to build it anew is a tenth of what the verification of a chain costs."""
    intermediates: tuple[x509.Certificate, ...] = field(repr=False, compare=False)
    lists: tuple[RevocationList, ...] = field(default=(), repr=False, compare=False)
    left_out: tuple[str, ...] = field(default=(), compare=False)
    """Revocation lists that are not used, and why: a report line each."""
    fingerprint: str
    """Changes if and only if the trust, one of its certificates or one of its lists does."""
    proven: ProvenPaths = field(default_factory=ProvenPaths, init=False, repr=False, compare=False)

    def problems(self, now: float) -> tuple[str, ...]:
        """What is wrong with the bundle at this time: a report line each, for the operator."""
        return (*self.expired(now), *self._stale(now), *self.left_out)

    def expired(self, now: float) -> tuple[str, ...]:
        """Which certificates of the bundle are outside their validity: a report line each."""
        at = datetime.fromtimestamp(now, UTC)
        return tuple(
            f"client certificates `{self.trust.name}`: {kind} `{shown_name(certificate.subject)}` is not valid"
            f" (from {certificate.not_valid_before_utc:%Y-%m-%d} to {certificate.not_valid_after_utc:%Y-%m-%d})"
            for kind, certificates in (("root", self.roots), ("intermediate", self.intermediates))
            for certificate in certificates
            if not certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc
        )

    def _stale(self, now: float) -> tuple[str, ...]:
        return tuple(
            f"{made.place}: {what} `{made.issuer}`"
            for made in self.lists
            for what, wrong in (
                ("stale revocation list of", made.is_stale(now)),
                ("revocation list from the future, of", now < made.this_update),
            )
            if wrong
        )


def parse_trust_bundle(
    trust: CertificateTrust,
    roots_pem: bytes,
    intermediates_pem: bytes | None,
    crls: Sequence[bytes] = (),
) -> TrustBundle:
    """Parse the files of a trust, `crls` in the order of `trust.crls`. Raises `TrustBundleError`."""
    spiffe = trust.identity is CertificateNames.SPIFFE
    roots = parse_authorities(roots_pem, trust.roots, spiffe=spiffe)
    if not roots:
        raise TrustBundleError(f"{trust.roots}: no certificate")
    intermediates: tuple[x509.Certificate, ...] = ()
    if intermediates_pem is not None:
        intermediates = parse_authorities(intermediates_pem, str(trust.intermediates))
    try:
        lists, left_out = parse_crls(zip(trust.crls, crls, strict=True), (*roots, *intermediates))
    except CrlError as error:
        raise TrustBundleError(str(error)) from None
    return TrustBundle(
        trust=trust,
        roots=roots,
        store=Store(list(roots)),
        intermediates=intermediates,
        lists=lists,
        left_out=left_out,
        fingerprint=_fingerprint(trust, roots, intermediates, lists),
    )


def _fingerprint(
    trust: CertificateTrust,
    roots: Iterable[x509.Certificate],
    intermediates: Iterable[x509.Certificate],
    lists: Iterable[RevocationList],
) -> str:
    parts = {
        b"root": [certificate.public_bytes(Encoding.DER) for certificate in roots],
        b"intermediate": [certificate.public_bytes(Encoding.DER) for certificate in intermediates],
        b"list": [made.digest for made in lists],
    }
    digest = hashlib.sha256(repr(trust).encode("utf-8"))
    for kind, contents in parts.items():
        for content in sorted(contents):
            digest.update(kind + hashlib.sha256(content).digest())
    return digest.hexdigest()
