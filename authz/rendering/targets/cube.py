"""Kind `cube`: a Cube whose `queryRewrite` reads the security context, the claims of Scopegate's own token.

`scopegate render cube` writes that function. Cube verifies the token by the published keys (`CUBEJS_JWK_URL`).
"""

from typing import Final

from authz.errors import Denied, Reason
from authz.identity.principal import Principal
from authz.policy.decision import Allow
from authz.rendering.assertion import scope_claims
from authz.rendering.circumstances import Circumstances
from authz.rendering.person import person_name
from authz.rendering.rewrites import Rewrites
from authz.rendering.targets.common import bearer, removals_only
from authz.request import AccessRequest

CLAIMS_FORMAT: Final = 1

PATHS: Final = frozenset({"/cubejs-api/v1/load", "/cubejs-api/v1/meta"})
"""What passes through `queryRewrite`, and the list of what may be asked. `/sql` and `/dry-run` would show the filters."""


def render(allow: Allow, principal: Principal, circumstances: Circumstances) -> Rewrites:
    """What `authz.rendering.render.render` says, for this kind."""
    warehouse = allow.warehouse
    claims: dict[str, object] = {
        **scope_claims(warehouse, allow.scope),
        "aud": warehouse.name,
        "format": CLAIMS_FORMAT,
        "policy": circumstances.policy_version,
        "sub": person_name(warehouse, principal),
    }
    return bearer(allow, principal, circumstances, claims)


def render_request(allow: Allow, request: AccessRequest) -> Rewrites:
    """What `authz.rendering.render.render_request` says, for this kind."""
    if request.path not in PATHS:
        raise Denied(Reason.ROUTE_UNKNOWN, "the path is none that answers within a scope")
    return removals_only(allow.warehouse, request)
