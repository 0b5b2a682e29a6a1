"""A token's claims against the profile of its issuer: is it the wanted kind of token, and does it say what it must?"""

import re
from collections.abc import Mapping

from authz.errors import Denied, Reason
from authz.identity.profile import SubjectForm, TokenProfile
from authz.identity.spiffe import SpiffeId

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/: a DNS label, and a DNS subdomain.
_SERVICE_ACCOUNT = re.compile(
    r"system:serviceaccount:([a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?):"
    r"([a-z0-9](?:[a-z0-9\-.]{0,251}[a-z0-9])?)\Z",
    re.ASCII,
)

_Claims = Mapping[str, object]


def check_kind(claims: _Claims, profile: TokenProfile) -> None:
    """Raise `Denied(token_type_refused)` for a token of another kind: an ID token where an access token is due.

    Its signature and issuer are right, and its audience may be, too: only what is in it tells it apart.
    """
    for name, values in profile.kinds.items():
        if not _is_one_of(claims.get(name), values):
            raise _other_kind(f"`{name}` is not {_listed(values)}")
    for names in profile.marks:
        if names.isdisjoint(claims):
            raise _other_kind(f"it has no {_listed(names)}")
    for name in sorted(profile.foreign):
        if name in claims:
            raise _other_kind(f"it has `{name}`")


def check_profile(claims: _Claims, profile: TokenProfile) -> None:
    """Raise `Denied(token_claims_invalid)` unless the claims are there, of their types and of the pinned values."""
    for name, values in profile.pinned.items():
        if not _is_one_of(claims.get(name), values):
            raise _invalid(f"`{name}` is missing or not what the policy pins it to")
    for name, kind in profile.required.items():
        if name not in claims:
            raise _invalid(f"`{name}` is missing, which every such token of {profile.preset} has")
        if not kind.fits(claims[name]):
            raise _invalid(f"`{name}` is not of type {kind.value}")
    for table in (profile.optional, profile.declared):
        for name, kind in table.items():
            if name in claims and not kind.fits(claims[name]):
                raise _invalid(f"`{name}` is not of type {kind.value}")
    if profile.oauth_scopes:
        _check_oauth_scopes(claims, profile.oauth_scopes)


def check_subject_form(subject: str, claims: _Claims, profile: TokenProfile) -> None:
    """Raise `Denied(token_claims_invalid)` for a subject that this issuer cannot mean."""
    if profile.subject is SubjectForm.SPIFFE_ID:
        try:
            spiffe_id = SpiffeId.parse(subject)
        except ValueError as error:
            raise _invalid(f"the subject is no SPIFFE ID: {error}") from None
        if spiffe_id.trust_domain != profile.trust_domain:
            raise _invalid("the subject is of another trust domain")
    elif profile.subject is SubjectForm.SERVICE_ACCOUNT:
        found = _SERVICE_ACCOUNT.match(subject)
        if found is None:
            raise _invalid("the subject is no service account")
        if not _says_the_same(claims.get("kubernetes.io"), *found.groups()):
            raise _invalid("`kubernetes.io` names another service account than the subject")


def _is_one_of(value: object, values: frozenset[str]) -> bool:
    return isinstance(value, str) and value in values


def _says_the_same(cluster: object, namespace: str, name: str) -> bool:
    account = cluster.get("serviceaccount") if isinstance(cluster, dict) else None
    return (
        isinstance(cluster, dict)
        and cluster.get("namespace") == namespace
        and isinstance(account, dict)
        and account.get("name") == name
    )


def _check_oauth_scopes(claims: _Claims, needed: frozenset[str]) -> None:
    """RFC 9068 section 2.2.3: `scope` is a text; Okta, Entra and Tableau say `scp`, as a list or a text."""
    given: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            given.update(value.split(" "))
        elif isinstance(value, list):
            given.update(item for item in value if isinstance(item, str))
    missing = needed - given
    if missing:
        raise _invalid(f"it lacks the OAuth scope {_listed(missing)}")


def _listed(names: frozenset[str]) -> str:
    return " or ".join(f"`{name}`" for name in sorted(names))


def _invalid(detail: str) -> Denied:
    return Denied(Reason.TOKEN_CLAIMS_INVALID, detail)


def _other_kind(detail: str) -> Denied:
    return Denied(Reason.TOKEN_TYPE_REFUSED, f"another kind of token: {detail}")
