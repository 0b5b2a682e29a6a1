"""Credentials become a Principal: verified once, then remembered by digest until they end.

INVARIANT: what is remembered changes the cost of an answer, never the answer. Everything that can differ
between two uses of one credential (the time, the warehouse's accepted issuers and trusts, the certificate
that a token is bound to, the intermediates that came along) is looked at on each use or is part of the key. A key
is a digest of the one form that a credential has, so nobody has two places in a memory for one. Keys, roots and issuers cannot
differ: a new Authenticator is made for them, with an empty memory. The one exception is meant: that a token which
may be used once was used (`usedtokens`). One Authenticator serves one thread.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from cryptography import x509

from authz.errors import Denied, Doubt, KeyDoubt, Reason
from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.certificates import TrustBundle, VerifiedCertificate, verify_certificate
from authz.identity.claims import VerifiedClaims, find_claim
from authz.identity.credentials import Credentials, StatedUser
from authz.identity.introspection import IntrospectedTokens, is_opaque
from authz.identity.issuer import DEFAULT_MAX_TOKEN_BYTES, Issuer
from authz.identity.keyset import KeySet
from authz.identity.peercertificate import parse_peer_certificate, peer_digest, thumbprint_of
from authz.identity.principal import Method, Principal
from authz.identity.tokens import check_accepted, find_issuer, parse_token, verify_token
from authz.identity.usedtokens import UsedTokens
from authz.identity.xfcc import sent_along
from authz.memory import DEFAULT_REMEMBERED, Memory, remembering_texts

MAX_REMEMBERED_REFUSALS = 4_096

# Refusals that no passing of time undoes. An unknown key is not among them (a rotation may bring it), nor is
# anything that depends on the warehouse. That a token has ended holds from then on, so a client that goes on with it costs no
# signature each time.
_FINAL = frozenset({Reason.TOKEN_MALFORMED, Reason.TOKEN_SIGNATURE_INVALID})


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A verified principal, good from `not_before` until just before `principal.expires_at`.

    A token that is bound to a certificate names its `thumbprint`. `presented` are digests of the certificates that
    the client itself has shown to make its chain: without them it has none. `single_use` names the issuer of a token that
    opens one request; `token_ends` is when the token does, whenever a certificate beside it may.
    """

    principal: Principal
    not_before: float
    token_ends: float = 0.0
    single_use: str | None = None
    thumbprint: str | None = None
    presented: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class _Refused:
    reason: Reason
    detail: str
    doubt: Doubt | None
    issuer: str | None = None
    """The configured name, where the refusal is one for those who accept that issuer only."""
    since: float = 0.0
    """From when on it holds: a clock that is set back may make an ended token a good one."""


_Key = bytes | tuple[object, ...]


class Authenticator:
    """Verifies credentials against one immutable set of issuers, keys and roots.

    `used` is the memory of tokens that may be used once; give every Authenticator of a process the same one.
    `introspected` holds what issuers with an introspection endpoint have answered, by their configured name; an
    issuer that is missing there has answered nothing. `remembered` bounds the principals that are kept; refusals
    have a bound of their own, so that no flood of them pushes a principal out.
    Raises `ValueError` if two issuers have the same `iss`: a token would not say whose rules are meant.
    """

    __slots__ = (
        "_bundles",
        "_introspected",
        "_introspecting",
        "_issuers_by_iss",
        "_key_sets",
        "_known",
        "_max_token_bytes",
        "_refused",
        "_used",
    )

    def __init__(  # noqa: PLR0913 - everything that verification depends on
        self,
        *,
        issuers: Mapping[str, Issuer],
        key_sets: Mapping[str, KeySet],
        bundles: Mapping[str, TrustBundle],
        used: UsedTokens | None = None,
        introspected: Mapping[str, IntrospectedTokens] | None = None,
        remembered: int = DEFAULT_REMEMBERED,
    ) -> None:
        self._issuers_by_iss: dict[str, Issuer] = {}
        for issuer in issuers.values():
            other = self._issuers_by_iss.setdefault(issuer.issuer, issuer)
            if other is not issuer:
                raise ValueError(f"issuers `{other.name}` and `{issuer.name}` have the same `issuer`")
        self._key_sets = dict(key_sets)
        self._bundles = dict(bundles)
        self._max_token_bytes = max(
            (issuer.max_token_bytes for issuer in issuers.values()), default=DEFAULT_MAX_TOKEN_BYTES
        )
        self._used = used if used is not None else UsedTokens()
        self._introspecting = {name: issuer for name, issuer in issuers.items() if issuer.introspection}
        self._introspected = {
            name: IntrospectedTokens(issuer.introspection.cache_seconds)
            for name, issuer in self._introspecting.items()
            if issuer.introspection is not None
        }
        self._introspected.update(introspected or {})
        self._known: Memory[_Key, _Known] = Memory(remembered)
        self._refused: Memory[bytes, _Refused] = Memory(MAX_REMEMBERED_REFUSALS)

    @property
    def memories(self) -> "dict[str, Memory[Any, Any]]":
        """What is remembered, by what it is: for those who measure it."""
        return {"principals": self._known, "refusals": self._refused}

    def authenticate(self, credentials: Credentials, accepts: AcceptedCredentials, now: float) -> Principal:
        """The principal behind the credentials. `now` is in seconds since the epoch.

        The same credentials give the same object while they are remembered. Raises `Denied` with the reason.
        """
        known = self._verified(credentials, accepts, now)
        # On each use: another name beside a remembered token is another claim.
        if credentials.user is not None and Method.TOKEN in known.principal.methods:
            _check_user(credentials.user, known.principal)
        # Last, so that a token is used up by nothing but a request that everything else was right with.
        if known.single_use is not None:
            self._used.use(known.single_use, known.principal.token_id or "", until=known.token_ends, now=now)
        return known.principal

    def _verified(self, credentials: Credentials, accepts: AcceptedCredentials, now: float) -> _Known:
        mode = accepts.authentication
        token, pem = credentials.token, credentials.certificate_pem
        if (
            token is not None
            and pem is not None
            and (mode is Authentication.BOTH or mode is Authentication.ANY)
        ):
            # Whatever is presented must verify: a bad token beside a good certificate is an attack or a
            # mistake, and never a reason to be somebody else.
            return self._by_both(token, pem, credentials.client_chain, accepts, now)
        if token is not None and (mode is Authentication.TOKEN or mode is Authentication.ANY):
            return self._by_token(token, pem, accepts, now)
        if pem is not None and (mode is Authentication.CERTIFICATE or mode is Authentication.ANY):
            return self._by_certificate(pem, credentials.client_chain, accepts, now)
        raise _missing(mode, token)

    def _by_token(self, token: str, pem: str | None, accepts: AcceptedCredentials, now: float) -> _Known:
        self._check_size(token)
        key = _digest(token)
        known = self._known.recall(key)
        if known is not None and known.not_before <= now < known.principal.expires_at:
            check_accepted(known.principal.issuer, accepts.issuers)
            if known.thumbprint is not None:
                _check_binding(known.thumbprint, pem)
            return known
        issuer, claims = self._verify_token(token, key, accepts, now)
        if claims.thumbprint is not None:
            _check_binding(claims.thumbprint, pem)
        principal = _principal(issuer, claims)
        known = self._known[key] = _Known(
            principal,
            claims.not_before,
            claims.expires_at,
            _single_use(issuer),
            claims.thumbprint,
        )
        return known

    def _by_certificate(
        self, pem: str, chain: str | None, accepts: AcceptedCredentials, now: float
    ) -> _Known:
        leaf = peer_digest(pem)
        presented = sent_along(chain, leaf)
        key = (leaf, accepts.trusts)
        known = self._known.recall(key)
        if (
            known is not None
            and known.not_before <= now < known.principal.expires_at
            and known.presented <= presented.keys()
        ):
            return known
        verified = self._verify_certificate(pem, presented, accepts, now)
        principal = Principal(
            issuer=verified.identity.trust,
            subject=verified.identity.name,
            methods=frozenset({Method.CERTIFICATE}),
            certificate=verified.identity,
            expires_at=verified.expires_at,
        )
        known = self._known[key] = _Known(principal, verified.not_before, presented=verified.presented)
        return known

    def _by_both(
        self, token: str, pem: str, chain: str | None, accepts: AcceptedCredentials, now: float
    ) -> _Known:
        self._check_size(token)
        leaf = peer_digest(pem)
        presented = sent_along(chain, leaf)
        token_key = _digest(token)
        key = (token_key, leaf, accepts.trusts)
        known = self._known.recall(key)
        if (
            known is not None
            and known.not_before <= now < known.principal.expires_at
            and known.presented <= presented.keys()
        ):
            check_accepted(known.principal.issuer, accepts.issuers)
            return known
        issuer, claims = self._verify_token(token, token_key, accepts, now)
        if claims.thumbprint is not None:
            _check_binding(claims.thumbprint, pem)
        verified = self._verify_certificate(pem, presented, accepts, now)
        principal = _principal(issuer, claims, verified)
        not_before = max(claims.not_before, verified.not_before)
        known = self._known[key] = _Known(
            principal,
            not_before,
            claims.expires_at,
            _single_use(issuer),
            presented=verified.presented,
        )
        return known

    def _check_size(self, token: str) -> None:
        # The size before anything else: hashing and parsing cost what the client chooses.
        if len(token) > self._max_token_bytes:
            raise Denied(
                Reason.TOKEN_TOO_LARGE, f"got {len(token)} bytes, expected at most {self._max_token_bytes}"
            )

    def _verify_token(
        self, token: str, key: bytes, accepts: AcceptedCredentials, now: float
    ) -> tuple[Issuer, VerifiedClaims]:
        if self._introspecting and is_opaque(token):
            named = sorted(accepts.issuers & self._introspecting.keys())
            if len(named) == 1:
                issuer = self._introspecting[named[0]]
                return issuer, self._introspected[issuer.name].verify(token, key, issuer, now)
            # INVARIANT: a token is shown to nobody but the one issuer that it can be from.
        refused = self._refused.recall(key)
        if refused is not None and now >= refused.since:
            if refused.issuer is not None:
                check_accepted(refused.issuer, accepts.issuers)
            raise Denied(refused.reason, refused.detail, doubt=refused.doubt)
        found: Issuer | None = None
        try:
            parsed = parse_token(token, self._max_token_bytes)
            found = find_issuer(parsed, self._issuers_by_iss, accepts.issuers)
            return found, verify_token(parsed, len(token), found, self._key_set(found), now)
        except Denied as denied:
            self._remember(key, denied, found, now)
            raise

    def _remember(self, key: bytes, denied: Denied, issuer: Issuer | None, now: float) -> None:
        has_ended = denied.reason is Reason.TOKEN_EXPIRED
        if has_ended or denied.reason in _FINAL:
            self._refused[key] = _Refused(
                denied.reason,
                denied.detail,
                denied.doubt,
                None if issuer is None else issuer.name,
                since=now if has_ended else 0.0,
            )

    def _key_set(self, issuer: Issuer) -> KeySet:
        key_set = self._key_sets.get(issuer.name)
        if key_set is None:
            raise Denied(
                Reason.KEYS_UNAVAILABLE, f"no keys of issuer `{issuer.name}`", doubt=KeyDoubt(issuer.name)
            )
        return key_set

    def _verify_certificate(
        self,
        pem: str,
        presented: Mapping[bytes, x509.Certificate],
        accepts: AcceptedCredentials,
        now: float,
    ) -> VerifiedCertificate:
        peer = parse_peer_certificate(pem)
        return verify_certificate(peer, accepts.trusts, self._bundles, now, presented)


def _missing(mode: Authentication, token: str | None) -> Denied:
    match mode:
        case Authentication.TOKEN:
            return Denied(Reason.CREDENTIAL_MISSING, "no token")
        case Authentication.CERTIFICATE:
            return Denied(Reason.CERTIFICATE_MISSING, "no client certificate")
        case Authentication.ANY:
            return Denied(Reason.CREDENTIAL_MISSING, "neither a token nor a client certificate")
        case Authentication.BOTH:
            if token is None:
                return Denied(
                    Reason.CREDENTIAL_MISSING, "no token; a token and a client certificate are needed"
                )
            return Denied(Reason.CERTIFICATE_MISSING, "a token, but no client certificate beside it")
        case _:
            assert_never(mode)


@remembering_texts
def _digest(text: str) -> bytes:
    # surrogatepass: whatever a client sends has a digest; the parser refuses it afterwards.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _check_binding(thumbprint: str, pem: str | None) -> None:
    """RFC 8705 section 3: a bound token is worth nothing without the certificate that it is bound to."""
    if pem is None:
        raise Denied(
            Reason.TOKEN_BINDING_FAILED, "the token is bound to a client certificate, none was presented"
        )
    if thumbprint_of(peer_digest(pem)) != thumbprint:
        raise Denied(Reason.TOKEN_BINDING_FAILED, "the token is bound to another client certificate")


def _single_use(issuer: Issuer) -> str | None:
    return issuer.issuer if issuer.profile.single_use else None


def _check_user(user: StatedUser, principal: Principal) -> None:
    """A connection that is saved under one name and used with another's token is an attack or a mistake."""
    expected = principal.subject if user.claim is None else find_claim(principal.claims, user.claim)
    if expected != user.name:
        what = "the subject" if user.claim is None else f"the claim `{user.claim}`"
        raise Denied(Reason.TOKEN_USER_MISMATCH, f"the user name is not {what} of the token")


def _principal(
    issuer: Issuer, claims: VerifiedClaims, certificate: VerifiedCertificate | None = None
) -> Principal:
    methods = {Method.TOKEN} if certificate is None else {Method.TOKEN, Method.CERTIFICATE}
    return Principal(
        issuer=issuer.name,
        subject=claims.subject,
        methods=frozenset(methods),
        groups=claims.groups,
        claims=claims.claims,
        certificate=None if certificate is None else certificate.identity,
        token_id=claims.token_id,
        expires_at=claims.expires_at
        if certificate is None
        else min(claims.expires_at, certificate.expires_at),
    )
