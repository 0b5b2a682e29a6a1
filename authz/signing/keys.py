"""The keys that Scopegate signs with: which one signs, and all that verifiers are told of.

A key's id is the thumbprint of its public half (RFC 7638): one key has one id, wherever it came from, and no two
keys have the same. So a verifier that keeps keys by id never takes one for another.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode, der_to_raw_signature

MAX_KEY_BYTES: Final = 16_384
"""Longest accepted PEM text."""
MIN_RSA_BITS: Final = 2_048
"""RFC 7518 section 3.3."""
MAX_RSA_BITS: Final = 4_096
"""Longer signatures would need more room in a header, and each takes milliseconds."""

_PRIVATE_BEGIN: Final = b"PRIVATE KEY-----"


class Algorithm(StrEnum):
    """How a key signs (RFC 7518 section 3.1)."""

    ES256 = "ES256"
    """ECDSA on P-256 with SHA-256, the nonce derived from key and message (RFC 6979)."""
    RS256 = "RS256"
    """RSASSA-PKCS1-v1_5 with SHA-256."""


class SigningKeyError(ValueError):
    """A text that is no key to sign with. The message never quotes it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and what is published of it. Equal keys have equal ids.

    `sign` maps the bytes to be signed to the signature as a JWS has it: the same bytes give the same signature.
    """

    kid: str
    algorithm: Algorithm = field(compare=False)
    public: Mapping[str, str] = field(compare=False, repr=False)
    """The public JWK (RFC 7517), with `use`, `alg` and `kid`."""
    sign: Callable[[bytes], bytes] = field(compare=False, repr=False)
    secret: bytes = field(compare=False, repr=False)
    """32 bytes that only holders of the private key have, for tags that only they can verify."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """All keys that are published, and the one of them that signs.

    Published are more than one while keys change: one that will sign soon, one whose last words are still read.
    """

    published: tuple[SigningKey, ...]
    signing: SigningKey

    def __post_init__(self) -> None:
        # INVARIANT: what is signed can be verified with what is published.
        if self.signing not in self.published:
            raise ValueError("the key that signs is not published")


def signing_keys(keys: Sequence[SigningKey], signing: SigningKey) -> SigningKeys:
    """The keys in their order, each once: while files are moved, a key stands in two of them.

    Raises `ValueError` if `signing` is not among them.
    """
    return SigningKeys(tuple(dict.fromkeys(keys)), signing)


def parse_signing_key(pem: bytes) -> SigningKey:
    """The private key of a PEM text without a password. Raises `SigningKeyError`."""
    if len(pem) > MAX_KEY_BYTES:
        raise SigningKeyError(f"longer than {MAX_KEY_BYTES} bytes")
    # The parser takes the first and is silent about the rest; which one is meant is not ours to guess.
    if (found := pem.count(_PRIVATE_BEGIN) // 2) > 1:
        raise SigningKeyError(f"{found} private keys, expected one in a file")
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise SigningKeyError("no PEM private key without a password") from None
    match key:
        case ec.EllipticCurvePrivateKey() if isinstance(key.curve, ec.SECP256R1):
            jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
            return _key(Algorithm.ES256, jwk, partial(_sign_es256, key), _secret(key))
        case rsa.RSAPrivateKey() if MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            return _key(Algorithm.RS256, jwk, partial(_sign_rs256, key), _secret(key))
        case _:
            raise SigningKeyError(
                f"got {_described(key)}, expected a P-256 key (ES256)"
                f" or an RSA key of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits (RS256)"
            )


def public_jwks(keys: SigningKeys) -> dict[str, list[dict[str, str]]]:
    """The key set that verifiers fetch (RFC 7517 section 5): every published key, the public half alone."""
    return {"keys": [dict(key.public) for key in keys.published]}


def _key(
    algorithm: Algorithm, jwk: Mapping[str, object], sign: Callable[[bytes], bytes], secret: bytes
) -> SigningKey:
    # What PyJWT adds for its own use (`key_ops`) says the same as `use`, and RFC 7517 asks for one of them.
    members = {name: str(jwk[name]) for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}
    kid = _thumbprint(members)
    public = {**members, "use": "sig", "alg": algorithm.value, "kid": kid}
    return SigningKey(kid, algorithm, MappingProxyType(public), sign, secret)


def _secret(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """Derived (RFC 5869), so that there is one secret to keep and to change, and equal on every worker."""
    material = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return HKDF(hashes.SHA256(), length=32, salt=None, info=b"scopegate tags 1").derive(material)


def _thumbprint(members: Mapping[str, str]) -> str:
    """RFC 7638 section 3: SHA-256 over the required members, sorted, without white space."""
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return base64url_encode(hashlib.sha256(text.encode("ascii")).digest()).decode("ascii")


def _sign_es256(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    # Deterministic (RFC 6979): a check gives the same answer twice, and no bad nonce can give the key away.
    return der_to_raw_signature(
        key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)), key.curve
    )


def _sign_rs256(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _described(key: object) -> str:
    match key:
        case ec.EllipticCurvePrivateKey():
            return f"a key on the curve {key.curve.name}"
        case rsa.RSAPrivateKey():
            return f"an RSA key of {key.key_size} bits"
        case _:
            return "a key of another kind"
