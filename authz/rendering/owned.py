"""Every name that Scopegate owns or removes, in one place: headers, and the words no dimension may have.

`authz.edge` renders Envoy's early removal and its allow-list of mutations from here, so that what Scopegate
answers and what Envoy accepts cannot drift apart.

Left to Envoy, which sets these itself from the connection and drops what a client sent (`use_remote_address`, no
trusted hops): `x-forwarded-for`, `x-forwarded-proto`, `x-envoy-*` and `x-request-id`. `host`, `:path`, `:method`
and `:scheme` cannot be removed by an answer at all. `connection` and what it names is hop-by-hop and Envoy's.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from authz.policy.policyset import FilterForm, Warehouse
from authz.policy.tables import WarehouseKind
from authz.rendering.rewrites import OWNED_PREFIX

ID: Final = "x-scope-id"
WAREHOUSE: Final = "x-scope-warehouse"
POLICY: Final = "x-scope-policy"
SUBJECT: Final = "x-scope-subject"
ISSUER: Final = "x-scope-issuer"
JSON: Final = "x-scope-json"
SQL: Final = "x-scope-sql"
ASSERTION: Final = "x-scope-assertion"
HIDDEN: Final = "x-scope-hidden"
MASKED: Final = "x-scope-masked"
DECISION_ID: Final = "x-scope-decision-id"

OWNED_PREFIXES: Final = (OWNED_PREFIX,)
"""Every header under one of these is Scopegate's."""

RESERVED_DIMENSIONS: Final = frozenset(
    name.removeprefix(OWNED_PREFIX).replace("-", "_")
    for name in (ID, WAREHOUSE, POLICY, SUBJECT, ISSUER, JSON, SQL, ASSERTION, HIDDEN, MASKED, DECISION_ID)
)
"""Dimensions of these names would have a header (form `values`) that means something else."""

CREDENTIAL_HEADERS: Final = (
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-forwarded-client-cert",
)
"""Read by Scopegate or set by Envoy before the check, so removed by the answer, never earlier.

The warehouse must not be able to use them elsewhere, and Envoy caches nothing that carries `authorization`.
"""

TOKEN_HEADERS: Final = ("cf-access-jwt-assertion",)
"""Where tokens stand that are put into requests on the way, whether the policy reads them there or not."""

OWNED_HEADERS: Final = (
    # Another target or another method than the one that was decided on (oauth2-proxy CVE-2026-40575).
    "x-original-url",
    "x-original-uri",
    "x-original-host",
    "x-original-method",
    "x-rewrite-url",
    "x-override-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    # Another origin: Trino builds `nextUri` from these, and a client would be led astray by it.
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-method",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    # Another address, for warehouses that open by address.
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    # Another identity, for warehouses that were once behind another proxy.
    "remote-user",
    "x-remote-user",
    "x-remote-group",
    "x-webauth-user",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-access-token",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-groups",
    "x-auth-request-access-token",
    # The key with which the edge, and only the edge, opens the warehouse.
    "x-api-key",
)
"""No honest client sends these through: they go before anything sees them, and the answer removes them again."""

REMOVED_HEADERS: Final = (*CREDENTIAL_HEADERS, *TOKEN_HEADERS, *OWNED_HEADERS)
"""What every answer removes, whether the request carried it or not: Envoy need not show Scopegate every header."""

OF_KIND: Final[Mapping[WarehouseKind, tuple[str, ...]]] = {
    # Another schema than that of the views.
    WarehouseKind.POSTGREST: ("accept-profile", "content-profile"),
}
"""Headers that mean something to one kind of warehouse only."""

OF_FORM: Final[Mapping[FilterForm, tuple[str, ...]]] = {
    # Another schema has another table under the same path.
    FilterForm.POSTGREST: ("accept-profile", "content-profile"),
}
"""Headers that mean something to APIs of one query language only."""

TAKES_BEARER: Final = frozenset({WarehouseKind.TRINO, WarehouseKind.POSTGREST, WarehouseKind.CUBE})
"""Kinds that read Scopegate's own token in `authorization`.

INVARIANT: the answer sets that header for them, always, and then must not remove it (Envoy removes last).
"""

PREFIXES_OF_KIND: Final[Mapping[WarehouseKind, tuple[str, ...]]] = {
    # Trino reads its headers under its old name, too, where it is told to.
    WarehouseKind.TRINO: ("x-trino-", "x-presto-"),
    WarehouseKind.CLICKHOUSE: ("x-clickhouse-",),
}
"""Beginnings of headers of which one kind of warehouse reads any, so that each that a client sends is looked at."""

EARLY_OF_KIND: Final[Mapping[WarehouseKind, tuple[str, ...]]] = {
    # Who asks, as what, with what, and in which form the rows come. The answer removes every other name that it does
    # not know, of those that Envoy has shown; these go whatever Envoy shows.
    WarehouseKind.TRINO: (
        "x-trino-user",
        "x-trino-original-user",
        "x-trino-original-role",
        "x-trino-original-roles",
        "x-trino-role",
        "x-trino-session",
        "x-trino-extra-credential",
        "x-trino-resource-estimate",
        "x-trino-path",
        "x-trino-query-data-encoding",
    ),
    WarehouseKind.CLICKHOUSE: (
        "x-clickhouse-user",
        "x-clickhouse-key",
        "x-clickhouse-quota",
        "x-clickhouse-ssl-certificate-auth",
    ),
}
"""Headers of one kind of warehouse that no honest client needs: they go before anything sees them."""

EARLY_PREFIXES_OF_KIND: Final[Mapping[WarehouseKind, tuple[str, ...]]] = {WarehouseKind.TRINO: ("x-presto-",)}

SET_BY_REQUEST: Final[Mapping[WarehouseKind, str]] = {WarehouseKind.TRINO: "x-forwarded-prefix"}
"""What some answers of a kind set and all others remove, so that it is in no list for all of them."""

_REMOVED: Final = frozenset(REMOVED_HEADERS)


def removed_headers(warehouse: Warehouse) -> tuple[str, ...]:
    """What every answer for a warehouse removes: beside the above, wherever the policy lets a token stand."""
    own = (warehouse.token_headers | warehouse.accepts.headers) - _REMOVED
    removed = (*REMOVED_HEADERS, *_particular(warehouse), *sorted(own))
    kept = {SET_BY_REQUEST.get(warehouse.kind), "authorization" if warehouse.kind in TAKES_BEARER else None}
    return tuple(name for name in removed if name not in kept)


def mutable_headers_expression(warehouses: Iterable[Warehouse]) -> str:
    """RE2: every header that an answer may set or remove; Envoy refuses an answer that touches another."""
    known = list(warehouses)
    own = {name for warehouse in known for name in removed_headers(warehouse)} - _REMOVED
    prefixes = {prefix for each in known for prefix in PREFIXES_OF_KIND.get(each.kind, ())}
    names = [*REMOVED_HEADERS, *sorted(own)]
    beginnings = [re.escape(prefix) + "[a-z0-9-]+" for prefix in (OWNED_PREFIX, *sorted(prefixes))]
    return "^(?:" + "|".join([*beginnings, *map(re.escape, names)]) + ")$"


def is_owned(name: str, warehouse: Warehouse) -> bool:
    """Whether a header (lower case) is removed from a client's request to a warehouse."""
    return (
        name.startswith(OWNED_PREFIXES)
        or name in _REMOVED
        or name in warehouse.token_headers
        or name in warehouse.accepts.headers
        or name in _particular(warehouse)
    )


def _particular(warehouse: Warehouse) -> tuple[str, ...]:
    of_form = () if warehouse.filter is None else OF_FORM.get(warehouse.filter.form, ())
    return (*OF_KIND.get(warehouse.kind, ()), *of_form)


def dimension_header(dimension: str) -> str:
    """The header of a dimension in the form `values`."""
    return OWNED_PREFIX + dimension.lower().replace("_", "-")
