"""What the tokens of an issuer look like: which claims they have, of which type, and which they must not have.

A profile is data. `authz.identity.presets` has one table for each provider; `authz.identity.claims` holds tokens
against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from authz.identity.claimkinds import ACCESS_TOKEN, OPENID, REGISTERED, ClaimKind, Kinds, joined


class SubjectForm(StrEnum):
    """What a subject must be beyond a printable text."""

    TEXT = "text"
    SPIFFE_ID = "spiffe_id"
    """A SPIFFE ID of the issuer's trust domain."""
    SERVICE_ACCOUNT = "service_account"
    """`system:serviceaccount:<namespace>:<name>`, and the claim `kubernetes.io` says the same."""


Values = Mapping[str, frozenset[str]]


def _no_kinds() -> Kinds:
    return MappingProxyType({})


def _no_values() -> Values:
    return MappingProxyType({})


def _hasgroups() -> Mapping[str, str]:
    return MappingProxyType({"hasgroups": "groups"})


MUTABLE_CLAIMS: Final = frozenset(
    {"email", "emails", "login", "name", "nickname", "preferred_username", "unique_name", "upn", "username"}
)
"""What the person, an administrator or another tenant can change or give to somebody else ("nOAuth"): no keys."""

ID_TOKEN_CLAIMS: Final = frozenset({"nonce", "at_hash", "c_hash"})
"""OpenID Connect Core 1.0 sections 2, 3.1.3.6 and 3.3.2.11: an ID token answers a client, an access token does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenProfile:
    """The claims of an issuer's tokens beside the registered ones. Names are those of top-level claims.

    A departure from `marks`, `kinds` or `foreign` says that it is another kind of token (`token_type_refused`);
    one from `required`, `optional`, `declared` or `pinned` that its claims are not what they must be
    (`token_claims_invalid`).
    """

    preset: str = "generic"
    required: Kinds = field(default_factory=_no_kinds, hash=False)
    """Must be there, of this type."""
    optional: Kinds = field(default_factory=_no_kinds, hash=False)
    """May be there, and then of this type."""
    known: Kinds = field(default_factory=_no_kinds, hash=False)
    """Documented by the issuer and not looked at, unless a rule of the policy reads it."""
    declared: Kinds = field(default_factory=_no_kinds, hash=False)
    """Added by the policy: what this issuer was set up to say. May be there, and then of this type."""
    pinned: Values = field(default_factory=_no_values, hash=False)
    """Must be there with one of these values, because the issuer's keys speak for others, too."""
    marks: tuple[frozenset[str], ...] = ()
    """Of each set at least one must be there: only the wanted kind of token has it."""
    kinds: Values = field(default_factory=_no_values, hash=False)
    """Must be there with one of these values, which name the wanted kind of token."""
    foreign: frozenset[str] = frozenset()
    """Must not be there: only other kinds of tokens have them."""
    overage: Mapping[str, str] = field(default_factory=_hasgroups, hash=False)
    """A claim that says that another one was left out because it is too large, and the name of that other one."""
    mutable: frozenset[str] = MUTABLE_CLAIMS
    """Claims that name nobody for good."""
    subject: SubjectForm = SubjectForm.TEXT
    trust_domain: str | None = None
    """With `SubjectForm.SPIFFE_ID`: the only one that may be spoken for."""
    iss_may_be_absent: bool = False
    """JWT-SVIDs need no `iss`: the subject names the trust domain."""
    oauth_scopes: frozenset[str] = frozenset()
    """OAuth scopes that a token must have, all of them, in `scope` or `scp`."""
    single_use: bool = False
    """A token opens one request; it must have a `jti`."""
    max_lifetime_seconds: float | None = None
    """How far `exp` may lie behind `iat` and behind the present."""

    def accounts_for(self, name: str) -> bool:
        """Whether somebody has said what the claim `name` is."""
        return (
            self.kind_of(name) is not None
            or name in self.pinned
            or name in self.kinds
            or name in self.foreign
            or name in self.overage
            or any(name in names for names in self.marks)
        )

    def kind_of(self, name: str) -> ClaimKind | None:
        """The documented type of a claim, None if there is none."""
        tables = (REGISTERED, self.declared, self.required, self.optional, self.known)
        return next((table[name] for table in tables if name in table), None)


GENERIC: Final = TokenProfile(known=joined(OPENID, ACCESS_TOKEN))
