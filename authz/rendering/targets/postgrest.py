"""Kind `postgrest`: a PostgreSQL whose row-level security reads the claims of the token that PostgREST has verified.

The token is Scopegate's own, signed, and replaces whatever the client sent in `authorization`. What the database
makes of the claims, `scopegate render postgres` writes. Nothing is rewritten in the query: filters, orders and
embedded tables that a client asks for are answered from the views, within the scope.
"""

from typing import Final

from authz.errors import Denied, Reason
from authz.identity.principal import Principal
from authz.policy.decision import Allow
from authz.rendering.circumstances import Circumstances
from authz.rendering.person import person_name
from authz.rendering.rewrites import Rewrites
from authz.rendering.targets.common import bearer, removals_only
from authz.request import AccessRequest
from authz.scopes.datascope import DataScope
from authz.scopes.rowfilter import Where, to_json

CLAIMS_FORMAT: Final = 1

MAX_ALTERNATIVES: Final = 8
"""Alternatives of a row filter that the policies in the database look at."""

METHODS: Final = frozenset({"GET", "HEAD"})


def render(allow: Allow, principal: Principal, circumstances: Circumstances) -> Rewrites:
    """What `authz.rendering.render.render` says, for this kind."""
    warehouse = allow.warehouse
    claims: dict[str, object] = {
        **scope_claims(allow.scope),
        "aud": warehouse.name,
        "policy": circumstances.policy_version,
        "role": warehouse.postgrest.role,
        "sub": person_name(warehouse, principal),
    }
    return bearer(allow, principal, circumstances, claims)


def scope_claims(scope: DataScope) -> dict[str, object]:
    """The claims that the database's policies read. Raises `Denied(scope_not_expressible)`."""
    if isinstance(scope.rows, Where) and len(scope.rows.disjuncts) > MAX_ALTERNATIVES:
        raise Denied(
            Reason.SCOPE_NOT_EXPRESSIBLE,
            f"{len(scope.rows.disjuncts)} alternatives, the policies in the database look at {MAX_ALTERNATIVES}",
        )
    return {
        "format": CLAIMS_FORMAT,
        "labels": {label: mask.value for label, mask in scope.labels.items()},
        "rows": to_json(scope.rows),
        "scope_id": scope.id,
    }


def render_request(allow: Allow, request: AccessRequest) -> Rewrites:
    """What `authz.rendering.render.render_request` says, for this kind.

    Open are the views of the tables that the policy names. Closed is all else: functions (`/rpc/…`) may do as
    whoever wrote them pleases, and the root lists what there is.
    """
    views = {name.rpartition(".")[2] for name in allow.warehouse.tables}
    if request.path.removeprefix("/") not in views:
        raise Denied(Reason.ROUTE_UNKNOWN, "the path is no table of the policy")
    if request.method not in METHODS:
        raise Denied(Reason.METHOD_DENIED, f"`{request.method}`, where only reading is open")
    return removals_only(allow.warehouse, request)
