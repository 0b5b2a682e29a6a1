"""A decision becomes rewrites of the request: what is the same for every request, and what one request needs.

The only place that tells the kinds of warehouses apart; each has a module in `authz.rendering.targets`.
"""

from typing import assert_never

from authz.identity.principal import Principal
from authz.policy.decision import Allow
from authz.policy.tables import WarehouseKind
from authz.rendering.circumstances import Circumstances
from authz.rendering.rewrites import Rewrites
from authz.rendering.targets import clickhouse, cube, generic, postgrest, trino
from authz.request import AccessRequest
from authz.signing.keys import SigningKeys


def render(allow: Allow, principal: Principal, circumstances: Circumstances) -> Rewrites:
    """What every request of a principal to a warehouse needs: the scope in, everything owned out.

    Raises `Denied`: `scope_not_expressible` if the warehouse cannot be told the scope exactly (never a wider
    approximation), `scope_too_large`, `not_ready` if something has to be signed and there are no keys.
    """
    match allow.warehouse.kind:
        case WarehouseKind.HTTP:
            return generic.render(allow, principal, circumstances)
        case WarehouseKind.POSTGREST:
            return postgrest.render(allow, principal, circumstances)
        case WarehouseKind.CUBE:
            return cube.render(allow, principal, circumstances)
        case WarehouseKind.TRINO:
            return trino.render(allow, principal, circumstances)
        case WarehouseKind.CLICKHOUSE:
            return clickhouse.render(allow, principal, circumstances)
        case kind:
            assert_never(kind)


def render_request(
    allow: Allow,
    principal: Principal,
    request: AccessRequest,
    policy_version: str,
    signing: SigningKeys | None,
) -> Rewrites:
    """What this request needs beside `render`: runs on every request.

    Raises `Denied`: `request_ambiguous` for a client's owned query parameter in any spelling, and for an owned
    header written with underscores; `route_unknown`, `method_denied`,
    `parameter_denied` and `query_foreign` for what a kind keeps closed.
    """
    match allow.warehouse.kind:
        case WarehouseKind.HTTP:
            return generic.render_request(allow, request, policy_version)
        case WarehouseKind.POSTGREST:
            return postgrest.render_request(allow, request)
        case WarehouseKind.CUBE:
            return cube.render_request(allow, request)
        case WarehouseKind.TRINO:
            return trino.render_request(allow, principal, request, signing)
        case WarehouseKind.CLICKHOUSE:
            return clickhouse.render_request(allow, request)
        case kind:
            assert_never(kind)
