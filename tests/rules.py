"""Policies, principals and requests from values, for tests that are about deciding and not about parsing."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.principal import CertificateIdentity, Claims, Method, Principal
from authz.policy.conditions import compile_condition
from authz.policy.index import RuleIndex
from authz.policy.policyset import (
    DenyRule,
    Dimension,
    EdgeSettings,
    Grant,
    Place,
    PolicySet,
    Restriction,
    Route,
    Selector,
    Warehouse,
)
from authz.policy.routes import RouteTable
from authz.policy.terms import ALL_VALUES, Fixed, FromClaim, Last, ScopeTerm
from authz.request import AccessRequest
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import one_of
from authz.scopes.values import ValueType

NOON = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC).timestamp()
"""The time of a test that does not care."""

PLACE = Place(file="test.yaml", line=1, path="test")
ANYBODY = AcceptedCredentials(
    authentication=Authentication.ANY, issuers=frozenset({"okta", "entra"}), trusts=frozenset({"extracts"})
)
ANALYSTS = Selector(groups=frozenset({"analysts"}))
DIMENSIONS = {
    "region": ValueType.STRING,
    "product": ValueType.STRING,
    "ordered_at": ValueType.DATE,
    "seen_at": ValueType.TIMESTAMP,
    "store": ValueType.INTEGER,
}


def some(*values: str | int) -> Fixed:
    """A term of listed values; of none, it selects nothing."""
    return Fixed(one_of(values))


def claim(path: str, max_values: int = 1_000) -> FromClaim:
    return FromClaim(tuple(path.split(".")), max_values)


def last(*, step: timedelta = timedelta(days=1), **window: float) -> Last:
    return Last(timedelta(**window), step)


def to(**keys: Iterable[str]) -> Selector:
    """A selector: `to(groups=["a"])`."""
    return Selector(**{name: frozenset(values) for name, values in keys.items()})


def masks(**labels: str) -> dict[str, ColumnMask]:
    return {label: ColumnMask(mask) for label, mask in labels.items()}


def grant(
    name: str = "g",
    to: Selector = ANALYSTS,
    *,
    on: Iterable[str] = ("sales",),
    when: str | None = None,
    columns: Mapping[str, ColumnMask] | None = None,
    valid_from: float | None = None,
    valid_until: float | None = None,
    **scope: ScopeTerm,
) -> Grant:
    """A grant; `region` is `all` unless it is said."""
    return Grant(
        id=name,
        to=to,
        on=frozenset(on),
        scope=scope or {"region": ALL_VALUES},
        columns=columns or {},
        when=None if when is None else compile_condition(when),
        valid_from=valid_from,
        valid_until=valid_until,
        place=PLACE,
    )


def restriction(
    name: str = "r",
    to: Selector | None = None,
    *,
    on: Iterable[str] = ("sales",),
    when: str | None = None,
    columns: Mapping[str, ColumnMask] | None = None,
    **scope: ScopeTerm,
) -> Restriction:
    return Restriction(
        id=name,
        to=to,
        on=frozenset(on),
        scope=scope,
        columns=columns or {},
        when=None if when is None else compile_condition(when),
        place=PLACE,
    )


def deny(
    name: str = "d", to: Selector | None = None, *, on: Iterable[str] = ("sales",), when: str | None = None
) -> DenyRule:
    condition = None if when is None else compile_condition(when)
    return DenyRule(id=name, to=to, on=frozenset(on), when=condition, place=PLACE)


def warehouse(
    name: str = "sales",
    *routes: Route,
    columns: Iterable[str] = ("region",),
    labels: Mapping[str, str] | None = None,
) -> Warehouse:
    """A warehouse whose columns are called like its dimensions."""
    return Warehouse(
        name=name,
        routes=routes or (Route(prefix=f"/{name}/"),),
        upstream="http://warehouse:8080",
        columns={column: column for column in columns},
        labels={"email": "pii"} if labels is None else labels,
        accepts=ANYBODY,
        place=PLACE,
    )


def policy(
    *rules: Grant | Restriction | DenyRule, warehouses: Iterable[Warehouse] = (warehouse(),)
) -> PolicySet:
    """A policy of rules in this order."""
    grants = tuple(rule for rule in rules if isinstance(rule, Grant))
    restrictions = tuple(rule for rule in rules if isinstance(rule, Restriction))
    denies = tuple(rule for rule in rules if isinstance(rule, DenyRule))
    by_name = {each.name: each for each in warehouses}
    return PolicySet(
        version="test",
        issuers={},
        trusts={},
        dimensions={name: Dimension(name=name, type=kind) for name, kind in DIMENSIONS.items()},
        warehouses=by_name,
        grants=grants,
        restrictions=restrictions,
        denies=denies,
        edge=EdgeSettings(),
        routes=RouteTable(by_name.values()),
        index=RuleIndex((*grants, *restrictions, *denies)),
    )


def certificate(
    name: str = "spiffe://acme.example/tableau/extract", trust: str = "extracts"
) -> CertificateIdentity:
    """The certificate of a machine: a SPIFFE ID, else an e-mail address, else a DNS name."""
    spiffe = name.startswith("spiffe://")
    email = not spiffe and "@" in name
    return CertificateIdentity(
        trust=trust,
        name=name,
        spiffe_id=name if spiffe else None,
        email=name if email else None,
        dns_name=None if spiffe or email else name,
        fingerprint="00" * 32,
        serial="1",
        not_after=NOON + 86_400 * 30,
    )


def person(
    subject: str = "ann",
    *,
    issuer: str = "okta",
    groups: Iterable[str] = ("analysts",),
    claims: Mapping[str, object] | None = None,
    beside: CertificateIdentity | None = None,
    expires_at: float = NOON + 3_600,
) -> Principal:
    """Somebody with a token, perhaps with a certificate beside it."""
    methods = {Method.TOKEN} if beside is None else {Method.TOKEN, Method.CERTIFICATE}
    return Principal(
        issuer=issuer,
        subject=subject,
        methods=frozenset(methods),
        groups=frozenset(groups),
        claims=Claims(claims or {}),
        certificate=beside,
        expires_at=expires_at,
    )


def machine(name: str = "spiffe://acme.example/tableau/extract", trust: str = "extracts") -> Principal:
    """A machine with a certificate alone."""
    identity = certificate(name, trust)
    return Principal(
        issuer=trust,
        subject=name,
        methods=frozenset({Method.CERTIFICATE}),
        certificate=identity,
        expires_at=NOON + 3_600,
    )


def get(path: str = "/sales/orders", **changes: object) -> AccessRequest:
    """A GET request."""
    return AccessRequest(**{"method": "GET", "host": "edge.acme.example", "path": path, **changes})  # type: ignore[arg-type]
