"""An issuer of tokens is data: what it is called, which keys and claims it may use."""

from dataclasses import dataclass, field
from enum import StrEnum

from authz.identity.introspectionrules import Introspection
from authz.identity.profile import GENERIC, TokenProfile

ASYMMETRIC_ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
"""RFC 7518 section 3.1 and RFC 8037; nothing symmetric, never `none`."""

SHARED_SECRET_ALGORITHM = "HS256"
"""For issuers whose keys are secrets of both sides, and for no other."""

DEFAULT_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")

DEFAULT_MAX_TOKEN_BYTES = 16_384


class KeyOrigin(StrEnum):
    """Where an issuer's key set comes from."""

    FILE = "file"
    URL = "url"
    DISCOVERY = "discovery"
    SECRETS = "secrets"
    """Files with secrets that both sides know, by key id; never fetched and never in a JWKS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLocation:
    """Where to look for a JWKS: a file path, the URL of a JWKS, or the issuer whose discovery document names it.

    `allow_http` and `allow_private_addresses` open what is closed by default (server-side request
    forgery); `ca_file` names the PEM roots for a TLS endpoint with a private CA.
    """

    origin: KeyOrigin
    place: str
    allow_http: bool = False
    allow_private_addresses: bool = False
    ca_file: str | None = None
    refresh_seconds: float = 300.0
    key_use: str = "sig"
    """The `use` of signing keys beside `sig` (RFC 7517 section 4.2); SPIFFE bundles say `jwt-svid`."""
    secrets: tuple[tuple[str, str], ...] = ()
    """With `KeyOrigin.SECRETS`: key id and file of each secret."""

    @property
    def is_local(self) -> bool:
        """Whether keys come from files and not from the network."""
        return self.origin in {KeyOrigin.FILE, KeyOrigin.SECRETS}

    @property
    def files(self) -> tuple[str, ...]:
        """The files that keys come from."""
        if self.origin is KeyOrigin.FILE:
            return (self.place,)
        return tuple(file for _, file in self.secrets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One configured issuer. Everything that a token says is held against this, never taken from the token."""

    name: str
    issuer: str
    """Exact value of `iss`; compared byte for byte (no prefix, no trailing-slash leniency)."""
    audiences: frozenset[str]
    """At least one of these must be in `aud`; never empty."""
    keys: KeyLocation
    algorithms: frozenset[str] = frozenset(DEFAULT_ALGORITHMS)
    token_types: frozenset[str] = frozenset({"jwt", "at+jwt", ""})
    """Accepted `typ` headers, lower case without `application/`; the empty string stands for an absent one."""
    subject_claim: str = "sub"
    groups_claim: str | None = None
    required_claims: frozenset[str] = frozenset()
    leeway_seconds: float = 60.0
    max_token_bytes: int = DEFAULT_MAX_TOKEN_BYTES
    max_groups: int = 1_000
    profile: TokenProfile = field(default=GENERIC)
    introspection: Introspection | None = None
    """Where to ask about tokens that are no JWT; without it they are refused."""

    def __post_init__(self) -> None:
        if not self.audiences or not self.algorithms or not self.token_types:
            raise ValueError(f"issuer `{self.name}`: audiences, algorithms and token types must not be empty")
        # INVARIANT: no key of one kind is ever tried with an algorithm of the other (RFC 8725 section 3.1).
        if (self.keys.origin is KeyOrigin.SECRETS) != (SHARED_SECRET_ALGORITHM in self.algorithms) or (
            self.keys.origin is KeyOrigin.SECRETS and len(self.algorithms) > 1
        ):
            raise ValueError(f"issuer `{self.name}`: shared secrets are for {SHARED_SECRET_ALGORITHM} alone")
