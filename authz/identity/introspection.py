"""Opaque tokens: what their issuer answered about them (RFC 7662), and what of it is believed.

A check never asks. It looks here for what has been answered, and denies with a `TokenDoubt` if that is nothing;
whoever may wait asks, and has it checked again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cachetools import LRUCache

from authz.errors import Denied, Reason, TokenDoubt
from authz.identity.claims import VerifiedClaims, verify_claims
from authz.identity.issuer import Issuer

MAX_REMEMBERED_ACTIVE = 20_000
MAX_REMEMBERED_INACTIVE = 4_096
INACTIVE_SECONDS = 5.0
"""How long "not active" is believed: a token may be used a moment before its issuer has written it down everywhere."""
LEAST_SECONDS = 1.0
"""An answer lives as long at the least: the check that asked for it has to find it."""

_JWT_DOTS = frozenset({2, 4})


@dataclass(frozen=True, slots=True)
class _Span:
    """When an answer counts: not before it was asked for, or a clock that is set back would make it last longer."""

    since: float
    until: float

    def has(self, now: float) -> bool:
        return self.since <= now < self.until


@dataclass(frozen=True, slots=True)
class _Active:
    claims: Mapping[str, object] = field(repr=False)
    good: _Span


def is_opaque(token: str) -> bool:
    """Whether a token is to be introspected. Three segments make a JWS, five a JWE (RFC 7515, RFC 7516), and nothing else does.

    INVARIANT: the form alone decides. A JWT that does not verify is never introspected instead, so that what one
    way refuses the other cannot let in.
    """
    return token.count(".") not in _JWT_DOTS


class IntrospectedTokens:
    """What one issuer, as it is configured, has answered about tokens. Bounded; active and other answers apart, so
    that made-up tokens drive out nobody's. Times are in seconds since the epoch.
    """

    __slots__ = ("_active", "_inactive", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._active: LRUCache[bytes, _Active] = LRUCache(MAX_REMEMBERED_ACTIVE)
        self._inactive: LRUCache[bytes, _Span] = LRUCache(MAX_REMEMBERED_INACTIVE)

    def keep(self, digest: bytes, claims: Mapping[str, object] | None, asked_at: float) -> None:
        """Remember an answer to a question of `asked_at`: the claims of an active token, None for another one.

        No longer than it is configured, and no longer than until the token expires.
        """
        if claims is None:
            self._active.pop(digest, None)
            seconds = max(LEAST_SECONDS, min(INACTIVE_SECONDS, self._seconds))
            self._inactive[digest] = _Span(asked_at, asked_at + seconds)
            return
        until = asked_at + self._seconds
        expiry = claims.get("exp")
        if isinstance(expiry, int | float) and not isinstance(expiry, bool):
            until = min(until, float(expiry))
        self._inactive.pop(digest, None)
        self._active[digest] = _Active(claims, _Span(asked_at, max(until, asked_at + LEAST_SECONDS)))

    def verify(self, token: str, digest: bytes, issuer: Issuer, now: float) -> VerifiedClaims:
        """The claims of an opaque token, held against its issuer as those of a JWT are, and good while the answer is.

        Raises `Denied`: `introspection_unavailable` with a doubt if there is no answer, `token_inactive`, and as
        `verify_claims` does.
        """
        if len(token) > issuer.max_token_bytes:
            raise Denied(
                Reason.TOKEN_TOO_LARGE, f"got {len(token)} bytes, expected at most {issuer.max_token_bytes}"
            )
        inactive = self._inactive.get(digest)
        if inactive is not None and inactive.has(now):
            raise Denied(Reason.TOKEN_INACTIVE, f"issuer `{issuer.name}` says that the token is not active")
        answer = self._active.get(digest)
        if answer is None or not answer.good.has(now):
            raise Denied(
                Reason.INTROSPECTION_UNAVAILABLE,
                f"issuer `{issuer.name}` has not said what the token is",
                doubt=TokenDoubt(issuer.name, digest, token),
            )
        _check_kind(answer.claims)
        verified = verify_claims(answer.claims, issuer, now)
        return replace(
            verified,
            not_before=max(verified.not_before, answer.good.since),
            expires_at=min(verified.expires_at, answer.good.until),
        )


def _check_kind(claims: Mapping[str, object]) -> None:
    """Refresh tokens are active, too (RFC 7662 section 2.2), and a DPoP token is worth nothing without its proof."""
    kind = claims.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise Denied(Reason.TOKEN_TYPE_REFUSED, "`token_type` is not `Bearer`")
    # Not in the RFC; several servers say it where they have no `token_type` for a refresh token.
    if claims.get("token_use", "access_token") not in ("access_token", "access"):
        raise Denied(Reason.TOKEN_TYPE_REFUSED, "`token_use` is not `access_token`")
