"""Trino's side of a scope: what it must be told so that its plugin is asked, and nobody gets around it."""

from typing import Final

from authz.edge.messages import EdgeError
from authz.policy.policyset import PolicySet, Warehouse
from authz.rendering.targets.trino import login_audience

_CONFIG: Final = """\
# For Trino's etc/config.properties, rendered by `scopegate render trino` for the warehouse {warehouse}.
# Trino must be reachable by Envoy only: whoever reaches it otherwise can read on any query whose address he has.

# Envoy ends TLS, and says so; the prefix that binds a query to who asked comes the same way.
http-server.process-forwarded=true

# Scopegate logs in as {proxy}, who has no rights of its own. Beside JWT may stand how your own services log in.
http-server.authentication.type=JWT
http-server.authentication.jwt.key-file={jwks}
http-server.authentication.jwt.required-issuer={issuer}
http-server.authentication.jwt.required-audience={audience}

# The assertion is longer than the 8 kB that Trino takes by default.
http-server.max-request-header-size=32kB

# Drivers send prepared statements as they are, so that they can be examined.
protocol.v1.prepared-statement-compression.length-threshold=1048576

# `SELECT *` leaves hidden columns out, instead of failing.
hide-inaccessible-columns=true

# Spooled segments are read by whoever has their address.
protocol.spooling.enabled=false
"""

_ACCESS: Final = """\
# Trino's etc/access-control.properties, rendered by `scopegate render trino` for the warehouse {warehouse}.
# The plugin is the directory trino-plugin/target/scopegate, copied to Trino's plugin directory.
access-control.name=scopegate
scopegate.warehouse={warehouse}
scopegate.issuer={issuer}
scopegate.jwks-uri={jwks}
scopegate.proxy-user={proxy}

# Users who log in at Trino themselves and may do everything, such as the one who loads the data; nobody else sees
# anything without an assertion.
# scopegate.trusted-users=loader

# At least 32 random bytes, the same on every node, for the mask `hash`; without it, what is to be hashed is NULL.
# scopegate.hash-key-file=/etc/trino/scopegate-hash.key
"""


_OPA: Final = """\
# Trino's etc/access-control.properties, rendered by `scopegate render trino` for the warehouse {warehouse}, where people
# reach Trino by other ways than Envoy: Trino's own OPA plugin asks Scopegate. A Trino has this file or the other one.
# Its users and groups are held against the policy as subjects and groups of {issuer}; what Trino is not told of
# somebody's groups (etc/group-provider.properties) no rule can know.
access-control.name=opa

# INVARIANT: all of these, or Trino filters no rows, or masks no columns, and says nothing.
opa.policy.uri={opa}/allow
opa.policy.batched-uri={opa}/batch
opa.policy.row-filters-uri={opa}/row-filters
opa.policy.column-masking-uri={opa}/column-mask
opa.policy.batch-column-masking-uri={opa}/column-masks

# GRANT, roles and the like are not asked about: they stay closed.
opa.allow-permission-management-operations=false
"""


def trino_files(policy: PolicySet, warehouse: Warehouse, jwks: str, opa: str | None = None) -> dict[str, str]:
    """The files for a warehouse of kind `trino`, by name; `jwks` is the URL of Scopegate's published keys.

    With `opa`, the URL of `scopegate serve --opa`, also what a Trino is told that asks there. Raises `EdgeError`.
    """
    if policy.assertion is None:
        raise EdgeError("assertion: missing; Trino believes a scope for its signature")
    if not _is_url(jwks, "http://", "https://", "file:/"):
        raise EdgeError(
            f"jwks-uri: got `{jwks}`, expected a URL such as `https://scopegate:9090/.well-known/jwks.json`"
        )
    facts = {
        "warehouse": warehouse.name,
        "proxy": warehouse.trino.proxy,
        "issuer": policy.assertion.issuer,
        "audience": login_audience(warehouse),
        "jwks": jwks,
    }
    files = {
        "config.properties": _CONFIG.format(**facts),
        "access-control.properties": _ACCESS.format(**facts),
    }
    if opa is not None:
        files["access-control-opa.properties"] = _opa_file(warehouse, opa)
    return files


def _opa_file(warehouse: Warehouse, opa: str) -> str:
    issuer = warehouse.trino.opa_issuer
    if issuer is None:
        raise EdgeError(
            f"warehouses.{warehouse.name}.trino.opa: missing; say whose people the users of Trino are"
        )
    if not _is_url(opa, "http://", "https://") or "?" in opa or "#" in opa:
        raise EdgeError(f"opa-uri: got `{opa}`, expected a URL such as `http://scopegate:8181`")
    return _OPA.format(
        warehouse=warehouse.name, issuer=issuer, opa=f"{opa.rstrip('/')}/v1/opa/{warehouse.name}"
    )


def _is_url(text: str, *schemes: str) -> bool:
    return text.isprintable() and " " not in text and text.startswith(schemes)
