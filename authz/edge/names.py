"""Names that several parts of the configuration share."""

LISTENER = "edge"
"""The one for clients; also the prefix of its statistics."""

AUTHZ_CLUSTER = "scopegate"
ADMIN_CLUSTER = "admin"
LIMITS_CLUSTER = "limits"
TRACES_CLUSTER = "traces"

EXT_AUTHZ = "envoy.filters.http.ext_authz"
"""The filter, and the namespace of the dynamic metadata that it writes."""

ADDRESS_LIMIT = "envoy.filters.http.local_ratelimit.address"
PRINCIPAL_LIMIT = "envoy.filters.http.local_ratelimit.principal"
GLOBAL_LIMIT = "envoy.filters.http.ratelimit"
GUARD = "envoy.filters.http.rbac.guard"
CLIENT_HEADERS = "envoy.filters.http.header_mutation.client"
CACHE = "envoy.filters.http.cache_v2"
BINDING = "envoy.filters.http.ext_proc.binding"


def warehouse_cluster(name: str) -> str:
    """One cluster a warehouse, also where two share an upstream: the cluster is part of the cache key."""
    return f"warehouse.{name}"


def statistics_name(warehouse: str) -> str:
    """What a warehouse's cluster is called in metrics: Envoy's label for it ends at the first dot of a name."""
    return f"warehouse-{warehouse}"
