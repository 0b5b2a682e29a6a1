"""One question to a policy, answered offline in the order in which `authz.check` answers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from authz.cli.who import CannotAskError, Proof
from authz.errors import Denied, Reason
from authz.guarding import Statement, examine_asked, refuse_hidden_columns
from authz.guardrails.asked import Asked
from authz.guardrails.examiner import Examiner
from authz.guardrails.rules import Session
from authz.guardrails.trino import STATEMENT
from authz.identity.accepts import AcceptedCredentials
from authz.identity.principal import Method, Principal
from authz.identity.revocations import NOTHING_REVOKED, Revocations
from authz.identity.unaccounted import unaccounted
from authz.policy.decision import Allow, Decision, Deny
from authz.policy.explain import Explanation, explain
from authz.policy.policyset import PolicySet, Route, Warehouse
from authz.policy.tables import WarehouseKind
from authz.rendering.circumstances import unsigned
from authz.rendering.render import render, render_request
from authz.rendering.rewrites import Rewrites
from authz.request import AccessRequest, checked_method, normal_host, split_target
from authz.signing.unsigned import UNSIGNED


class Stage(StrEnum):
    """Where an answer was found."""

    REQUEST = "request"
    IDENTITY = "identity"
    POLICY = "policy"
    STATEMENT = "statement"
    RENDERING = "rendering"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is asked for. Without a `path`, any request to the warehouse; without a `warehouse`, the path decides."""

    warehouse: str | None = None
    method: str | None = None
    host: str | None = None
    path: str | None = None
    headers: Mapping[str, tuple[str, ...]] | None = None
    source_address: str = ""
    statement: str | None = None
    schema: str | None = None
    """What names in the statement are completed with: `catalog.schema`, or a database."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What the check would say, and everything that led to it. `now` is in seconds since the epoch.

    What was not reached is None. `decision` is the final one: a scope that cannot be rendered is denied.
    """

    policy: PolicySet
    now: float
    proof: Proof
    stage: Stage
    decision: Decision
    request: AccessRequest | None = None
    warehouse: Warehouse | None = None
    principal: Principal | None = None
    explanation: Explanation | None = None
    statement: Statement | None = None
    rewrites: Rewrites | None = None
    request_rewrites: Rewrites | None = None

    @property
    def unaccounted_claims(self) -> tuple[str, ...]:
        """Names of the token's claims that neither its issuer's preset nor its configuration knows."""
        principal = self.principal
        issuer = None if principal is None else self.policy.issuers.get(principal.issuer)
        if principal is None or issuer is None or Method.TOKEN not in principal.methods:
            return ()
        return unaccounted(principal.claims, issuer)

    @property
    def reason(self) -> Reason:
        return self.decision.reason if isinstance(self.decision, Deny) else Reason.GRANTED


Identify = Callable[[AcceptedCredentials, float], Principal]
"""Finds out who asks, given what a warehouse accepts and the time. Raises `Denied`."""


def ask(
    policy: PolicySet,
    target: Target,
    identify: Identify,
    proof: Proof,
    now: float,
    *,
    revocations: Revocations = NOTHING_REVOKED,
) -> Answer:
    """Answer one question. Raises `CannotAskError` if it names something that the policy does not have."""
    try:
        request = _request(policy, target)
        warehouse = policy.routes.find(request)
    except Denied as denied:
        return Answer(policy=policy, now=now, proof=proof, stage=Stage.REQUEST, decision=_deny(denied))
    found = Answer(
        policy=policy,
        now=now,
        proof=proof,
        stage=Stage.IDENTITY,
        decision=Deny(reason=Reason.CREDENTIAL_MISSING, detail="nobody asks"),
        request=request,
        warehouse=warehouse,
    )
    try:
        principal = identify(warehouse.accepts, now)
    except Denied as denied:
        return replace(found, decision=_deny(denied))
    try:
        revocations.check(principal, now)
    except Denied as denied:
        return replace(found, principal=principal, decision=_deny(denied))
    explanation = explain(policy, principal, warehouse, request, now)
    decision = explanation.decision
    found = replace(
        found, stage=Stage.POLICY, principal=principal, explanation=explanation, decision=decision
    )
    if not isinstance(decision, Allow):
        return found
    if target.statement is not None:
        found = _examined(found, decision, target.statement, target.schema)
    return _rendered(found, decision, principal, request) if isinstance(found.decision, Allow) else found


def _examined(found: Answer, allow: Allow, text: str, schema: str | None) -> Answer:
    """The statement by the warehouse's guardrails. Raises `CannotAskError` where there are none."""
    rules = allow.warehouse.guardrails
    if rules is None:
        raise CannotAskError(f"--statement: warehouse `{allow.warehouse.name}` has no guardrails")
    catalog, _, name = (schema or "").rpartition(".")
    asked = Asked(statement=text, session=Session(catalog=catalog or None, schema=name or None))
    found = replace(found, stage=Stage.STATEMENT)
    try:
        found = replace(found, statement=examine_asked(asked, rules, Examiner()))
        if found.statement is not None:
            refuse_hidden_columns(found.statement, allow.scope)
    except Denied as denied:
        refused = Deny(reason=denied.reason, detail=denied.detail, rules=allow.grants + allow.restrictions)
        return replace(found, decision=refused)
    return found


def _rendered(found: Answer, allow: Allow, principal: Principal, request: AccessRequest) -> Answer:
    version = found.policy.version
    try:
        return replace(
            found,
            stage=Stage.RENDERING,
            rewrites=render(allow, principal, unsigned(found.policy, found.now)),
            request_rewrites=render_request(allow, principal, request, version, UNSIGNED),
        )
    except Denied as denied:
        refused = Deny(reason=denied.reason, detail=denied.detail, rules=allow.grants + allow.restrictions)
        return replace(found, stage=Stage.RENDERING, decision=refused)


def _deny(denied: Denied) -> Deny:
    return Deny(reason=denied.reason, detail=denied.detail, doubt=denied.doubt)


def _request(policy: PolicySet, target: Target) -> AccessRequest:
    """The request, as strictly read as a real one. Raises `Denied` and `CannotAskError`."""
    route = None
    if target.warehouse is not None:
        if target.warehouse not in policy.warehouses:
            known = ", ".join(f"`{name}`" for name in policy.warehouses)
            raise CannotAskError(
                f"the policy has no warehouse `{target.warehouse}`; it has {known or 'none'}"
            )
        route = policy.warehouses[target.warehouse].routes[0]
    if target.path is None and route is None:
        raise CannotAskError("say what is asked for: a warehouse, a path, or both")
    asks_trino = (
        target.statement is not None
        and target.warehouse is not None
        and policy.warehouses[target.warehouse].kind is WarehouseKind.TRINO
    )
    usual = STATEMENT if asks_trino else _any_path(route)
    path, query = split_target(target.path if target.path is not None else usual)
    host = target.host or (min(route.hosts) if route is not None and route.hosts else "any.host")
    return AccessRequest(
        method=checked_method(
            target.method or ("POST" if asks_trino else _any_method(route) if route is not None else "GET")
        ),
        host=normal_host(host),
        path=path,
        query=query,
        headers=target.headers or {},
        source_address=target.source_address,
        warehouse_hint=target.warehouse,
    )


def _any_path(route: Route | None) -> str:
    return (route.path or route.prefix if route is not None else None) or "/"


def _any_method(route: Route) -> str:
    return "GET" if "GET" in route.methods else min(route.methods)


def rfc3339(seconds: float) -> str | None:
    """A time in seconds since the epoch as text in UTC; None for one that never comes."""
    if seconds > datetime.max.replace(tzinfo=UTC).timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
