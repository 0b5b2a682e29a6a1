"""The parsed policy: immutable, complete, checked. Everything that a decision needs beside the principal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from authz.guardrails.rules import GuardrailRules
from authz.identity.accepts import AcceptedCredentials
from authz.identity.issuer import Issuer
from authz.identity.trust import CertificateTrust
from authz.policy.tables import SIGNED_FOR, PersonName, Postgrest, Table, Trino, WarehouseKind
from authz.policy.terms import ScopeTerm
from authz.scopes.columns import ColumnMask
from authz.scopes.values import ValueType

if TYPE_CHECKING:
    from authz.policy.conditions import Condition
    from authz.policy.index import RuleIndex
    from authz.policy.routes import RouteTable


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule stands: for messages, `explain` and the audit trail."""

    file: str
    line: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Whom a rule is for. Every key that is named (not None) must hold; any one of its values suffices.

    An empty set holds for nobody. `spiffe` values are exact IDs or end in `/*` (whole path segments).
    """

    groups: frozenset[str] | None = None
    subjects: frozenset[str] | None = None
    issuers: frozenset[str] | None = None
    spiffe: frozenset[str] | None = None
    dns: frozenset[str] | None = None
    emails: frozenset[str] | None = None
    certificates: frozenset[str] | None = None
    """Names of `client_certificates` entries."""

    @property
    def names_token(self) -> bool:
        """Whether the selector asks for a fact of a token."""
        return self.groups is not None or self.subjects is not None or self.issuers is not None

    @property
    def names_certificate(self) -> bool:
        """Whether the selector asks for a fact of a certificate."""
        return any(part is not None for part in (self.spiffe, self.dns, self.emails, self.certificates))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Permissive: gives the principals of `to` access to the warehouses of `on` within `scope`.

    `scope` names every dimension of every warehouse of `on`. `columns` treats labels; a label that is not
    named is hidden. A grant that names only facts of a certificate speaks for a machine: it does not apply
    where a person's token is presented beside the certificate, or a viewer behind a BI server would be given
    what the server's own extract job may see.
    """

    id: str
    to: Selector
    on: frozenset[str]
    scope: Mapping[str, ScopeTerm]
    columns: Mapping[str, ColumnMask]
    when: "Condition | None" = None
    valid_from: float | None = None
    """Seconds since the epoch; the grant does not exist before."""
    valid_until: float | None = None
    """Seconds since the epoch; the grant does not exist from then on."""
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """Restrictive: narrows (AND) what the grants gave; never grants. `to` None is everybody."""

    id: str
    to: Selector | None
    on: frozenset[str]
    scope: Mapping[str, ScopeTerm]
    columns: Mapping[str, ColumnMask]
    when: "Condition | None" = None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyRule:
    """Ends the decision for everybody it applies to. `to` None is everybody; then `when` is set."""

    id: str
    to: Selector | None
    on: frozenset[str]
    when: "Condition | None" = None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    name: str
    type: ValueType


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Requests that belong to a warehouse. Exactly one of `prefix` and `path` is set.

    A prefix without a trailing slash matches whole segments: `/api` is `/api` and `/api/x`, never `/apiary`.
    Empty `hosts` is every host; empty `methods` is GET, HEAD and POST.
    """

    prefix: str | None = None
    path: str | None = None
    hosts: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset({"GET", "HEAD", "POST"})


class HeaderForm(StrEnum):
    """The forms in which generic headers carry a scope."""

    VALUES = "values"
    """One header a dimension, `x-scope-region: EU,UK`. Cannot express OR of ANDs: refused then."""
    JSON = "json"
    SQL = "sql"
    ASSERTION = "assertion"
    """Signed, for a warehouse that must be able to tell who wrote it."""


class FilterForm(StrEnum):
    """The query languages of APIs in which a row filter can be said in the query."""

    POSTGREST = "postgrest"
    """`and=(region.in.("EU","UK"))`."""
    ODATA = "odata"
    """`$filter=(Region eq 'EU')`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRule:
    """How a row filter is said in the query. A client's own parameters are then let through by allow-list."""

    form: FilterForm
    next_links: bool = False
    """Whether the API applies `$filter` where `$skiptoken` is given, so that its next links may be followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A token bucket: `requests` each `seconds`."""

    requests: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRule:
    """The shared edge cache for a warehouse. `vary` names request headers that the answer depends on (lower case)."""

    ttl_seconds: int
    vary: tuple[str, ...] = ("accept", "accept-language")


@dataclass(frozen=True, slots=True, kw_only=True)
class Warehouse:
    """An upstream, the requests that belong to it, and how it takes a scope."""

    name: str
    routes: tuple[Route, ...]
    upstream: str
    """`http://host:port` or `https://host:port`; where Envoy connects to."""
    columns: Mapping[str, str]
    """Dimension name to column name; empty where `tables` say it."""
    labels: Mapping[str, str]
    """Column name to label; empty where `tables` say it."""
    accepts: AcceptedCredentials
    kind: WarehouseKind = WarehouseKind.HTTP
    tables: Mapping[str, Table] = field(default_factory=dict)
    """By name. Without any the warehouse is one table, as `columns` and `labels` say."""
    user: PersonName = field(default_factory=PersonName)
    """What the warehouse is told of who asks, where it knows people by name."""
    postgrest: Postgrest = field(default_factory=Postgrest)
    """For that kind."""
    trino: Trino = field(default_factory=Trino)
    """For that kind."""
    guardrails: GuardrailRules | None = None
    """What may be asked of it in SQL; None where it is not asked in SQL, or where the policy says `off`."""
    dialect: str = "ansi"
    """A SQLGlot dialect (or `ansi`) for the SQL predicate."""
    headers: tuple[HeaderForm, ...] = (HeaderForm.JSON, HeaderForm.SQL)
    query: Mapping[str, str] = field(default_factory=dict)
    """Dimension name to query parameter name, for warehouses that take plain parameters."""
    filter: FilterRule | None = None
    """For warehouses that take the whole row filter in a query language of their own."""
    identity_headers: bool = True
    """Whether the warehouse is told who asks; off when its answers are shared through the cache."""
    cache: CacheRule | None = None
    per_principal: RateLimit | None = None
    upstream_api_key_file: str | None = None
    token_headers: frozenset[str] = frozenset()
    """Headers that tokens stand in for any warehouse of the policy: none of them reaches this one."""
    place: Place

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions that every grant must name, in the order in which they are written."""
        of_tables = (name for table in self.tables.values() for name in (*table.columns, *table.unfiltered))
        return tuple(dict.fromkeys((*self.columns, *of_tables)))

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels that columns carry, sorted."""
        of_tables = (label for table in self.tables.values() for label in table.labels.values())
        return tuple(sorted({*self.labels.values(), *of_tables}))

    @property
    def takes_assertion(self) -> bool:
        """Whether something is signed for it, so that it cannot do without keys."""
        return HeaderForm.ASSERTION in self.headers or self.kind in SIGNED_FOR


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionRule:
    """The `assertion:` section: what Scopegate signs with, and for how long."""

    issuer: str
    """The `iss` of everything that is signed."""
    key_files: tuple[str, ...]
    """PEM files of private keys, all of which are published."""
    signs: str
    """The one of them that signs."""
    algorithm: str | None = None
    """What the key that signs has to be for; None takes what it is for."""
    ttl_seconds: int = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """A whole policy. `version` is a hash of its content: equal text of rules, equal version."""

    version: str
    issuers: Mapping[str, Issuer]
    trusts: Mapping[str, CertificateTrust]
    dimensions: Mapping[str, Dimension]
    warehouses: Mapping[str, Warehouse]
    grants: tuple[Grant, ...]
    restrictions: tuple[Restriction, ...]
    denies: tuple[DenyRule, ...]
    edge: "EdgeSettings"
    routes: "RouteTable"
    index: "RuleIndex"
    also_record: tuple[str, ...] = ()
    """Facts for the audit trail beside those that the rules read: `principal.claims.email`."""
    assertion: AssertionRule | None = None
    """None where nothing is signed."""
    revocations: str | None = None
    """The file of revocations. What it says is no part of the policy: it changes alone."""
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where issuers, client certificates and dimensions stand (`issuers.okta`), and sections that are written (`edge`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSettings:
    """The `edge:` section: what the rendered Envoy configuration needs beside the warehouses."""

    listen: str = "0.0.0.0:8443"
    public_url: str | None = None
    """Where clients reach the edge; names the resource in RFC 9728 metadata and in `WWW-Authenticate`."""
    certificate: str = "/etc/scopegate/tls/tls.crt"
    private_key: str = "/etc/scopegate/tls/tls.key"
    client_ca: str | None = None
    """PEM file of the CAs whose client certificates Envoy lets in; needed where a warehouse takes certificates."""
    require_client_certificate: bool = False
    forward_client_chain: bool = False
    """Whether Envoy tells Scopegate what a client sends along with its certificate."""
    scopegate: tuple[str, ...] = ("unix:/run/scopegate/scopegate.sock",)
    """Addresses of Scopegate's workers: `unix:/path` or `host:port`."""
    admin: str = "unix:/run/scopegate/envoy-admin.sock"
    per_address: RateLimit = RateLimit(requests=200, seconds=1)
    check_timeout_seconds: float = 0.5
    upstream_ca: str = "/etc/ssl/certs/ca-certificates.crt"
    """PEM file of the CAs that vouch for `https` warehouses; by default the system's of Debian, Ubuntu and Alpine."""
    cache_directory: str | None = None
    """An existing directory for shared answers, best in memory (tmpfs): then their size has a bound. Without one
    they are kept in Envoy's own memory, all of them until it ends."""
