"""The client's own certificate: what it says, and whether a certificate like this may speak for a client.

`cryptography`'s verifier checks the chain. It accepts weak leaf keys, a leaf without extended key usage,
any key usage and any subject alternative name (measured with 50.0): those are checked here.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID

from authz.errors import Denied, Reason
from authz.identity.keyset import MAX_RSA_BITS, MIN_RSA_BITS
from authz.identity.pem import MAX_PEER_PEM_CHARACTERS, PemError, parse_certificate_blocks

UNREADABLE = (
    ValueError,
    TypeError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
    InternalError,
    CryptographyDeprecationWarning,
)
"""What cryptography raises, sooner or later, for a certificate that it cannot read: it parses lazily.

The warning is for encodings that it will refuse one day, and is raised where warnings are errors.
"""

_REMEMBERED_DIGESTS = 1_024

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_STRONG_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_STRONG_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PeerCertificate:
    """A client certificate, completely read; nothing is believed yet.

    Times are in seconds since the epoch. `weakness` says what is wrong with its key or signature, `misuse`
    why it may not speak for a client; both are empty for a sound certificate.
    """

    certificate: x509.Certificate = field(repr=False)
    fingerprint: str
    """SHA-256 of the DER form, lower-case hex."""
    serial: str
    not_before: float
    not_after: float
    uris: tuple[str, ...]
    dns_names: tuple[str, ...]
    emails: tuple[str, ...]
    weakness: str
    misuse: str


class Extensions:
    """The values of extensions by their kind; of each there is one at most (RFC 5280 section 4.2)."""

    __slots__ = ("_values",)

    def __init__(self, extensions: x509.Extensions) -> None:
        # One pass for all looks: a look of the library goes through all of them.
        self._values = {type(extension.value): extension.value for extension in extensions}

    def get(self, kind: type[_Extension]) -> _Extension | None:
        """The value of the extension of this kind, if there is one."""
        value = self._values.get(kind)
        return value if isinstance(value, kind) else None


def parse_peer_certificate(pem: str) -> PeerCertificate:
    """Parse exactly one PEM certificate. Raises `Denied(certificate_malformed)`."""
    der = _der(pem)
    try:
        return _read(load_certificate(der), der)
    except UNREADABLE:
        raise _malformed("the certificate cannot be read") from None


@lru_cache(_REMEMBERED_DIGESTS)
def peer_digest(pem: str) -> bytes:
    """SHA-256 of the DER form: the same for every text of one certificate. Raises `Denied(certificate_malformed)`."""
    return hashlib.sha256(_der(pem)).digest()


def load_certificate(der: bytes) -> x509.Certificate:
    """Load a certificate in its one DER form. Raises one of `UNREADABLE`."""
    certificate = x509.load_der_x509_certificate(der)
    if certificate.serial_number <= 0:
        raise ValueError("the serial number is not positive")  # RFC 5280 section 4.1.2.2
    # The signature does not cover the count of its own unused bits: two byte forms, two fingerprints.
    if not der.endswith(b"\x00" + certificate.signature):
        raise ValueError("the signature is not a whole number of bytes")
    return certificate


def verify_peer(peer: PeerCertificate, now: float) -> None:
    """The checks that need no trust: strength, time, purpose. Raises `Denied` (`certificate_…`)."""
    if peer.weakness:
        raise Denied(Reason.CERTIFICATE_WEAK, peer.weakness)
    if now >= peer.not_after:
        raise Denied(Reason.CERTIFICATE_EXPIRED, f"expired {now - peer.not_after:.0f} s ago by our clock")
    if now < peer.not_before:
        raise Denied(
            Reason.CERTIFICATE_EXPIRED, f"not valid for another {peer.not_before - now:.0f} s by our clock"
        )
    if peer.misuse:
        raise Denied(Reason.CERTIFICATE_UNTRUSTED, peer.misuse)


def key_weakness(key: object) -> str:
    """What is wrong with a public key, or an empty string."""
    match key:
        case rsa.RSAPublicKey():
            good = MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
            return "" if good else f"an RSA key of {key.key_size} bits"
        case ec.EllipticCurvePublicKey():
            return "" if isinstance(key.curve, _STRONG_CURVES) else f"a key on curve {key.curve.name}"
        case ed25519.Ed25519PublicKey():
            return ""
        case _:
            return "a key that is neither RSA, P-256, P-384, P-521 nor Ed25519"


def thumbprint_of(digest: bytes) -> str:
    """A `peer_digest` in base64url, as `x5t#S256` has it (RFC 8705 section 3.1)."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _der(pem: str) -> bytes:
    if len(pem) > MAX_PEER_PEM_CHARACTERS:
        raise _malformed(f"got {len(pem)} characters, expected at most {MAX_PEER_PEM_CHARACTERS}")
    try:
        blocks = parse_certificate_blocks(pem)
    except PemError as error:
        raise _malformed(str(error)) from None
    if len(blocks) != 1:
        raise _malformed(f"got {len(blocks)} certificates, expected one")
    return blocks[0]


def _malformed(detail: str) -> Denied:
    return Denied(Reason.CERTIFICATE_MALFORMED, f"client certificate: {detail}")


def _read(certificate: x509.Certificate, der: bytes) -> PeerCertificate:
    digest = hashlib.sha256(der)
    extensions = Extensions(certificate.extensions)
    uris: list[str] = []
    dns_names: list[str] = []
    emails: list[str] = []
    for name in extensions.get(x509.SubjectAlternativeName) or ():
        match name:
            case x509.UniformResourceIdentifier():
                uris.append(name.value)
            case x509.DNSName():
                dns_names.append(name.value)
            case x509.RFC822Name():
                emails.append(name.value)
            case _:
                pass
    return PeerCertificate(
        certificate=certificate,
        fingerprint=digest.hexdigest(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        uris=tuple(uris),
        dns_names=tuple(dns_names),
        emails=tuple(emails),
        weakness=key_weakness(certificate.public_key()) or _signature_weakness(certificate),
        misuse=_misuse(extensions),
    )


def _signature_weakness(certificate: x509.Certificate) -> str:
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None or isinstance(algorithm, _STRONG_HASHES):
        return ""
    return f"a signature over {algorithm.name}"


def _misuse(extensions: Extensions) -> str:
    """Why RFC 5280 sections 4.2.1.3, 4.2.1.9 and 4.2.1.12 (X509-SVID section 4) forbid the use, or an empty string."""
    constraints = extensions.get(x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        return "a certificate authority may not be a client"
    usage = extensions.get(x509.KeyUsage)
    if usage is None or not usage.digital_signature:
        return "key usage without digitalSignature"
    if usage.key_cert_sign or usage.crl_sign:
        return "key usage of a certificate authority (keyCertSign, cRLSign)"
    extended = extensions.get(x509.ExtendedKeyUsage)
    if extended is None or ExtendedKeyUsageOID.CLIENT_AUTH not in extended:
        return "extended key usage without clientAuth"
    return ""
