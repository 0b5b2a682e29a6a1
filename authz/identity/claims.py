"""What the claims of a token must be (RFC 7519 section 4, RFC 9068 section 4) before anybody believes them.

Each claim is held against the configured issuer by exact type and exact value: PyJWT would take an `exp`
of `" 123 "`, and a `groups` string would match by substring.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from authz.errors import Denied, Reason
from authz.identity.issuer import Issuer
from authz.identity.principal import Claims
from authz.identity.profile import TokenProfile
from authz.identity.profilechecks import check_kind, check_profile, check_subject_form
from authz.identity.sharing import share

MAX_SUBJECT_CHARACTERS = 512
MAX_GROUP_CHARACTERS = 1_024
MAX_TOKEN_ID_CHARACTERS = 512

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedClaims:
    """The claims of one token, after every check that does not need the client certificate.

    Times are in seconds since the epoch and include the issuer's leeway: the token is good from
    `not_before` until just before `expires_at`. `thumbprint` is the SHA-256 of the certificate that the token
    is bound to (RFC 8705 section 3.1), or None.
    """

    subject: str
    groups: frozenset[str]
    claims: Claims = field(repr=False)
    token_id: str | None
    not_before: float
    expires_at: float
    thumbprint: str | None


def verify_claims(claims: Mapping[str, object], issuer: Issuer, now: float) -> VerifiedClaims:
    """Hold the claims of a token, whose signature has been verified, against its issuer.

    Raises `Denied`: `token_audience_wrong`, `token_expired`, `token_not_yet_valid`, `token_claims_invalid`,
    `token_type_refused`, `token_binding_failed` or `groups_overage`.
    """
    if claims.get("iss") != issuer.issuer and not ("iss" not in claims and issuer.profile.iss_may_be_absent):
        raise _invalid("`iss` is not the issuer's")
    check_kind(claims, issuer.profile)
    _check_audience(claims, issuer)
    not_before, expires_at = _lifetime(claims, issuer, now)
    check_profile(claims, issuer.profile)
    for name in sorted(issuer.required_claims):
        if find_claim(claims, name) in (_MISSING, None):
            raise _invalid(f"the required claim `{name}` is missing")
    kept = share(claims)
    return VerifiedClaims(
        subject=_subject(claims, issuer),
        groups=_groups(kept, issuer),
        claims=Claims(MappingProxyType(kept)),
        token_id=_token_id(claims, issuer.profile),
        not_before=not_before,
        expires_at=expires_at,
        thumbprint=_bound_thumbprint(claims),
    )


def find_claim(claims: Mapping[str, object], name: str) -> object:
    """The claim of this very name, else the one at this dotted path (`realm_access.roles`), else a sentinel."""
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value


def _invalid(detail: str) -> Denied:
    return Denied(Reason.TOKEN_CLAIMS_INVALID, detail)


def _check_audience(claims: Mapping[str, object], issuer: Issuer) -> None:
    match claims.get("aud"):
        case str() as audience:
            audiences = [audience]
        case [*items] if all(isinstance(item, str) for item in items):
            audiences = [str(item) for item in items]
        case None if "aud" not in claims:
            raise Denied(Reason.TOKEN_AUDIENCE_WRONG, "`aud` is missing")
        case _:
            raise _invalid("`aud` is neither a string nor a list of strings")
    if issuer.audiences.isdisjoint(audiences):
        raise Denied(Reason.TOKEN_AUDIENCE_WRONG, f"`aud` has none of {', '.join(sorted(issuer.audiences))}")


def _lifetime(claims: Mapping[str, object], issuer: Issuer, now: float) -> tuple[float, float]:
    expiry = _time(claims, "exp")
    if expiry is None:
        raise _invalid("`exp` is missing")
    not_before = max(_time(claims, "nbf") or 0.0, _time(claims, "iat") or 0.0) - issuer.leeway_seconds
    expires_at = expiry + issuer.leeway_seconds
    _check_lifetime(expiry, _time(claims, "iat"), issuer, now)
    # RFC 7519 section 4.1.4: "on or after which the JWT MUST NOT be accepted".
    if now >= expires_at:
        raise Denied(
            Reason.TOKEN_EXPIRED,
            # Without the time of now: the refusal is remembered, and says the same later.
            f"`exp` {expiry:.0f} is over by our clock, leeway {issuer.leeway_seconds:.0f} s",
        )
    if now < not_before:
        raise Denied(
            Reason.TOKEN_NOT_YET_VALID,
            f"`nbf` or `iat` is {not_before + issuer.leeway_seconds - now:.0f} s ahead of our clock,"
            f" leeway {issuer.leeway_seconds:.0f} s",
        )
    return not_before, expires_at


def _check_lifetime(expiry: float, issued_at: float | None, issuer: Issuer, now: float) -> None:
    longest = issuer.profile.max_lifetime_seconds
    if longest is None:
        return
    if expiry - now > longest + issuer.leeway_seconds or (
        issued_at is not None and expiry - issued_at > longest
    ):
        raise _invalid(f"the token lives too long, expected at most {longest:.0f} s")


def _time(claims: Mapping[str, object], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    # A bool is an int in Python; strings are what int() would forgive.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(f"`{name}` is no number")
    return float(value)


def _subject(claims: Mapping[str, object], issuer: Issuer) -> str:
    name = issuer.subject_claim
    value = find_claim(claims, name)
    if not isinstance(value, str) or not value:
        raise _invalid(f"the subject claim `{name}` is no string, or empty")
    # Not only control characters: invisible and direction-changing ones make two people look alike in a log.
    if len(value) > MAX_SUBJECT_CHARACTERS or not value.isprintable():
        raise _invalid(f"the subject claim `{name}` is too long or not printable")
    check_subject_form(value, claims, issuer.profile)
    return value


def _groups(claims: Mapping[str, object], issuer: Issuer) -> frozenset[str]:
    name = issuer.groups_claim
    if name is None:
        return frozenset()
    _check_overage(claims, name, issuer.profile)
    value = find_claim(claims, name)
    if value is _MISSING:
        return frozenset()
    if not isinstance(value, list):
        raise _invalid(f"the groups claim `{name}` is no list")
    if len(value) > issuer.max_groups:
        raise Denied(
            Reason.GROUPS_OVERAGE, f"`{name}` has {len(value)} groups, expected at most {issuer.max_groups}"
        )
    for item in value:
        if not isinstance(item, str) or not 0 < len(item) <= MAX_GROUP_CHARACTERS or _CONTROL.search(item):
            raise _invalid(f"the groups claim `{name}` has an item that is no name of a group")
    return frozenset(value)


def _check_overage(claims: Mapping[str, object], groups_claim: str, profile: TokenProfile) -> None:
    """Groups that the issuer left out are not "no groups": the principal may be in any.

    OpenID Connect Core section 5.6.2 (distributed claims) and Microsoft Entra's groups overage claim:
    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference#groups-overage-claim
    """
    distributed = claims.get("_claim_names")
    if "_claim_names" in claims and not isinstance(distributed, dict):
        raise _invalid("`_claim_names` is no object")
    elsewhere = isinstance(distributed, dict) and (
        groups_claim in distributed or groups_claim.partition(".")[0] in distributed
    )
    marked = any(
        claims.get(marker, False) is not False and groups_claim == left_out
        for marker, left_out in profile.overage.items()
    )
    if elsewhere or marked:
        raise Denied(Reason.GROUPS_OVERAGE, "the issuer left the groups out because there are too many")


def _token_id(claims: Mapping[str, object], profile: TokenProfile) -> str | None:
    if "jti" not in claims:
        if profile.single_use:
            raise _invalid("`jti` is missing, and the token may be used once")
        return None
    value = claims["jti"]
    if (
        not isinstance(value, str)
        or not value
        or len(value) > MAX_TOKEN_ID_CHARACTERS
        or not value.isprintable()
    ):
        raise _invalid("`jti` is no string, too long or not printable")
    return value


def _bound_thumbprint(claims: Mapping[str, object]) -> str | None:
    """The certificate a token is bound to (RFC 8705 section 3.1, RFC 7800 section 3)."""
    if "cnf" not in claims:
        return None
    confirmation = claims["cnf"]
    # A method that is not understood (DPoP's `jkt`) must not be read as "not bound".
    if not isinstance(confirmation, dict) or set(confirmation) != {"x5t#S256"}:
        raise Denied(Reason.TOKEN_BINDING_FAILED, "`cnf` has another method than `x5t#S256`")
    value = confirmation["x5t#S256"]
    if not isinstance(value, str) or not value:
        raise Denied(Reason.TOKEN_BINDING_FAILED, "`cnf` has an `x5t#S256` that is no string")
    return value
