"""Certificate authorities from files: PEM, or a SPIFFE bundle.

https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md section 4 and X509-SVID.md
section 6.2: a key set in which a key with `use` `x509-svid` carries an authority in `x5c`.
"""

import base64
import binascii

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

from authz.identity.peercertificate import UNREADABLE, Extensions, key_weakness, load_certificate
from authz.identity.pem import MAX_BUNDLE_BYTES, PemError, parse_certificate_blocks
from authz.identity.strictjson import StrictJsonError, parse_object

X509_SVID = "x509-svid"


class TrustBundleError(ValueError):
    """The files of a trust cannot be used."""


def parse_authorities(data: bytes, place: str, *, spiffe: bool = False) -> tuple[x509.Certificate, ...]:
    """Every authority of a file; with `spiffe`, it may be a SPIFFE bundle in place of PEM. Raises `TrustBundleError`.

    A certificate that is no authority is refused: in a store, a leaf would anchor itself.
    """
    if len(data) > MAX_BUNDLE_BYTES:
        raise TrustBundleError(f"{place}: got {len(data)} bytes, expected at most {MAX_BUNDLE_BYTES}")
    if data.lstrip()[:1] == b"{":
        if not spiffe:
            raise TrustBundleError(
                f"{place}: a SPIFFE bundle or other JSON, which belongs to `identity: spiffe`"
            )
        blocks = _bundle_blocks(data, place)
    else:
        blocks = _pem_blocks(data, place)
    return tuple(_authority(der, f"{place}: certificate {n}") for n, der in enumerate(blocks, start=1))


def authority_flaw(certificate: x509.Certificate) -> str:
    """Why a certificate cannot be used as an authority, or an empty string."""
    try:
        constraints = Extensions(certificate.extensions).get(x509.BasicConstraints)
        key = certificate.public_key()
    except UNREADABLE:
        return "cannot be read"
    if constraints is None:
        return "not a certificate authority (no basic constraints)"
    if not constraints.ca:
        return "not a certificate authority"
    if weakness := key_weakness(key):
        return weakness
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "an authority with an Ed25519 key is not supported; expected RSA or EC"
    return ""


def _pem_blocks(data: bytes, place: str) -> tuple[bytes, ...]:
    try:
        return parse_certificate_blocks(data.decode("utf-8"), comments=True)
    except UnicodeDecodeError:
        raise TrustBundleError(f"{place}: not UTF-8; is it DER? expected PEM") from None
    except PemError as error:
        raise TrustBundleError(f"{place}: {error}") from None


def _bundle_blocks(data: bytes, place: str) -> tuple[bytes, ...]:
    try:
        keys = parse_object(data).get("keys")
    except StrictJsonError as error:
        raise TrustBundleError(f"{place}: {error}") from None
    if not isinstance(keys, list):
        raise TrustBundleError(f"{place}: `keys` is no list; expected a SPIFFE bundle")
    # Keys of other kinds, and those without a certificate, must be ignored (X509-SVID section 6.2).
    ours = [key for key in keys if isinstance(key, dict) and key.get("use") == X509_SVID and key.get("x5c")]
    return tuple(_certificate_of(key["x5c"], f"{place}: key {n}") for n, key in enumerate(ours, start=1))


def _certificate_of(chain: object, place: str) -> bytes:
    first = chain[0] if isinstance(chain, list) else None
    if not isinstance(first, str):
        raise TrustBundleError(f"{place}: `x5c` is no list of texts")
    try:
        return base64.b64decode(first, validate=True)
    except (binascii.Error, ValueError):
        raise TrustBundleError(f"{place}: `x5c` is not base64") from None


def _authority(der: bytes, place: str) -> x509.Certificate:
    try:
        certificate = load_certificate(der)
    except UNREADABLE:
        raise TrustBundleError(f"{place}: cannot be read") from None
    if flaw := authority_flaw(certificate):
        raise TrustBundleError(f"{place}: {flaw}")
    return certificate
