"""Issuers of tokens, and where in a request a token may stand, as a person writes them."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from authz.identity.claimkinds import ClaimKind
from authz.identity.issuer import ASYMMETRIC_ALGORITHMS
from authz.identity.presets.catalog import PRESETS
from authz.policy.fields import Duration, Maybe, Part, Text
from authz.policy.introspectionpart import IntrospectionPart

_PRESETS = tuple(PRESETS)
_KINDS = tuple(kind.value for kind in ClaimKind)


class IssuerPart(Part):
    """An issuer of tokens. Keys come from OIDC discovery, unless the preset, `jwks_url` or `jwks_file` says otherwise.

    A preset knows what the tokens of a provider look like; docs/identity.md has each of them, step by step.
    """

    preset: Literal[_PRESETS] = "generic"  # type: ignore[valid-type]
    """Whose tokens they are; the provider's parameters are the keys that follow."""
    tenant: Maybe[Text] = None
    """`entra`, `entra_v1`: the directory (tenant) ID."""
    domain: Maybe[Text] = None
    """`okta`, `auth0`: the domain of the organization. `ping`: that of the region."""
    authorization_server: Maybe[Text] = None
    """`okta`: the ID of the custom authorization server; `default`, if left out."""
    base_url: Maybe[Text] = None
    """`keycloak`: the URL of the server."""
    realm: Maybe[Text] = None
    """`keycloak`: the realm."""
    environment: Maybe[Text] = None
    """`ping`: the environment ID."""
    team: Maybe[Text] = None
    """`cloudflare_access`: the team name."""
    hosted_domain: Maybe[Text] = None
    """`google`: the domain of the Workspace organization; every Google account, if left out."""
    client_id: Maybe[Text] = None
    """`tableau_connected_app`: the client ID of the connected app."""
    trust_domain: Maybe[Text] = None
    """`spiffe_jwt_svid`: the trust domain."""
    owner_id: Maybe[Text] = None
    """`github_actions`: the number of the organization or user that owns the repositories."""
    issuer: Maybe[Text] = None
    """The exact value of the tokens' `iss`. Needed by `generic` and `kubernetes`; the others know it."""
    audiences: Maybe[Annotated[list[Text], Field(min_length=1)]] = None
    """At least one of these must be in the tokens' `aud`. Needed, but for `tableau_connected_app`."""
    jwks_url: Maybe[Text] = None
    """Where the key set is, if there is no discovery document."""
    jwks_file: Maybe[Text] = None
    """A key set in a file, read again when it changes."""
    secrets: Maybe[Annotated[dict[Text, Text], Field(min_length=1)]] = None
    """`tableau_connected_app`: ID of each secret to the file that it stands in, which not everybody may read."""
    algorithms: Maybe[Annotated[list[Literal[ASYMMETRIC_ALGORITHMS]], Field(min_length=1)]] = None  # type: ignore[valid-type]
    """Accepted signature algorithms; the preset's, if left out (`generic`: RS256, PS256, ES256, EdDSA)."""
    token_types: Maybe[
        Annotated[list[Annotated[str, StringConstraints(max_length=100)]], Field(min_length=1)]
    ] = None
    """Accepted `typ` headers; `''` stands for an absent one. The preset's, if left out (`generic`: jwt, at+jwt and none).
    `[at+jwt]` refuses ID tokens (RFC 9068)."""
    oauth_scopes: Maybe[Annotated[list[Text], Field(min_length=1)]] = None
    """OAuth scopes that a token must all have, in `scope` or `scp`."""
    subject_claim: Maybe[Text] = None
    """The claim that names the person; the preset's, if left out (`generic`: `sub`). A mutable one (e-mail) lets a
    renamed account in."""
    groups_claim: Maybe[Text] = None
    """The claim with the list of groups; the preset's, if left out. Without one nobody of this issuer has any."""
    required_claims: list[Text] = Field(default=[])
    """Claims that a token must have to be accepted."""
    claims: dict[Text, Literal[_KINDS]] = Field(default={})  # type: ignore[valid-type]
    """Claims that this issuer was set up to add, with their types. Claims that nobody accounts for are reported."""
    single_use: Maybe[bool] = None
    """Whether a token opens one request only (by its `jti`, in each worker); the preset's, if left out."""
    max_lifetime: Maybe[Duration] = None
    """The longest time from a token's beginning to its end; the preset's, if left out."""
    introspection: Maybe[IntrospectionPart] = None
    """Where to ask about tokens that are no JWT; without it they are refused. One issuer of a warehouse has it."""
    leeway: Duration = timedelta(seconds=60)
    """Tolerated difference of clocks, at most 5m."""
    max_token_bytes: Annotated[int, Field(ge=256, le=65_536)] = 16_384
    """A longer token is refused."""
    max_groups: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """A token with more groups is refused."""
    refresh: Duration = timedelta(minutes=5)
    """How often keys are fetched again, at least 10s."""
    ca_file: Maybe[Text] = None
    """PEM roots for an endpoint with a private CA; without it the system's."""
    allow_http: bool = False
    """Fetch keys without TLS: for development only."""
    allow_private_addresses: bool = False
    """Fetch keys from loopback and private addresses, for an issuer inside the cluster."""


class PlacePart(Part):
    """A place for a token. Exactly one of the keys is set."""

    header: Maybe[Text] = None
    """A header with the token, bare or behind `Bearer`."""
    cookie: Maybe[Text] = None
    """A cookie with the token."""
    basic: Maybe[Text] = None
    """HTTP Basic with the token as password; the user name must be what this claim of the token says."""


def _word_or_mapping(raw: object) -> str:
    return "word" if isinstance(raw, str) else "mapping"


PlaceInRequest = Annotated[
    Annotated[Literal["bearer", "basic"], Tag("word")] | Annotated[PlacePart, Tag("mapping")],
    Discriminator(_word_or_mapping),
]
