"""One token against one issuer and its keys.

The order is that of RFC 8725 (https://www.rfc-editor.org/rfc/rfc8725#section-3): well-formed, from an
issuer that is known and accepted here, of an allowed algorithm and type, signed by a key of that issuer,
and only then its claims.
"""

import hashlib
import hmac
from collections.abc import Mapping

from jwt.algorithms import get_default_algorithms

from authz.errors import Denied, KeyDoubt, Reason
from authz.identity.claims import VerifiedClaims, verify_claims
from authz.identity.issuer import ASYMMETRIC_ALGORITHMS, SHARED_SECRET_ALGORITHM, Issuer
from authz.identity.jws import MalformedTokenError, UnverifiedToken, parse_compact_token
from authz.identity.keyset import Key, KeySet, SharedSecret
from authz.identity.spiffe import SpiffeId

_ALGORITHMS = {
    name: algorithm for name, algorithm in get_default_algorithms().items() if name in ASYMMETRIC_ALGORITHMS
}
_KNOWN_ALGORITHMS = frozenset({*_ALGORITHMS, SHARED_SECRET_ALGORITHM})


def parse_token(token: str, max_bytes: int) -> UnverifiedToken:
    """Parse a token of at most `max_bytes`. Raises `Denied`: `token_too_large` or `token_malformed`."""
    if len(token) > max_bytes:
        raise Denied(Reason.TOKEN_TOO_LARGE, f"got {len(token)} bytes, expected at most {max_bytes}")
    try:
        return parse_compact_token(token)
    except MalformedTokenError as error:
        raise Denied(Reason.TOKEN_MALFORMED, str(error)) from None


def find_issuer(
    token: UnverifiedToken, issuers_by_iss: Mapping[str, Issuer], accepted: frozenset[str]
) -> Issuer:
    """The configured issuer that a token says it is from; its word is used to choose whose keys may refute it.

    Raises `Denied`: `token_issuer_unknown` or `token_issuer_not_accepted`.
    """
    return issuer_of(token.unverified_claims, issuers_by_iss, accepted)


def issuer_of(
    claims: Mapping[str, object], issuers_by_iss: Mapping[str, Issuer], accepted: frozenset[str]
) -> Issuer:
    """As `find_issuer`, by the unverified claims alone."""
    unverified_iss = claims["iss"] if "iss" in claims else _unverified_trust_domain(claims.get("sub"))
    issuer = issuers_by_iss.get(unverified_iss) if isinstance(unverified_iss, str) else None
    if issuer is None or ("iss" not in claims and not issuer.profile.iss_may_be_absent):
        raise Denied(Reason.TOKEN_ISSUER_UNKNOWN, "`iss` is missing or none of the configured issuers'")
    check_accepted(issuer.name, accepted)
    return issuer


def _unverified_trust_domain(unverified_sub: object) -> str | None:
    """A JWT-SVID need not have `iss` (JWT-SVID section 3): its subject says whose keys may refute it."""
    try:
        trust_domain = (
            SpiffeId.parse(unverified_sub).trust_domain if isinstance(unverified_sub, str) else None
        )
    except ValueError:
        return None
    return None if trust_domain is None else SpiffeId(trust_domain=trust_domain, path="").text


def check_accepted(issuer_name: str, accepted: frozenset[str]) -> None:
    """Raise `Denied(token_issuer_not_accepted)` unless the warehouse takes tokens of this issuer."""
    if issuer_name not in accepted:
        raise Denied(
            Reason.TOKEN_ISSUER_NOT_ACCEPTED, f"the warehouse does not take tokens of issuer `{issuer_name}`"
        )


def verify_token(
    token: UnverifiedToken, token_bytes: int, issuer: Issuer, key_set: KeySet, now: float
) -> VerifiedClaims:
    """Verify a token of `token_bytes` length against the issuer that `find_issuer` found.

    Raises `Denied` with the reason. `now` is in seconds since the epoch.
    """
    if token_bytes > issuer.max_token_bytes:
        raise Denied(
            Reason.TOKEN_TOO_LARGE, f"got {token_bytes} bytes, expected at most {issuer.max_token_bytes}"
        )
    check_header(token, issuer)
    key = _choose_key(token, issuer, key_set)
    _verify_signature(token, key, issuer)
    return verify_claims(token.unverified_claims, issuer, now)


def check_header(token: UnverifiedToken, issuer: Issuer) -> None:
    """Raise `Denied`: `token_algorithm_refused` or `token_type_refused`, if the header says what this issuer's may not."""
    algorithm = token.unverified_algorithm
    if algorithm not in issuer.algorithms or algorithm not in _KNOWN_ALGORITHMS:
        raise Denied(
            Reason.TOKEN_ALGORITHM_REFUSED,
            f"the token's algorithm is none of {', '.join(sorted(issuer.algorithms))}",
        )
    if token.unverified_type not in issuer.token_types:
        expected = ", ".join(sorted(kind or "(absent)" for kind in issuer.token_types))
        raise Denied(Reason.TOKEN_TYPE_REFUSED, f"the token's `typ` is none of {expected}")


def _choose_key(token: UnverifiedToken, issuer: Issuer, key_set: KeySet) -> Key:
    candidates = key_set.candidates(token.unverified_key_id)
    if not candidates:
        what = "no `kid`" if token.unverified_key_id is None else "a `kid` that is not in the key set"
        sought = hashlib.sha256(repr(token.unverified_key_id).encode()).digest()
        raise Denied(
            Reason.TOKEN_KEY_UNKNOWN, f"the token has {what}", doubt=KeyDoubt(issuer.name, b"?" + sought)
        )
    for key in candidates:
        if token.unverified_algorithm in key.algorithms:
            return key
    raise Denied(
        Reason.TOKEN_ALGORITHM_REFUSED,
        "the token's algorithm is not its key's",
        doubt=_replaced(issuer, candidates[0]),
    )


def _replaced(issuer: Issuer, key: Key) -> KeyDoubt | None:
    """The issuer may have put another key in the place of `key`, under the same `kid`. Secrets are nowhere to be asked for."""
    if isinstance(key, SharedSecret):
        return None
    return KeyDoubt(issuer.name, b"=" + bytes.fromhex(key.thumbprint))


def _verify_signature(token: UnverifiedToken, key: Key, issuer: Issuer) -> None:
    if not _is_signed_by(token, key):
        raise Denied(
            Reason.TOKEN_SIGNATURE_INVALID,
            "the signature is not by the issuer's key",
            doubt=_replaced(issuer, key),
        )


def _is_signed_by(token: UnverifiedToken, key: Key) -> bool:
    # INVARIANT: the algorithm is one of the key's own and of the issuer's (RFC 8725 section 3.1), and what kind of
    # key it is decides how it is used, never the token. PyJWT's PyJWK is not used: it binds an RSA key without
    # `alg` to RS256, so that PS256 would fail.
    if isinstance(key, SharedSecret):
        return hmac.compare_digest(hmac.digest(key.value, token.signing_input, "sha256"), token.signature)
    try:
        good = _ALGORITHMS[token.unverified_algorithm].verify(
            token.signing_input, key.public, token.signature
        )
    except (ValueError, TypeError):
        return False
    return good is True
