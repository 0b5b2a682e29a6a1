"""Key sets and trust bundles from files."""

from pathlib import Path

from authz.identity.certificates import TrustBundle, TrustBundleError, parse_trust_bundle
from authz.identity.issuer import Issuer
from authz.identity.keyset import MAX_KEY_SET_BYTES, KeySet, KeySetError, parse_jwks
from authz.identity.pem import MAX_BUNDLE_BYTES
from authz.identity.trust import CertificateTrust


class SourceFileError(Exception):
    """A file could not be read or used. The message begins with its path."""


def load_key_set(issuer: Issuer) -> KeySet:
    """The key set in the issuer's JWKS file. Raises `SourceFileError`."""
    place = issuer.keys.place
    try:
        return parse_jwks(_load(place, MAX_KEY_SET_BYTES))
    except KeySetError as error:
        raise SourceFileError(f"{place}: {error}") from None


def load_trust_bundle(trust: CertificateTrust) -> TrustBundle:
    """The roots and intermediates in the trust's files. Raises `SourceFileError`."""
    roots = _load(trust.roots, MAX_BUNDLE_BYTES)
    intermediates = None if trust.intermediates is None else _load(trust.intermediates, MAX_BUNDLE_BYTES)
    try:
        return parse_trust_bundle(trust, roots, intermediates)
    except TrustBundleError as error:
        raise SourceFileError(str(error)) from None


def _load(place: str, limit: int) -> bytes:
    path = Path(place)
    try:
        # A pipe or a device could block for ever, or never end.
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "does not exist"
            raise SourceFileError(f"{place}: {what}")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise SourceFileError(f"{place}: {reason or 'cannot be opened'}") from None
    if len(data) > limit:
        raise SourceFileError(f"{place}: larger than {limit} bytes")
    return data
