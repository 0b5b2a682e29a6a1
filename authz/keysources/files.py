"""Key sets, trust bundles, revocations and keys to sign with, from files."""

import os
import stat
from pathlib import Path

from authz.identity.certificates import TrustBundle, TrustBundleError, parse_trust_bundle
from authz.identity.crl import MAX_CRL_BYTES
from authz.identity.issuer import Issuer, KeyOrigin
from authz.identity.keyset import MAX_KEY_SET_BYTES, KeySet, KeySetError, SharedSecret, parse_jwks
from authz.identity.pem import MAX_BUNDLE_BYTES
from authz.identity.revocations import Revocations
from authz.identity.sharedsecret import MAX_SECRET_BYTES, parse_shared_secret
from authz.identity.trust import CertificateTrust
from authz.policy.policyset import AssertionRule
from authz.policy.revocationfile import parse_revocations
from authz.policy.yamlvalues import SourceText
from authz.signing.keys import (
    MAX_KEY_BYTES,
    SigningKey,
    SigningKeyError,
    SigningKeys,
    parse_signing_key,
    signing_keys,
)
from authz.wholefile import read_whole

MAX_REVOCATION_BYTES = 33_554_432


class SourceFileError(Exception):
    """A file could not be read or used. The message begins with its path."""


class SourceUnreadError(SourceFileError):
    """It could not be read this time (no descriptor left, a disk that errs, somebody who writes it), and nothing about it
    need change until it can.
    """


def load_key_set(issuer: Issuer) -> KeySet:
    """The key set in the issuer's JWKS file, or the secrets in its files. Raises `SourceFileError`."""
    keys = issuer.keys
    if keys.origin is KeyOrigin.SECRETS:
        return KeySet(keys=frozenset(load_secret(kid, place) for kid, place in keys.secrets))
    place = keys.place
    try:
        return parse_jwks(_load(place, MAX_KEY_SET_BYTES), use=keys.key_use)
    except KeySetError as error:
        raise SourceFileError(f"{place}: {error}") from None


def load_secret(kid: str, place: str) -> SharedSecret:
    """The secret in a file that not everybody may read. Raises `SourceFileError`, which never quotes it."""
    try:
        return parse_shared_secret(kid, _load(place, MAX_SECRET_BYTES + 2, private=True))
    except KeySetError as error:
        raise SourceFileError(f"{place}: {error}") from None


def read_private_file(place: str, limit: int) -> bytes:
    """At most `limit` bytes of a file that not everybody may read. Raises `SourceFileError`, which never quotes it."""
    return _load(place, limit, private=True)


def load_trust_bundle(trust: CertificateTrust) -> TrustBundle:
    """The roots, intermediates and revocation lists in the trust's files. Raises `SourceFileError`."""
    roots = _load(trust.roots, MAX_BUNDLE_BYTES)
    intermediates = None if trust.intermediates is None else _load(trust.intermediates, MAX_BUNDLE_BYTES)
    crls = [_load(place, MAX_CRL_BYTES) for place in trust.crls]
    try:
        return parse_trust_bundle(trust, roots, intermediates, crls)
    except TrustBundleError as error:
        raise SourceFileError(str(error)) from None


def load_revocations(place: str) -> Revocations:
    """The revocations in a file. Raises `SourceFileError`, or `PolicyError` with every problem and its line."""
    data = _load(place, MAX_REVOCATION_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceFileError(f"{place}:{line}: not UTF-8") from None
    return parse_revocations(SourceText(place, text))


def load_signing_keys(rule: AssertionRule) -> SigningKeys:
    """The keys that sign, from files that not everybody may read. Raises `SourceFileError`, which never quotes them."""
    keys = {place: _load_signing_key(place) for place in rule.key_files}
    signing = keys[rule.signs]
    if rule.algorithm is not None and signing.algorithm.value != rule.algorithm:
        raise SourceFileError(
            f"{rule.signs}: a key for {signing.algorithm.value}, expected one for {rule.algorithm}"
        )
    return signing_keys(list(keys.values()), signing)


def _load_signing_key(place: str) -> SigningKey:
    try:
        return parse_signing_key(read_private_file(place, MAX_KEY_BYTES))
    except SigningKeyError as error:
        raise SourceFileError(f"{place}: {error}") from None


def _load(place: str, limit: int, *, private: bool = False) -> bytes:
    path = Path(place)
    try:
        # A pipe or a device could block for ever, or never end.
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "does not exist"
            raise SourceFileError(f"{place}: {what}")
        with path.open("rb") as file:
            # Of the file that is open: another one may have taken its name.
            if private and os.fstat(file.fileno()).st_mode & stat.S_IRWXO:
                raise SourceFileError(
                    f"{place}: open to everybody on this machine; take that away (`chmod o=`)"
                )
            data = read_whole(file, limit + 1)
    except (OSError, ValueError) as error:
        kind = SourceUnreadError if isinstance(error, OSError) else SourceFileError
        reason = error.strerror if isinstance(error, OSError) else None
        raise kind(f"{place}: {reason or 'cannot be opened'}") from None
    if len(data) > limit:
        raise SourceFileError(f"{place}: larger than {limit} bytes")
    return data
