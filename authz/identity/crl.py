"""Certificate revocation lists (RFC 5280 section 5), read once and bound to the authority that signed them.

INVARIANT: a list speaks for one key of one authority, and only after that key has verified it. After a rekey
under the same name each key has lists of its own, so a list never covers what another key has signed.

Complete lists only. A delta list names what has changed since another one, an indirect list what other
authorities have revoked; to read either as a complete list would be to miss revocations.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from authz.identity.peercertificate import UNREADABLE, Extensions
from authz.identity.pem import PemError, parse_blocks

MAX_CRL_BYTES = 33_554_432
"""Largest accepted file; a list of 500,000 certificates has about 20 MB."""

_PEM_LABEL = "X509 CRL"
_STRONG_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_READ_EXTENSIONS = frozenset(
    {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.CRL_NUMBER,
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    }
)


class CrlError(ValueError):
    """The file holds no list that can be used. The message begins with its path."""


class CrlScope(StrEnum):
    """Of which kind of certificates a list speaks (RFC 5280 section 5.2.5)."""

    ALL = "all"
    LEAVES = "leaves"
    AUTHORITIES = "authorities"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A complete list, verified. Times are in seconds since the epoch.

    `points` are the distribution points of a partition; empty for a list of everything. `authority` is
    `authority_key` of the signer. From `next_update` on the list is stale: what it does not name is unknown.
    """

    authority: bytes
    place: str
    issuer: str
    """The authority's name for people; from its certificate, escaped."""
    number: int | None
    this_update: float
    next_update: float
    scope: CrlScope
    points: frozenset[str]
    serials: frozenset[int] = field(repr=False)
    digest: bytes

    def covers(self, certificate: x509.Certificate, *, is_authority: bool) -> bool:
        """Whether the list would name this certificate of its authority, were it revoked."""
        wrong = CrlScope.LEAVES if is_authority else CrlScope.AUTHORITIES
        if self.scope is wrong:
            return False
        return not self.points or not self.points.isdisjoint(_points_of(certificate))

    def is_stale(self, now: float) -> bool:
        return now >= self.next_update


def authority_key(certificate: x509.Certificate) -> bytes:
    """What a list and a chain know an authority by: a digest of its name and its public key."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(hashlib.sha256(certificate.subject.public_bytes()).digest() + key).digest()


def shown_name(name: x509.Name) -> str:
    """A certificate's name for a message: bounded, and without what could forge a line."""
    return name.rfc4514_string()[:128].encode("unicode_escape").decode("ascii")


def parse_crls(
    files: Iterable[tuple[str, bytes]], authorities: Sequence[x509.Certificate]
) -> tuple[tuple[RevocationList, ...], tuple[str, ...]]:
    """The newest list of each authority and scope in these files (path and content, PEM or DER), and what was left out.

    A file may hold lists of other authorities, as one that collects all of a company's does; they are left out and
    reported. Raises `CrlError` for a file without a list of these authorities, and for any list that cannot be read.
    """
    newest: dict[tuple[bytes, CrlScope, frozenset[str]], RevocationList] = {}
    problems: list[str] = []
    for place, data in files:
        foreign: list[str] = []
        blocks = _blocks(place, data)
        for number, der in enumerate(blocks, start=1):
            where = place if len(blocks) == 1 else f"{place}: list {number}"
            crl = _load(where, der)
            signer = _signer(crl, authorities)
            if signer is None:
                foreign.append(
                    f"{where}: not signed by an authority of this trust, but by `{shown_name(crl.issuer)}`"
                )
                continue
            made = _read(where, crl, signer, der)
            key = (made.authority, made.scope, made.points)
            known = newest.get(key)
            if known is not None:
                older = min(known, made, key=_age)
                problems.append(f"{older.place}: older than another list of `{older.issuer}`")
            newest[key] = made if known is None else max(known, made, key=_age)
        if len(foreign) == len(blocks):
            raise CrlError(foreign[0])
        problems.extend(foreign)
    return tuple(newest.values()), tuple(problems)


def _age(made: RevocationList) -> tuple[float, int]:
    return (made.this_update, made.number or 0)


def _blocks(place: str, data: bytes) -> tuple[bytes, ...]:
    if len(data) > MAX_CRL_BYTES:
        raise CrlError(f"{place}: got {len(data)} bytes, expected at most {MAX_CRL_BYTES}")
    if data[:1] == b"\x30":
        return (data,)
    try:
        blocks = parse_blocks(data.decode("ascii"), _PEM_LABEL, "revocation list", comments=True)
    except UnicodeDecodeError:
        raise CrlError(f"{place}: neither PEM nor DER") from None
    except PemError as error:
        raise CrlError(f"{place}: {error}") from None
    if not blocks:
        raise CrlError(f"{place}: no revocation list")
    return blocks


def _load(where: str, der: bytes) -> x509.CertificateRevocationList:
    try:
        crl = x509.load_der_x509_crl(der)
        _ = crl.issuer, crl.extensions  # parsed only now
    except UNREADABLE:
        raise CrlError(f"{where}: not a revocation list that can be read") from None
    return crl


def _signer(
    crl: x509.CertificateRevocationList, authorities: Iterable[x509.Certificate]
) -> x509.Certificate | None:
    for certificate in authorities:
        if certificate.subject == crl.issuer and _signed_by(crl, certificate):
            return certificate
    return None


def _signed_by(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    try:
        # RFC 5280 section 6.3.3 (f): an authority whose key usage does not say cRLSign signs none.
        usage = Extensions(certificate.extensions).get(x509.KeyUsage)
        if usage is not None and not usage.crl_sign:
            return False
        return crl.is_signature_valid(certificate.public_key())  # type: ignore[arg-type]  # keys of authorities are RSA or EC
    except UNREADABLE:
        return False


def _read(
    where: str, crl: x509.CertificateRevocationList, signer: x509.Certificate, der: bytes
) -> RevocationList:
    try:
        _check_usable(where, crl)
        scope, points = _scope(where, Extensions(crl.extensions).get(x509.IssuingDistributionPoint))
        number = Extensions(crl.extensions).get(x509.CRLNumber)
        return RevocationList(
            authority=authority_key(signer),
            place=where,
            issuer=shown_name(signer.subject),
            number=None if number is None else number.crl_number,
            this_update=crl.last_update_utc.timestamp(),
            next_update=_next_update(where, crl),
            scope=scope,
            points=points,
            serials=_serials(where, crl),
            digest=hashlib.sha256(der).digest(),
        )
    except CrlError:
        raise
    except UNREADABLE:
        raise CrlError(f"{where}: not a revocation list that can be read") from None


def _check_usable(where: str, crl: x509.CertificateRevocationList) -> None:
    if not isinstance(crl.signature_hash_algorithm, _STRONG_HASHES):
        raise CrlError(f"{where}: signed over a hash that is neither SHA-256, SHA-384 nor SHA-512")
    for extension in crl.extensions:
        if extension.oid == ExtensionOID.DELTA_CRL_INDICATOR:
            raise CrlError(f"{where}: a delta list; publish complete ones")
        if extension.critical and extension.oid not in _READ_EXTENSIONS:
            # RFC 5280 section 5.2: such a list must not be used.
            raise CrlError(f"{where}: a critical extension that is not known ({extension.oid.dotted_string})")


def _next_update(where: str, crl: x509.CertificateRevocationList) -> float:
    if crl.next_update_utc is None:
        raise CrlError(f"{where}: no `nextUpdate`: nobody could say when it is stale")
    return crl.next_update_utc.timestamp()


def _scope(where: str, point: x509.IssuingDistributionPoint | None) -> tuple[CrlScope, frozenset[str]]:
    """What the list is about (RFC 5280 section 5.2.5). Raises `CrlError` for a part that cannot be told."""
    if point is None:
        return CrlScope.ALL, frozenset()
    if point.indirect_crl:
        raise CrlError(f"{where}: an indirect list; each authority must sign its own")
    if point.only_some_reasons is not None or point.only_contains_attribute_certs:
        raise CrlError(
            f"{where}: a list of some reasons or attribute certificates only; publish complete ones"
        )
    points = _uris(point.full_name or ())
    if point.relative_name is not None or (point.full_name is not None and not points):
        raise CrlError(f"{where}: a list for a distribution point that has no URI, which is not supported")
    if point.only_contains_user_certs:
        return CrlScope.LEAVES, points
    return (CrlScope.AUTHORITIES if point.only_contains_ca_certs else CrlScope.ALL), points


def _serials(where: str, crl: x509.CertificateRevocationList) -> frozenset[int]:
    """Every serial number that is named, whatever the reason: one that is on hold is not good, either.

    `removeFromCRL` belongs into delta lists (RFC 5280 section 5.3.1); where a complete one says so, the certificate
    stays revoked: in doubt there is no access.
    """
    serials = set()
    for entry in crl:
        serials.add(entry.serial_number)
        for extension in entry.extensions:
            if extension.oid == CRLEntryExtensionOID.CERTIFICATE_ISSUER:
                raise CrlError(f"{where}: an indirect list; each authority must sign its own")
            if extension.critical and extension.oid != CRLEntryExtensionOID.CRL_REASON:
                raise CrlError(f"{where}: an entry has a critical extension that is not known")
    return frozenset(serials)


def _points_of(certificate: x509.Certificate) -> frozenset[str]:
    """RFC 5280 section 6.3.3 (b)(2): the points at which this certificate's revocation would be published."""
    found = Extensions(certificate.extensions).get(x509.CRLDistributionPoints)
    return frozenset().union(*(_uris(point.full_name or ()) for point in found or ()))


def _uris(names: Iterable[x509.GeneralName]) -> frozenset[str]:
    return frozenset(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
