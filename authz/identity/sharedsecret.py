"""Shared secrets, as they stand in files."""

import re

from authz.identity.keyset import KeySetError, SharedSecret

MIN_SECRET_BYTES = 32
"""RFC 7518 section 3.2: HS256 needs a key of 256 bits or more."""
MAX_SECRET_BYTES = 1_024

_PRINTABLE = re.compile(rb"[\x21-\x7e]+\Z")
# A public key is no secret: whoever signs with it would be believed (PyJWT CVE-2022-29217).
_PUBLIC = re.compile(rb"-----BEGIN |ssh-|ecdsa-|sk-|\{")


def parse_shared_secret(kid: str, data: bytes) -> SharedSecret:
    """The secret in a file: one line of visible ASCII, used as it is written. Raises `KeySetError`; never quotes it."""
    value = data.removesuffix(b"\n").removesuffix(b"\r")
    if _PUBLIC.match(value):
        raise KeySetError("this is a key or a key set, expected a secret")
    if len(value) < MIN_SECRET_BYTES:
        raise KeySetError(f"a secret of {len(value)} bytes, expected at least {MIN_SECRET_BYTES}")
    if len(value) > MAX_SECRET_BYTES or not _PRINTABLE.match(value):
        raise KeySetError(f"expected one line of at most {MAX_SECRET_BYTES} visible ASCII characters")
    if len(set(value)) < MIN_SECRET_BYTES // 4:
        raise KeySetError("the secret repeats itself; use the one that was generated")
    return SharedSecret(kid=kid, value=value)
