"""Real signing keys, tokens and key sets for tests.

Key pairs are made once per process and name, because an RSA key takes a tenth of a second. `mint` signs
whatever it is given, so that a test can present a token that no honest issuer would make.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from authz.identity.issuer import Issuer, KeyLocation, KeyOrigin

NOW = 1_790_000_000.0
"""A fixed present for tests, in seconds since the epoch."""

ISSUER = "https://issuer.example/oauth2/default"
AUDIENCE = "api://warehouse"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES: Mapping[str, tuple[ec.EllipticCurve, str, str]] = {
    "P-256": (ec.SECP256R1(), "P-256", "ES256"),
    "P-384": (ec.SECP384R1(), "P-384", "ES384"),
    "P-521": (ec.SECP521R1(), "P-521", "ES512"),
}


def base64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _uint(number: int, length: int | None = None) -> str:
    return base64url(number.to_bytes(length or (number.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A private key with its `kid` and the algorithm it signs with unless told otherwise."""

    kid: str
    algorithm: str
    private: PrivateKey

    def jwk(self, **members: object) -> dict[str, object]:
        """The public JWK (RFC 7517). A member may be replaced or added; one given as None is left out."""
        jwk: dict[str, object] = {
            "kid": self.kid,
            "use": "sig",
            "alg": self.algorithm,
            **_public_members(self.private),
            **members,
        }
        return {name: value for name, value in jwk.items() if value is not None}


def _public_members(private: PrivateKey) -> dict[str, object]:
    if isinstance(private, rsa.RSAPrivateKey):
        numbers = private.public_key().public_numbers()
        return {"kty": "RSA", "n": _uint(numbers.n), "e": _uint(numbers.e)}
    if isinstance(private, ec.EllipticCurvePrivateKey):
        point = private.public_key().public_numbers()
        length = (private.curve.key_size + 7) // 8
        crv = next(name for curve, name, _ in _CURVES.values() if curve.name == private.curve.name)
        return {"kty": "EC", "crv": crv, "x": _uint(point.x, length), "y": _uint(point.y, length)}
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url(private.public_key().public_bytes_raw())}


@cache
def rsa_key(kid: str = "rsa-1", bits: int = 2048) -> SigningKey:
    """An RSA key for RS256 (PS256 and the others by `mint(..., alg=...)`)."""
    return SigningKey(kid, "RS256", rsa.generate_private_key(public_exponent=65537, key_size=bits))


@cache
def ec_key(kid: str = "ec-1", curve: str = "P-256") -> SigningKey:
    """An elliptic curve key on `P-256`, `P-384` or `P-521`."""
    made, _, algorithm = _CURVES[curve]
    return SigningKey(kid, algorithm, ec.generate_private_key(made))


@cache
def ed25519_key(kid: str = "ed-1") -> SigningKey:
    """An Ed25519 key for EdDSA."""
    return SigningKey(kid, "EdDSA", ed25519.Ed25519PrivateKey.generate())


def jwks(*keys: SigningKey | Mapping[str, object]) -> bytes:
    """The text of a key set of these keys, or of JWKs as they are."""
    members = [key.jwk() if isinstance(key, SigningKey) else dict(key) for key in keys]
    return json.dumps({"keys": members}).encode("utf-8")


def claims(**changes: object) -> dict[str, object]:
    """Claims of an honest token at `NOW`. A claim given as None is left out."""
    made: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": int(NOW) - 10,
        "nbf": int(NOW) - 10,
        "exp": int(NOW) + 600,
        "groups": ["analysts-emea"],
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def mint(token_claims: Mapping[str, object], key: SigningKey, **header: object) -> str:
    """A compact JWS of the claims. Header parameters are added or replaced; one given as None is left out."""
    made: dict[str, object] = {"alg": key.algorithm, "typ": "at+jwt", "kid": key.kid, **header}
    made = {name: value for name, value in made.items() if value is not None}
    return sign(dump(made), dump(token_claims), key, algorithm=str(made.get("alg", key.algorithm)))


def dump(value: object) -> bytes:
    """Compact JSON, as issuers write it."""
    return json.dumps(value, separators=(",", ":")).encode("utf-8")


def sign(header: bytes, payload: bytes, key: SigningKey, *, algorithm: str | None = None) -> str:
    """A compact JWS of raw bytes, so that header and payload may be anything.

    An algorithm that the key cannot sign with is replaced by the key's own: the header then lies.
    """
    signing_input = f"{base64url(header)}.{base64url(payload)}"
    algorithms = get_default_algorithms()
    name = algorithm if algorithm in algorithms and algorithm[:2] in _families(key) else key.algorithm
    made = algorithms[name].sign(signing_input.encode("ascii"), key.private)
    return f"{signing_input}.{base64url(made)}"


def _families(key: SigningKey) -> frozenset[str]:
    return frozenset({"RS", "PS"}) if isinstance(key.private, rsa.RSAPrivateKey) else frozenset()


def make_issuer(**changes: object) -> Issuer:
    """The configured issuer that `claims` are from; any field may be changed."""
    fields: dict[str, object] = {
        "name": "okta",
        "issuer": ISSUER,
        "audiences": frozenset({AUDIENCE}),
        "keys": KeyLocation(origin=KeyOrigin.FILE, place="okta-jwks.json"),
        "groups_claim": "groups",
        **changes,
    }
    return Issuer(**fields)


def thumbprint(certificate_der: bytes) -> str:
    """The `x5t#S256` of a certificate (RFC 8705 section 3.1)."""
    return base64url(hashlib.sha256(certificate_der).digest())
