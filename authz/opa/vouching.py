"""Who a user of a warehouse is to the policy: a subject of the one issuer that the policy names for it.

The warehouse has authenticated them, and nothing of that is seen here. So it is a decision like any other by
subject and groups, and a denial wherever a rule asks for more (`authz.policy.evaluate`).
"""

import math
from dataclasses import dataclass

from authz.check import Remembered, Snapshot
from authz.errors import Denied, Reason
from authz.identity.principal import Method, Principal
from authz.policy.decision import Decision
from authz.policy.evaluate import evaluate
from authz.policy.policyset import Warehouse
from authz.request import AccessRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Somebody, by the names that a warehouse knows."""

    user: str
    groups: frozenset[str]


def vouching_warehouse(name: str, snapshot: Snapshot) -> tuple[Warehouse, str]:
    """The warehouse, and the configured name of whose people its users are. Raises `Denied(route_unknown)`."""
    warehouse = snapshot.policy.warehouses.get(name)
    issuer = None if warehouse is None else warehouse.trino.opa_issuer
    if warehouse is None or issuer is None:
        raise Denied(Reason.ROUTE_UNKNOWN, "no warehouse of that name has `trino.opa`")
    return warehouse, issuer


def vouched_principal(warehouse: Warehouse, issuer: str, vouched: Vouched, snapshot: Snapshot) -> Principal:
    """The principal, the same object while it is remembered."""
    key = (warehouse.name, vouched)
    known = snapshot.vouched.recall(key)
    if known is None:
        known = snapshot.vouched[key] = Principal(
            issuer=issuer,
            subject=vouched.user,
            methods=frozenset({Method.WAREHOUSE}),
            groups=vouched.groups,
            expires_at=math.inf,
        )
    return known


def decide_vouched(
    warehouse: Warehouse, principal: Principal, request: AccessRequest, snapshot: Snapshot, now: float
) -> tuple[Decision, bool]:
    """What the policy says, and whether it was remembered. Raises `Denied` for whoever is revoked."""
    if snapshot.revocations is None:
        raise Denied(Reason.NOT_READY, "the revocations are not loaded")
    snapshot.revocations.check(principal, now)
    key = (principal, warehouse.name)
    known = snapshot.remembered.recall(key)
    if known is not None and known.valid_from <= now < known.valid_until:
        return known.decision, True
    decision = evaluate(snapshot.policy, principal, warehouse, request, now)
    if not decision.per_request and now < decision.valid_until:
        snapshot.remembered[key] = Remembered(decision, None, now, decision.valid_until)
    return decision, False
