"""Keys to sign with, as an administrator makes them: PEM files. Made once per process and name."""

from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authz.signing.keys import SigningKey, SigningKeys, parse_signing_key, public_jwks, signing_keys

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def pem_of(key: PrivateKey) -> bytes:
    """The key in PKCS #8."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def ec_pem(name: str = "one") -> bytes:
    """A P-256 key."""
    return _made(name, 0)


def rsa_pem(name: str = "one", bits: int = 2048) -> bytes:
    """An RSA key."""
    return _made(name, bits)


@cache
def _made(_: str, bits: int) -> bytes:
    if bits:
        return pem_of(rsa.generate_private_key(public_exponent=65537, key_size=bits))
    return pem_of(ec.generate_private_key(ec.SECP256R1()))


def ec_signing_key(name: str = "one") -> SigningKey:
    """A key for ES256."""
    return parse_signing_key(ec_pem(name))


def one_key(pem: bytes | None = None) -> SigningKeys:
    """A single key, which signs."""
    key = parse_signing_key(pem or ec_pem())
    return signing_keys([key], key)


def write_key(path: Path, pem: bytes) -> Path:
    """A key file as it should be: for its owner alone."""
    path.touch(mode=0o600)
    path.write_bytes(pem)
    return path


def verified(token: str, keys: SigningKeys | dict[str, Any], **options: Any) -> dict[str, Any]:
    """The claims of an assertion as PyJWT verifies it with the published keys; the time is looked at only if asked."""
    published = jwt.PyJWKSet.from_dict(public_jwks(keys) if isinstance(keys, SigningKeys) else keys)
    header = jwt.get_unverified_header(token)
    key = published[header["kid"]]
    assert key.algorithm_name == header["alg"]
    checks = {"verify_aud": False, "verify_exp": False, "verify_iat": False, **options.pop("options", {})}
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=[header["alg"]], options=checks, **options)
    return claims
