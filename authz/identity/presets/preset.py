"""A provider's table, and the parameters that make an issuer of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from string import Formatter
from typing import Final

from authz.identity.accepts import BEARER, TokenPlace
from authz.identity.issuer import DEFAULT_ALGORITHMS
from authz.identity.profile import GENERIC, TokenProfile

ACCESS_TOKEN_TYPES: Final = ("at+jwt",)
"""RFC 9068 section 2.1."""
PLAIN_TYPES: Final = ("jwt", "")
"""`typ: JWT`, or none: the issuer does not tell its kinds of tokens apart there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A key of the policy that a provider's pattern has a place for. `what` says it in the words of its console."""

    name: str
    what: str
    pattern: "re.Pattern[str]"
    example: str
    default: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What is the same for every tenant of a provider. Texts may have places such as `{tenant}`.

    `issuer` None: the policy names it. `own_issuer`: the policy may name another one than the pattern's, such as
    that of an own domain. Keys are discovered at `discovery` (the issuer, if None), unless `jwks_url` says where
    they are; without `discovers` the policy says it. `source` is where the provider documents its tokens.
    """

    name: str
    source: str
    parameters: tuple[Parameter, ...] = ()
    issuer: str | None = None
    own_issuer: bool = False
    discovers: bool = True
    discovery: str | None = None
    jwks_url: str | None = None
    key_use: str = "sig"
    """The `use` of signing keys in the key set (RFC 7517 section 4.2)."""
    shared_secrets: bool = False
    """Tokens are signed with secrets that both sides know (HS256), not with key pairs."""
    audiences: tuple[str, ...] = ()
    """What `aud` always is; empty, if the policy says it."""
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    token_types: tuple[str, ...] = PLAIN_TYPES
    subject_claim: str = "sub"
    groups_claim: str | None = None
    places: tuple[TokenPlace, ...] = (BEARER,)
    """Where a token of this provider stands unless the policy says otherwise."""
    profile: TokenProfile = field(default=GENERIC)

    def needs(self, *, own_issuer: bool) -> frozenset[str]:
        """Names of the parameters that a policy must give if they have no default."""
        texts = [text for values in self.profile.pinned.values() for text in values]
        texts += [self.profile.trust_domain or ""]
        if not own_issuer:
            texts += [self.issuer or "", self.discovery or "", self.jwks_url or ""]
        known = {parameter.name for parameter in self.parameters if not parameter.optional}
        return frozenset(name for text in texts for name in placeholders(text) if name in known)

    def filled(self, values: Mapping[str, str], *, own_issuer: str | None = None) -> "Preset":
        """The same table with its places filled; a claim that is pinned to an optional parameter is let go without it.

        With an own issuer, keys are discovered there, and a missing `iss` is no more excused.
        """
        pinned = {
            claim: frozenset(text.format_map(values) for text in texts)
            for claim, texts in self.profile.pinned.items()
            if all(placeholders(text) <= values.keys() for text in texts)
        }
        profile = replace(
            self.profile,
            pinned=pinned,
            trust_domain=_filled(self.profile.trust_domain, values),
            iss_may_be_absent=self.profile.iss_may_be_absent and own_issuer is None,
        )
        if own_issuer is not None:
            return replace(self, issuer=own_issuer, discovery=None, jwks_url=None, profile=profile)
        return replace(
            self,
            issuer=_filled(self.issuer, values),
            discovery=_filled(self.discovery, values),
            jwks_url=_filled(self.jwks_url, values),
            profile=profile,
        )


def placeholders(text: str) -> frozenset[str]:
    """Names of the places in a text."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def _filled(text: str | None, values: Mapping[str, str]) -> str | None:
    return None if text is None or not placeholders(text) <= values.keys() else text.format_map(values)


DOMAIN_PATTERN: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9\-]{0,61}[a-z0-9])?\Z", re.ASCII
)
GUID_PATTERN: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.ASCII)
WORD_PATTERN: Final = re.compile(r"[A-Za-z0-9_\-]{1,64}\Z", re.ASCII)
