"""Key sets: the public keys that an issuer signs with (RFC 7517), read once and bound to algorithms.

INVARIANT: a key verifies the algorithms in its `algorithms` and no other. They follow from the key itself
(`kty`, `crv`, `alg`), never from a token, so that no token can have a key used in a way it was not made for
(PyJWT CVE-2022-29217, Authlib CVE-2024-37568).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authz.identity.issuer import SHARED_SECRET_ALGORITHM
from authz.identity.jws import parse_base64url
from authz.identity.strictjson import StrictJsonError, parse_object

MAX_KEY_SET_BYTES = 1_048_576
MAX_KEYS = 200
MAX_KEY_ID_CHARACTERS = 1_024

MIN_RSA_BITS = 2_048
MAX_RSA_BITS = 8_192
"""Larger keys make every forged signature expensive to refuse."""

_MAX_RSA_EXPONENT = 2**32

_SECRET_ALGORITHMS = frozenset({SHARED_SECRET_ALGORITHM})
_RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES: Mapping[str, tuple[ec.EllipticCurve, str]] = {
    "P-256": (ec.SECP256R1(), "ES256"),
    "P-384": (ec.SECP384R1(), "ES384"),
    "P-521": (ec.SECP521R1(), "ES512"),
}
# RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1.
_PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class KeySetError(ValueError):
    """The text is no key set that could be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """One usable public key. `thumbprint` is the SHA-256 of its SubjectPublicKeyInfo, lower-case hex."""

    kid: str | None
    algorithms: frozenset[str]
    public: PublicKey = field(repr=False, compare=False)
    thumbprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSecret:
    """A secret that issuer and verifier both know. Never out of a JWKS: whoever can read it can sign."""

    kid: str
    value: bytes = field(repr=False)

    @property
    def algorithms(self) -> frozenset[str]:
        """What it verifies."""
        return _SECRET_ALGORITHMS


Key = VerificationKey | SharedSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """The usable keys of an issuer, at least one. `problems` says which keys were left out, and why.

    Two key sets are equal if they verify the same; what was left out is no part of that.
    """

    keys: frozenset[VerificationKey] | frozenset[SharedSecret]
    problems: tuple[str, ...] = field(default=(), compare=False)
    by_kid: Mapping[str, tuple[Key, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_kid: dict[str, tuple[Key, ...]] = {}
        for key in self.keys:
            if key.kid is not None:
                by_kid[key.kid] = (*by_kid.get(key.kid, ()), key)
        object.__setattr__(self, "by_kid", MappingProxyType(by_kid))

    def candidates(self, kid: str | None) -> tuple[Key, ...]:
        """The keys that a token with this `kid` could mean; several only if their algorithms differ.

        Without a `kid` the set must have no choice; a lone key without a `kid` is meant by every token.
        """
        if kid is not None and kid in self.by_kid:
            return self.by_kid[kid]
        if len(self.keys) == 1:
            (only,) = self.keys
            # The id of a secret is always said: which of two is meant must not depend on how many there are.
            if (kid is None or only.kid is None) and not isinstance(only, SharedSecret):
                return (only,)
        return ()


class _UnusableKeyError(ValueError):
    pass


def parse_jwks(text: bytes, *, use: str = "sig") -> KeySet:
    """Parse a JWK set (RFC 7517 section 5). `use` is what its signing keys may say beside `sig`.

    Keys that are not for signatures, too weak, private, symmetric or unreadable are left out and reported
    in `KeySet.problems`. Raises `KeySetError` if the text is no key set, if no key is left, or if two keys
    with one `kid` could verify the same algorithm, because then nobody knows which one is meant.
    """
    if len(text) > MAX_KEY_SET_BYTES:
        raise KeySetError(f"got {len(text)} bytes, expected at most {MAX_KEY_SET_BYTES}")
    try:
        document = parse_object(text)
    except StrictJsonError as error:
        raise KeySetError(str(error)) from None
    members = document.get("keys")
    if not isinstance(members, list):
        raise KeySetError("`keys` is no list")
    if len(members) > MAX_KEYS:
        raise KeySetError(f"got {len(members)} keys, expected at most {MAX_KEYS}")
    keys: set[VerificationKey] = set()
    problems: list[str] = []
    for position, member in enumerate(members):
        try:
            key = _parse_key(member, use)
        except _UnusableKeyError as error:
            problems.append(f"keys[{position}]: {error}")
            continue
        if key in keys:
            problems.append(f"keys[{position}]: the same key as one before it")
        keys.add(key)
    if not keys:
        raise KeySetError("; ".join(["no usable key", *problems[:5]]))
    made = KeySet(keys=frozenset(keys), problems=tuple(problems))
    _check_distinct(made)
    return made


def _check_distinct(key_set: KeySet) -> None:
    for kid, keys in key_set.by_kid.items():
        claimed: set[str] = set()
        for key in keys:
            if claimed & key.algorithms:
                raise KeySetError(f"two different keys for one algorithm have the kid {_shown(kid)}")
            claimed |= key.algorithms


def _parse_key(member: object, use: str) -> VerificationKey:
    if not isinstance(member, dict):
        raise _UnusableKeyError("no JSON object")
    kid = member.get("kid")
    if "kid" in member and not isinstance(kid, str):
        raise _UnusableKeyError("`kid` is no string")
    if isinstance(kid, str) and len(kid) > MAX_KEY_ID_CHARACTERS:
        raise _UnusableKeyError(f"`kid` is longer than {MAX_KEY_ID_CHARACTERS} characters")
    _check_purpose(member, use)
    public, possible = _public_key(member)
    data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return VerificationKey(
        kid=kid if isinstance(kid, str) else None,
        algorithms=_bound_algorithms(member, possible),
        public=public,
        thumbprint=hashlib.sha256(data).hexdigest(),
    )


def _check_purpose(member: dict[str, object], use: str) -> None:
    if member.get("kty") == "oct":
        raise _UnusableKeyError("a symmetric key: whoever can verify with it can sign with it")
    if any(name in member for name in _PRIVATE_MEMBERS):
        # Published, so it is everybody's: what it signs proves nothing.
        raise _UnusableKeyError("a private key: it must be replaced by its issuer")
    if "use" in member and member["use"] not in ("sig", use):
        raise _UnusableKeyError(f"`use` is not `{use}`")
    operations = member.get("key_ops")
    if "key_ops" in member and not (isinstance(operations, list) and "verify" in operations):
        raise _UnusableKeyError("`key_ops` has no `verify`")


def _bound_algorithms(member: dict[str, object], possible: frozenset[str]) -> frozenset[str]:
    if "alg" not in member:
        return possible
    algorithm = member["alg"]
    if not isinstance(algorithm, str) or algorithm not in possible:
        raise _UnusableKeyError(f"`alg` does not fit the key, expected {' or '.join(sorted(possible))}")
    return frozenset({algorithm})


def _public_key(member: dict[str, object]) -> tuple[PublicKey, frozenset[str]]:
    kind, curve = member.get("kty"), member.get("crv")
    try:
        if kind == "RSA":
            return _rsa_key(member), _RSA_ALGORITHMS
        if kind == "EC" and isinstance(curve, str) and curve in _CURVES:
            shape, algorithm = _CURVES[curve]
            return _ec_key(member, shape), frozenset({algorithm})
        if kind == "OKP" and curve == "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(_bytes(member, "x")), frozenset({"EdDSA"})
    except _UnusableKeyError:
        raise
    except (ValueError, UnsupportedAlgorithm):
        raise _UnusableKeyError("the numbers make no key") from None
    raise _UnusableKeyError("unknown kind, expected `kty` RSA, EC (P-256, P-384, P-521) or OKP (Ed25519)")


def _rsa_key(member: dict[str, object]) -> rsa.RSAPublicKey:
    modulus = int.from_bytes(_bytes(member, "n"), "big")
    exponent = int.from_bytes(_bytes(member, "e"), "big")
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
        raise _UnusableKeyError(
            f"an RSA key of {modulus.bit_length()} bits, expected {MIN_RSA_BITS} to {MAX_RSA_BITS}"
        )
    if exponent > _MAX_RSA_EXPONENT:
        raise _UnusableKeyError("an RSA key with a public exponent above 32 bits")
    return rsa.RSAPublicNumbers(e=exponent, n=modulus).public_key()


def _ec_key(member: dict[str, object], curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    x, y = _bytes(member, "x"), _bytes(member, "y")
    # RFC 7518 section 6.2.1.2: the full size of a coordinate, leading zeros included.
    if not len(x) == len(y) == (curve.key_size + 7) // 8:
        raise _UnusableKeyError("coordinates of the wrong length for the curve")
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve)
    return numbers.public_key()


def _bytes(member: dict[str, object], name: str) -> bytes:
    value = member.get(name)
    if not isinstance(value, str) or not value:
        raise _UnusableKeyError(f"`{name}` is missing")
    try:
        return parse_base64url(value)
    except ValueError as error:
        raise _UnusableKeyError(f"`{name}` is {error}") from None


def _shown(kid: str) -> str:
    return f"`{kid[:64]}`" if kid.isprintable() else "(not printable)"
