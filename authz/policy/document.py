"""The policy file as pydantic types: the shape of what a person writes, with the words of the reference.

Only the shape: names that must exist elsewhere, values that must suit a dimension and all that needs two
places at once stand in `authz.policy.sections`. The docstrings are the reference (docs/policy.md) and the help
of editors (docs/policy.schema.json).
"""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
)

from authz.identity.issuer import ASYMMETRIC_ALGORITHMS, DEFAULT_ALGORITHMS
from authz.policy.policyset import RateLimit
from authz.policy.sections.units import DURATION_PATTERN, RATE_PATTERN, parse_duration, parse_rate

NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
DIMENSION_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
RULE_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"

Text = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
DimensionName = Annotated[str, StringConstraints(pattern=DIMENSION_PATTERN)]
RuleId = Annotated[str, StringConstraints(pattern=RULE_ID_PATTERN)]
Duration = Annotated[
    timedelta,
    PlainValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["60s", "12h", "400d"]}),
]
Rate = Annotated[
    RateLimit,
    PlainValidator(parse_rate),
    WithJsonSchema({"type": "string", "pattern": RATE_PATTERN, "examples": ["5/s", "120/min", "1000/h"]}),
]


def _all_or_list(raw: object) -> str:
    return "all" if raw == "all" else "list"


On = Annotated[
    Annotated[Literal["all"], Tag("all")] | Annotated[list[Text], Field(min_length=1), Tag("list")],
    Discriminator(_all_or_list),
]


class Part(BaseModel):
    """Every mapping of the document: closed, strict about types, immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class IssuerPart(Part):
    """An issuer of tokens. Keys come from OIDC discovery, unless `jwks_url` or `jwks_file` is given."""

    issuer: Text
    """The exact value of the tokens' `iss`."""
    audiences: Annotated[list[Text], Field(min_length=1)]
    """At least one of these must be in the tokens' `aud`."""
    jwks_url: Text | None = None
    """Where the key set is, if there is no discovery document."""
    jwks_file: Text | None = None
    """A key set in a file, read again when it changes."""
    algorithms: Annotated[list[Literal[ASYMMETRIC_ALGORITHMS]], Field(min_length=1)] = Field(  # type: ignore[valid-type]
        default=list(DEFAULT_ALGORITHMS)
    )
    """Accepted signature algorithms; symmetric ones do not exist here."""
    token_types: Annotated[list[Annotated[str, StringConstraints(max_length=100)]], Field(min_length=1)] = [
        "jwt",
        "at+jwt",
        "",
    ]
    """Accepted `typ` headers; the empty text stands for an absent one. `[at+jwt]` refuses ID tokens (RFC 9068)."""
    subject_claim: Text = "sub"
    """The claim that names the person. A mutable one (e-mail) lets a renamed account in."""
    groups_claim: Text | None = None
    """The claim with the list of groups; without it nobody of this issuer has any."""
    required_claims: list[Text] = []
    """Claims that a token must have to be accepted."""
    leeway: Duration = timedelta(seconds=60)
    """Tolerated difference of clocks, at most 5m."""
    max_token_bytes: Annotated[int, Field(ge=256, le=65_536)] = 16_384
    """A longer token is refused."""
    max_groups: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """A token with more groups is refused."""
    refresh: Duration = timedelta(minutes=5)
    """How often keys are fetched again, at least 10s."""
    ca_file: Text | None = None
    """PEM roots for an endpoint with a private CA; without it the system's."""
    allow_http: bool = False
    """Fetch keys without TLS: for development only."""
    allow_private_addresses: bool = False
    """Fetch keys from loopback and private addresses, for an issuer inside the cluster."""


class CertificateTrustPart(Part):
    """Whose client certificates are believed."""

    roots: Text
    """PEM file of the CA certificates."""
    identity: Literal["spiffe", "dns", "email"]
    """The kind of subject alternative name that says who it is."""
    trust_domain: Text | None = None
    """The only SPIFFE trust domain that these roots vouch for; with `identity: spiffe`, and only there."""
    intermediates: Text | None = None
    """PEM file of intermediate CA certificates that clients do not send along."""


class DimensionPart(Part):
    """One thing by which rows are told apart."""

    type: Literal["string", "integer", "decimal", "date", "timestamp", "boolean"]
    """The type of its values."""


class RoutePart(Part):
    """Requests that belong to the warehouse. The longest match of all routes wins."""

    prefix: Text | None = None
    """Whole path segments: `/api` is `/api` and `/api/x`, never `/apiary`. One of `prefix` and `path` is set."""
    path: Text | None = None
    """Exactly this path."""
    hosts: Annotated[list[Text], Field(min_length=1)] | None = None
    """Exact host names without port; every host, if left out."""
    methods: Annotated[list[Text], Field(min_length=1)] = ["GET", "HEAD", "POST"]
    """Accepted methods."""


class CachePart(Part):
    """The shared edge cache: equal scope, warehouse and policy share an answer."""

    ttl: Duration
    """How long an answer may be shared, 1s to 7d. Also the longest time for which a changed row stays unseen."""
    vary: list[Text] = ["accept", "accept-language"]
    """Request headers that the answer depends on, too."""


class LimitsPart(Part):
    """Rate limits behind the authorization."""

    per_principal: Rate | None = None
    """Requests of one person or machine."""


class WarehousePart(Part):
    """An upstream, the requests that belong to it, and how it takes a scope."""

    routes: Annotated[list[RoutePart], Field(min_length=1)]
    """Which requests are for it."""
    upstream: Text
    """`http://host:port` or `https://host:port`: where Envoy connects to."""
    columns: Annotated[dict[Text, Text], Field(min_length=1)]
    """Dimension to column. Every grant for this warehouse names each of these dimensions."""
    labels: dict[Text, Name] = {}
    """Column to label. A labelled column is hidden, unless a grant clears or masks its label."""
    authentication: Literal["token", "certificate", "any", "both"] | None = None
    """What a caller presents. `any`, if both issuers and client certificates are configured, else the one that is."""
    issuers: Annotated[list[Text], Field(min_length=1)] | None = None
    """Whose tokens are taken; all issuers, if left out."""
    certificates: Annotated[list[Text], Field(min_length=1)] | None = None
    """Which `client_certificates` are taken; all, if left out."""
    dialect: Text = "ansi"
    """The SQL dialect of the predicate."""
    headers: list[Literal["values", "json", "sql"]] = ["json", "sql"]
    """Forms of the scope in request headers. `values` cannot say `(A and B) or (C and D)`: such requests are refused."""
    query: dict[Text, Text] = {}
    """Dimension to query parameter, for a warehouse that takes plain parameters."""
    identity_headers: bool | None = None
    """Whether the warehouse is told who asks; yes, unless its answers are shared through the cache."""
    cache: CachePart | None = None
    """The shared cache; none, if left out."""
    limits: LimitsPart = LimitsPart()
    """Rate limits."""
    upstream_api_key_file: Text | None = None
    """A file with the credential that Envoy presents to the warehouse; no analyst ever holds it."""


class SelectorPart(Part):
    """Whom a rule is for: every key that is named must hold, any one of its values suffices."""

    groups: list[Text] | None = None
    """Groups of the token."""
    subjects: list[Text] | None = None
    """Subjects of the token; with `issuers`, if more than one issuer is configured (so with `groups`)."""
    issuers: list[Text] | None = None
    """Configured names of issuers."""
    spiffe: list[Text] | None = None
    """SPIFFE IDs, exact or ending in `/*`."""
    dns: list[Text] | None = None
    """DNS names of client certificates."""
    emails: list[Text] | None = None
    """E-mail addresses of client certificates."""
    certificates: list[Text] | None = None
    """Names of `client_certificates` entries."""


class ValidityPart(Part):
    """When a grant exists: dates (their first moment in UTC) or timestamps with a zone."""

    from_: Annotated[Any, Field(alias="from"), WithJsonSchema({"type": "string"})] = None
    """From this moment on."""
    until: Annotated[Any, WithJsonSchema({"type": "string"})] = None
    """Until just before this moment."""


_BOUND = {"type": ["string", "number"]}
TERM_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"const": "all", "description": "every value"},
        {
            "type": "array",
            "items": {"type": ["string", "number", "boolean"]},
            "description": "one of these values; none, if empty",
        },
        {
            "type": "object",
            "properties": {
                "last": {"type": "string", "pattern": DURATION_PATTERN},
                "step": {"type": "string", "pattern": DURATION_PATTERN},
            },
            "required": ["last"],
            "additionalProperties": False,
            "description": "a window that ends now and moves in steps",
        },
        {
            "type": "object",
            "properties": {"from": _BOUND, "through": _BOUND, "after": _BOUND, "before": _BOUND},
            "minProperties": 1,
            "additionalProperties": False,
            "description": "a range: `from` and `through` include the bound, `after` and `before` do not",
        },
        {
            "type": "object",
            "properties": {"claim": {"type": "string"}, "max_values": {"type": "integer"}},
            "required": ["claim"],
            "additionalProperties": False,
            "description": "the values of a claim of the token",
        },
    ]
}
Scope = dict[Text, Annotated[Any, WithJsonSchema(TERM_SCHEMA)]]
Mask = Annotated[
    Literal["hash", "last4", "year", "null"] | None,
    WithJsonSchema({"enum": ["hash", "last4", "year", "null", None]}),
]
Labels = Annotated[list[Text], Field(min_length=1)]


class GrantPart(Part):
    """Gives access within a scope. Several grants that match combine with OR, each one whole."""

    id: RuleId
    """Unique among all rules; stands in answers and in the audit trail."""
    to: SelectorPart | None = None
    """Who; may be left out where `when` says it."""
    on: On
    """Warehouses, or `all`."""
    scope: Scope
    """A term for each dimension of each of these warehouses."""
    clear: Labels | None = None
    """Labels whose columns are shown as they are."""
    mask: dict[Text, Mask] = {}
    """Label to mask: `hash`, `last4`, `year` or `null`."""
    hide: Labels | None = None
    """Labels whose columns are hidden, as are all that no key of this grant names."""
    when: Text | None = None
    """A CEL condition."""
    valid: ValidityPart | None = None
    """When the grant exists."""


class RestrictionPart(Part):
    """Narrows what the grants gave. Without `to` for everybody, without `on` for every warehouse."""

    id: RuleId
    """Unique among all rules."""
    to: SelectorPart | None = None
    """Who; everybody, if left out."""
    on: On = "all"
    """Warehouses, or `all`."""
    scope: Scope = {}
    """Terms for some dimensions, each of which every one of these warehouses has."""
    mask: dict[Text, Mask] = {}
    """Label to mask."""
    hide: Labels | None = None
    """Labels whose columns are hidden."""
    when: Text | None = None
    """A CEL condition."""


class DenyPart(Part):
    """Ends it, whatever the grants gave. With `to`, `when` or both."""

    id: RuleId
    """Unique among all rules."""
    to: SelectorPart | None = None
    """Who."""
    on: On = "all"
    """Warehouses, or `all`."""
    when: Text | None = None
    """A CEL condition."""


class EdgePart(Part):
    """What `scopegate envoy render` needs beside the warehouses."""

    listen: Text = "0.0.0.0:8443"
    """Where Envoy listens."""
    public_url: Text | None = None
    """Where clients reach it (`https://…`); names the resource in `WWW-Authenticate` (RFC 9728)."""
    certificate: Text = "/etc/scopegate/tls/tls.crt"
    """PEM file of Envoy's certificate chain."""
    private_key: Text = "/etc/scopegate/tls/tls.key"
    """PEM file of its key."""
    client_ca: Text | None = None
    """PEM file of the CAs whose client certificates Envoy lets in."""
    require_client_certificate: bool = False
    """Whether a handshake without a client certificate fails."""
    scopegate: Annotated[list[Text], Field(min_length=1)] = ["unix:/run/scopegate/scopegate.sock"]
    """Addresses of Scopegate's workers: `unix:/path` or `host:port`."""
    upstream_ca: Text = "/etc/ssl/certs/ca-certificates.crt"
    """PEM file of the CAs that vouch for `https` warehouses."""
    cache_directory: Text | None = None
    """An existing directory for shared answers, best in memory (tmpfs). Without one they are in Envoy's own memory."""
    admin: Text = "unix:/run/scopegate/envoy-admin.sock"
    """Envoy's admin interface: a socket or a loopback address."""
    per_address: Rate = RateLimit(requests=200, seconds=1)
    """Requests of one address, counted before authorization."""
    check_timeout: Duration = timedelta(milliseconds=500)
    """How long Envoy waits for a decision, 10ms to 30s; then it answers 503."""


class Document(Part):
    """A Scopegate policy."""

    version: Literal[1]
    """The version of this format. In a directory of files at least one says it."""
    issuers: dict[Name, IssuerPart] = {}
    """Issuers of tokens, by a name of your choice."""
    client_certificates: dict[Name, CertificateTrustPart] = {}
    """Trust in client certificates, by a name of your choice."""
    dimensions: dict[DimensionName, DimensionPart] = {}
    """By what rows are told apart, by a name of your choice."""
    warehouses: dict[Name, WarehousePart] = {}
    """What is protected, by a name of your choice."""
    grants: list[GrantPart] = []
    """Permissive rules (OR)."""
    restrictions: list[RestrictionPart] = []
    """Restrictive rules (AND)."""
    denies: list[DenyPart] = []
    """Rules that end it."""
    edge: EdgePart = EdgePart()
    """The Envoy in front."""
