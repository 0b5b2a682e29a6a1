"""The policy file as pydantic types: the shape of what a person writes, with the words of the reference.

Only the shape: names that must exist elsewhere, values that must suit a dimension and all that needs two
places at once stand in `authz.policy.sections`. The docstrings are the reference (docs/policy.md) and the help
of editors (docs/policy.schema.json).
"""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from authz.policy.fields import DimensionName, Duration, Maybe, Name, Part, Rate, Text
from authz.policy.guardrailsparts import Guardrails
from authz.policy.identityparts import IssuerPart, PlaceInRequest
from authz.policy.policyset import RateLimit
from authz.policy.ruleparts import DenyPart, GrantPart, RestrictionPart


class CertificateTrustPart(Part):
    """Whose client certificates are believed."""

    roots: Text
    """PEM file of the CA certificates; with `identity: spiffe`, a SPIFFE bundle (JSON) will do, too."""
    identity: Literal["spiffe", "dns", "email"]
    """The kind of subject alternative name that says who it is."""
    trust_domain: Maybe[Text] = None
    """The only SPIFFE trust domain that these roots vouch for; with `identity: spiffe`, and only there."""
    intermediates: Maybe[Text] = None
    """PEM file of intermediate CA certificates that clients do not send along."""
    crls: Maybe[Annotated[list[Text], Field(min_length=1)]] = None
    """Files with revocation lists of these CAs, PEM or DER. Without them revocation is not looked at."""
    crl_check: Maybe[Literal["leaf", "chain"]] = None
    """Whose revocation must be known: the client's (`leaf`, if left out), or that of the CAs above it, too."""


class DimensionPart(Part):
    """One thing by which rows are told apart."""

    type: Literal["string", "integer", "decimal", "date", "timestamp", "boolean"]
    """The type of its values."""


class RoutePart(Part):
    """Requests that belong to the warehouse. The longest match of all routes wins."""

    prefix: Maybe[Text] = None
    """Whole path segments: `/api` is `/api` and `/api/x`, never `/apiary`. One of `prefix` and `path` is set."""
    path: Maybe[Text] = None
    """Exactly this path."""
    hosts: Maybe[Annotated[list[Text], Field(min_length=1)]] = None
    """Exact host names without port; every host, if left out."""
    methods: Annotated[list[Text], Field(min_length=1)] = Field(default=["GET", "HEAD", "POST"])
    """Accepted methods."""


class CachePart(Part):
    """The shared edge cache: equal scope, warehouse and policy share an answer."""

    ttl: Duration
    """How long an answer may be shared, 1s to 7d. Also the longest time for which a changed row stays unseen."""
    vary: list[Text] = Field(default=["accept", "accept-language"])
    """Request headers that the answer depends on, too."""


class LimitsPart(Part):
    """Rate limits behind the authorization."""

    per_principal: Maybe[Rate] = None
    """Requests of one person or machine."""


class TablePart(Part):
    """A table that may be seen; tables that are not named are closed."""

    columns: dict[Text, Text] = Field(default={})
    """Dimension to column."""
    unfiltered: list[Text] = Field(default=[])
    """Dimensions of other tables by which the rows of this one are not told apart: everybody sees them all."""
    labels: dict[Text, Name] = Field(default={})
    """Column to label."""


class PersonNamePart(Part):
    """The name of a person at a warehouse that knows people by name."""

    claim: Maybe[Text] = None
    """The claim that holds it; the subject, if left out."""
    qualified: bool = False
    """Whether the configured name of the issuer stands in front, `okta:emma`. Needed where there are several."""


class FilterPart(Part):
    """The row filter, said in the query language of an API: docs/warehouses.md. Open is reading whole collections only."""

    form: Literal["postgrest", "odata"]
    """`postgrest`: `and=(…)`. `odata`: `$filter=…`."""
    next_links: bool = False
    """For `odata`: whether `$skiptoken` is let through. Only for an API that applies `$filter` beside it, too."""


class PostgrestPart(Part):
    """The database behind a PostgREST, as `scopegate render postgres` writes it."""

    view_schema: Text = "scopegate_api"
    """The schema of the views that PostgREST shows: its `db-schemas`, alone."""
    role: Text = "scopegate_reader"
    """The role as which PostgREST asks: it may read the views and nothing else."""
    owner: Text = "scopegate_owner"
    """The role that the views belong to: row-level security holds for it."""


class OpaPart(Part):
    """Answers for Trino's OPA plugin, about people who reach Trino by other ways than Envoy."""

    issuer: Text
    """The issuer whose subjects and groups Trino's users and groups are."""


class TrinoPart(Part):
    """The Trino behind."""

    proxy: Text = "scopegate-proxy"
    """The user as whom Scopegate's own token logs in: it may ask in people's names, and has no rights of its own."""
    opa: Maybe[OpaPart] = None
    """Trino's OPA plugin is answered at `scopegate serve --opa`; it is not, if left out."""


class WarehousePart(Part):
    """An upstream, the requests that belong to it, and how it takes a scope."""

    kind: Literal["http", "trino", "clickhouse", "postgrest", "cube"] = "http"
    """How it takes a scope: `http` obeys headers or parameters."""
    routes: Annotated[list[RoutePart], Field(min_length=1)]
    """Which requests are for it."""
    upstream: Text
    """`http://host:port` or `https://host:port`: where Envoy connects to."""
    columns: dict[Text, Text] = Field(default={})
    """Dimension to column, for a warehouse of one table. Every grant for it names each of these dimensions."""
    tables: dict[Text, TablePart] = Field(default={})
    """The tables, in place of `columns` and `labels`. Every grant names each dimension that any of them has."""
    labels: dict[Text, Name] = Field(default={})
    """Column to label. A labelled column is hidden, unless a grant clears or masks its label."""
    user: Maybe[PersonNamePart] = None
    """What the warehouse is told of who asks, for the kinds that know people by name; the subject, if left out."""
    postgrest: Maybe[PostgrestPart] = None
    """For `kind: postgrest`: names in the database."""
    trino: Maybe[TrinoPart] = None
    """For `kind: trino`: names in Trino."""
    guardrails: Maybe[Guardrails] = None
    """What statements in SQL may ask, for `trino` and `clickhouse`: on, with safe defaults, if left out; or `off`."""
    authentication: Maybe[Literal["token", "certificate", "any", "both"]] = None
    """What a caller presents. `any`, if both issuers and client certificates are configured, else the one that is."""
    issuers: Maybe[Annotated[list[Text], Field(min_length=1)]] = None
    """Whose tokens are taken; all issuers, if left out."""
    certificates: Maybe[Annotated[list[Text], Field(min_length=1)]] = None
    """Which `client_certificates` are taken; all, if left out."""
    credentials: Maybe[Annotated[list[PlaceInRequest], Field(min_length=1)]] = None
    """Where a token may stand, in one place at a time; where the presets of its issuers put it, if left out."""
    dialect: Text = "ansi"
    """The SQL dialect of the predicate."""
    headers: list[Literal["values", "json", "sql", "assertion"]] = Field(default=["json", "sql"])
    """Forms of the scope in request headers. `values` cannot say `(A and B) or (C and D)`: such requests are refused.
    `assertion` is signed."""
    query: dict[Text, Text] = Field(default={})
    """Dimension to query parameter, for a warehouse that takes plain parameters."""
    filter: Maybe[FilterPart] = None
    """The row filter in the query language of the API, for a warehouse that speaks one; not beside `query`."""
    identity_headers: Maybe[bool] = None
    """Whether the warehouse is told who asks; yes, unless its answers are shared through the cache."""
    cache: Maybe[CachePart] = None
    """The shared cache; none, if left out."""
    limits: LimitsPart = LimitsPart()
    """Rate limits."""
    upstream_api_key_file: Maybe[Text] = None
    """A file with the credential that Envoy presents to the warehouse; no analyst ever holds it."""


class EdgePart(Part):
    """What `scopegate envoy render` needs beside the warehouses."""

    listen: Text = "0.0.0.0:8443"
    """Where Envoy listens."""
    public_url: Maybe[Text] = None
    """Where clients reach it (`https://…`); names the resource in `WWW-Authenticate` (RFC 9728)."""
    certificate: Text = "/etc/scopegate/tls/tls.crt"
    """PEM file of Envoy's certificate chain."""
    private_key: Text = "/etc/scopegate/tls/tls.key"
    """PEM file of its key."""
    client_ca: Maybe[Text] = None
    """PEM file of the CAs whose client certificates Envoy lets in."""
    require_client_certificate: bool = False
    """Whether a handshake without a client certificate fails."""
    forward_client_chain: bool = False
    """Whether Envoy tells Scopegate the intermediate certificates that a client sends along with its own."""
    scopegate: Annotated[list[Text], Field(min_length=1)] = Field(
        default=["unix:/run/scopegate/scopegate.sock"]
    )
    """Addresses of Scopegate's workers: `unix:/path` or `host:port`."""
    upstream_ca: Text = "/etc/ssl/certs/ca-certificates.crt"
    """PEM file of the CAs that vouch for `https` warehouses."""
    cache_directory: Maybe[Text] = None
    """An existing directory for shared answers, best in memory (tmpfs). Without one they are in Envoy's own memory."""
    admin: Text = "unix:/run/scopegate/envoy-admin.sock"
    """Envoy's admin interface: a socket or a loopback address."""
    per_address: Rate = RateLimit(requests=200, seconds=1)
    """Requests of one address, counted before authorization."""
    check_timeout: Duration = timedelta(milliseconds=500)
    """How long Envoy waits for a decision, 10ms to 30s; then it answers 503."""


class AssertionPart(Part):
    """What Scopegate signs for warehouses that must be able to tell who wrote a scope: docs/warehouses.md."""

    keys: Annotated[list[Text], Field(min_length=1)]
    """PEM files of private keys, P-256 (ES256) or RSA (RS256), that not everybody may read; read again when they
    change. All are published at `/.well-known/jwks.json`, the first signs."""
    sign_with: Maybe[Text] = None
    """The one of `keys` that signs, if it is not the first."""
    algorithm: Maybe[Literal["ES256", "RS256"]] = None
    """What the warehouses expect: a key of the other kind does not sign. What the key is for, if left out."""
    issuer: Maybe[Text] = None
    """The `iss` of what is signed; the edge's `public_url`, if left out."""
    ttl: Duration = timedelta(minutes=2)
    """How long it holds, 10s to 10m. Signed anew after half of that."""


class RevocationsPart(Part):
    """What is revoked now, in a file of its own."""

    file: Text
    """Read again as soon as it changes, without the policy."""


class AuditPart(Part):
    """What the audit trail holds beside what the policy reads."""

    also_record: list[Text] = Field(default=[])
    """`principal.groups` (all of them), `principal.claims` (all), `principal.claims.NAME`, `request.path`."""


class Document(Part):
    """A Scopegate policy."""

    version: Literal[1]
    """The version of this format. In a directory of files at least one says it."""
    issuers: dict[Name, IssuerPart] = Field(default={})
    """Issuers of tokens, by a name of your choice."""
    client_certificates: dict[Name, CertificateTrustPart] = Field(default={})
    """Trust in client certificates, by a name of your choice."""
    dimensions: dict[DimensionName, DimensionPart] = Field(default={})
    """By what rows are told apart, by a name of your choice."""
    warehouses: dict[Name, WarehousePart] = Field(default={})
    """What is protected, by a name of your choice."""
    grants: list[GrantPart] = Field(default=[])
    """Permissive rules (OR)."""
    restrictions: list[RestrictionPart] = Field(default=[])
    """Restrictive rules (AND)."""
    denies: list[DenyPart] = Field(default=[])
    """Rules that end it."""
    assertion: Maybe[AssertionPart] = None
    """What is signed, and with which keys."""
    revocations: Maybe[RevocationsPart] = None
    """People, tokens, certificates and issuers that are blocked at once."""
    edge: EdgePart = EdgePart()
    """The Envoy in front."""
    audit: AuditPart = AuditPart()
    """The audit trail."""
