"""One token against one issuer and its keys.

The order is that of RFC 8725 (https://www.rfc-editor.org/rfc/rfc8725#section-3): well-formed, from an
issuer that is known and accepted here, of an allowed algorithm and type, signed by a key of that issuer,
and only then its claims.
"""

from collections.abc import Mapping

from jwt.algorithms import get_default_algorithms

from authz.errors import Denied, Reason
from authz.identity.claims import VerifiedClaims, verify_claims
from authz.identity.issuer import ASYMMETRIC_ALGORITHMS, Issuer
from authz.identity.jws import MalformedTokenError, UnverifiedToken, parse_compact_token
from authz.identity.keyset import KeySet, VerificationKey

_ALGORITHMS = {
    name: algorithm for name, algorithm in get_default_algorithms().items() if name in ASYMMETRIC_ALGORITHMS
}


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
    unverified_iss = token.unverified_claims.get("iss")
    issuer = issuers_by_iss.get(unverified_iss) if isinstance(unverified_iss, str) else None
    if issuer is None:
        raise Denied(Reason.TOKEN_ISSUER_UNKNOWN, "`iss` is missing or none of the configured issuers'")
    check_accepted(issuer.name, accepted)
    return issuer


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
    if token.unverified_algorithm not in issuer.algorithms or token.unverified_algorithm not in _ALGORITHMS:
        raise Denied(
            Reason.TOKEN_ALGORITHM_REFUSED,
            f"the token's algorithm is none of {', '.join(sorted(issuer.algorithms))}",
        )
    if token.unverified_type not in issuer.token_types:
        expected = ", ".join(sorted(kind or "(absent)" for kind in issuer.token_types))
        raise Denied(Reason.TOKEN_TYPE_REFUSED, f"the token's `typ` is none of {expected}")
    key = _choose_key(token, issuer, key_set)
    _verify_signature(token, key, issuer)
    return verify_claims(token.unverified_claims, issuer, now)


def _choose_key(token: UnverifiedToken, issuer: Issuer, key_set: KeySet) -> VerificationKey:
    candidates = key_set.candidates(token.unverified_key_id)
    if not candidates:
        what = "no `kid`" if token.unverified_key_id is None else "a `kid` that is not in the key set"
        raise Denied(Reason.TOKEN_KEY_UNKNOWN, f"the token has {what}", issuer=issuer.name)
    for key in candidates:
        if token.unverified_algorithm in key.algorithms:
            return key
    raise Denied(Reason.TOKEN_ALGORITHM_REFUSED, "the token's algorithm is not its key's")


def _verify_signature(token: UnverifiedToken, key: VerificationKey, issuer: Issuer) -> None:
    # INVARIANT: the algorithm is one of the key's own and of the issuer's (RFC 8725 section 3.1). PyJWT's
    # PyJWK is not used: it binds an RSA key without `alg` to RS256, so that PS256 would fail.
    algorithm = _ALGORITHMS[token.unverified_algorithm]
    try:
        good = algorithm.verify(token.signing_input, key.public, token.signature)
    except (ValueError, TypeError):
        good = False
    if good is not True:
        # The issuer is named: it may have replaced the key under the same `kid`.
        raise Denied(
            Reason.TOKEN_SIGNATURE_INVALID, "the signature is not by the issuer's key", issuer=issuer.name
        )
