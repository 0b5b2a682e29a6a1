"""How Scopegate proves to an issuer who it is: a secret, or an assertion that is signed for each request.

Their files are read for each request, so that secrets and keys can be replaced without a restart.
"""

import base64
import secrets
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote_plus

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from authz.identity.introspectionrules import Introspection
from authz.keysources.files import SourceFileError, read_private_file

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS: Final = 60
MAX_SECRET_BYTES: Final = 4_096
MAX_KEY_BYTES: Final = 65_536
_MIN_RSA_BITS: Final = 2_048
_CURVES: Final[Mapping[str, str]] = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def load_client_secret(place: str) -> str:
    """The secret in a file, without the line end. Raises `SourceFileError`."""
    data = read_private_file(place, MAX_SECRET_BYTES).rstrip(b"\r\n")
    try:
        secret = data.decode("ascii")
    except UnicodeDecodeError:
        raise SourceFileError(f"{place}: not ASCII") from None
    # RFC 6749 appendix A.2: VSCHAR.
    if not secret or not secret.isprintable():
        raise SourceFileError(f"{place}: empty, or more than one line")
    return secret


def load_client_key(place: str) -> tuple[_PrivateKey, str]:
    """The private key in a PEM file, and the algorithm it signs with. Raises `SourceFileError`."""
    return _parse_key(place, read_private_file(place, MAX_KEY_BYTES))


@lru_cache(8)  # OpenSSL takes milliseconds to hold the numbers of an RSA key against each other
def _parse_key(place: str, data: bytes) -> tuple[_PrivateKey, str]:
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError):
        raise SourceFileError(f"{place}: no PEM private key without a password") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _MIN_RSA_BITS:
        return key, "RS256"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key, _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key, "EdDSA"
    raise SourceFileError(
        f"{place}: expected a key for RSA (2048 bits or more), P-256, P-384, P-521 or Ed25519"
    )


def load_proof(rules: Introspection) -> None:
    """Look whether the file with the secret or the key can be used. Raises `SourceFileError`."""
    if rules.secret_file is not None:
        load_client_secret(rules.secret_file)
    if rules.key_file is not None:
        load_client_key(rules.key_file)


class ClientProof:
    """Makes headers and form fields that prove the client. Reads files: call it in a thread."""

    def __init__(self, rules: Introspection, audience: str) -> None:
        self._rules = rules
        self._audience = audience

    def make(self) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form fields for one request. Raises `SourceFileError`."""
        if self._rules.secret_file is not None:
            return {"authorization": self._basic(load_client_secret(self._rules.secret_file))}, {}
        key, algorithm = load_client_key(self._rules.key_file or "")
        return {}, {
            "client_id": self._rules.client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(key, algorithm),
        }

    def _basic(self, secret: str) -> str:
        # RFC 6749 section 2.3.1: both are form-encoded first, so that a colon in the id does not cut it.
        pair = f"{quote_plus(self._rules.client_id)}:{quote_plus(secret)}"
        return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")

    def _assertion(self, key: _PrivateKey, algorithm: str) -> str:
        """RFC 7523 section 3. The audience is the issuer alone: an assertion for one server must not open another."""
        now = int(time.time())
        claims = {
            "iss": self._rules.client_id,
            "sub": self._rules.client_id,
            "aud": self._audience,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
            "jti": secrets.token_hex(16),
        }
        headers = {} if self._rules.key_id is None else {"kid": self._rules.key_id}
        return jwt.encode(claims, key, algorithm=algorithm, headers=headers)
