"""Outcomes as the check makes them, without a policy."""

from authz.check import Outcome
from authz.errors import Reason
from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.principal import Method, Principal
from authz.policy.decision import Allow, Deny
from authz.policy.policyset import Place, Route, Warehouse
from authz.rendering.rewrites import Rewrites
from authz.scopes.datascope import DataScope
from authz.scopes.rowfilter import EVERYTHING

SALES = Warehouse(
    name="sales",
    routes=(Route(prefix="/api/"), Route(prefix="/api/sales/"), Route(path="/status")),
    upstream="http://warehouse.example:8080",
    columns={},
    labels={},
    accepts=AcceptedCredentials(
        authentication=Authentication.TOKEN, issuers=frozenset({"okta"}), trusts=frozenset()
    ),
    place=Place("policy.yaml", 1, "warehouses.sales"),
)
EMMA = Principal(
    issuer="okta",
    subject="emma",
    methods=frozenset({Method.TOKEN}),
    groups=frozenset({"emea"}),
    expires_at=2e9,
)
NOTHING_MORE = Rewrites(set_headers=(), remove_headers=(), metadata={})


def rewrites(
    *,
    set_headers: tuple[tuple[str, str], ...] = (("x-scope-region", "EU,UK"), ("x-scope-id", "ab12")),
    remove_headers: tuple[str, ...] = ("authorization", "cookie"),
    set_query: tuple[tuple[str, str], ...] = (),
    remove_query: tuple[str, ...] = (),
    path: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Rewrites:
    """Rewrites with something in them."""
    return Rewrites(
        set_headers=set_headers,
        remove_headers=remove_headers,
        set_query=set_query,
        remove_query=remove_query,
        path=path,
        metadata=metadata or {},
    )


def allowed(
    constant: Rewrites | None = None, extra: Rewrites = NOTHING_MORE, *, per_request: bool = False
) -> Outcome:
    """Emma may read sales."""
    return Outcome(
        decision=Allow(
            warehouse=SALES,
            scope=DataScope(rows=EVERYTHING, columns={}, id="5c0e" * 8),
            grants=("emea-analysts",),
            restrictions=("no-pii",),
            valid_until=2e9,
            per_request=per_request,
        ),
        warehouse=SALES,
        principal=EMMA,
        rewrites=constant or rewrites(),
        request_rewrites=extra,
        policy_version="v1",
    )


def denied(reason: Reason = Reason.NO_GRANT, *, principal: Principal | None = None) -> Outcome:
    """Nobody may."""
    return Outcome(
        decision=Deny(reason=reason, detail="for the operator only", rules=("r1",)),
        warehouse=SALES,
        principal=principal,
        rewrites=None,
        request_rewrites=None,
        policy_version="v1",
    )
