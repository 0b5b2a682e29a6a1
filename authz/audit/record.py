"""One record for each decision: metadata only.

By construction there is no token, cookie, body or query in it: the fields are named one by one and none of
them is read from those. What the policy can read of the caller is in it, so that the decision can be replayed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from authz.audit.facts import PolicyReads
from authz.check import Outcome
from authz.identity.principal import Principal
from authz.policy.decision import Allow
from authz.policy.policyset import Warehouse
from authz.request import AccessRequest

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")
_MAX_ACTORS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Actor:
    """Who was asking: a verified principal. `key` is the pseudonym that Envoy's access log has, too.

    Equality is identity: one object for all records of a principal, so that its JSON can be kept.
    """

    key: str
    issuer: str
    subject: str
    methods: tuple[str, ...]
    groups: tuple[str, ...]
    claims: Mapping[str, object]
    spiffe_id: str | None
    certificate_name: str | None
    certificate_trust: str | None
    certificate_fingerprint: str | None
    token_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for. `route` is the policy's text of it; a path may hold values, so it is there only where
    a condition of the policy reads it.
    """

    method: str
    host: str
    route: str | None
    path: str | None
    source_address: str
    request_id: str
    trace_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """Who asked for what, when, and what the answer was.

    `at` is in seconds since the epoch. `asked` is None where the question could not be read, `actor` where
    nobody could be verified. `detail` is the operator's explanation of a denial, never told to the client.
    `rules` are the ids of the grants and restrictions that made the scope, or of those that led to a denial.
    """

    decision_id: str
    at: float
    outcome: str
    reason: str
    detail: str
    rules: tuple[str, ...]
    scope_id: str | None
    policy_version: str
    warehouse: str | None
    actor: Actor | None
    asked: Asked | None


class Recorder:
    """Makes the records of one policy. What it remembers of principals goes with it when the policy changes."""

    __slots__ = ("_actors", "_reads")

    def __init__(self, reads: PolicyReads) -> None:
        self._reads = reads
        self._actors: LRUCache[Principal, Actor] = LRUCache(_MAX_ACTORS)

    def record(
        self, outcome: Outcome, request: AccessRequest | None, *, decision_id: str, at: float
    ) -> AuditRecord:
        """The record of one decision. `request` is None where the question could not be read."""
        decision = outcome.decision
        warehouse = outcome.warehouse
        if isinstance(decision, Allow):
            answer, reason, detail = "allow", "granted", ""
            rules, scope_id = decision.grants + decision.restrictions, decision.scope.id
        else:
            answer, reason, detail = "deny", decision.reason.value, decision.detail
            rules, scope_id = decision.rules, None
        return AuditRecord(
            decision_id=decision_id,
            at=at,
            outcome=answer,
            reason=reason,
            detail=detail,
            rules=rules,
            scope_id=scope_id,
            policy_version=outcome.policy_version,
            warehouse=None if warehouse is None else warehouse.name,
            actor=None if outcome.principal is None else self._actor(outcome.principal),
            asked=None if request is None else self._asked(request, warehouse),
        )

    def _actor(self, principal: Principal) -> Actor:
        known = self._actors.get(principal)
        if known is not None:
            return known
        certificate = principal.certificate
        actor = Actor(
            key=principal.key,
            issuer=principal.issuer,
            subject=principal.subject,
            methods=tuple(sorted(method.value for method in principal.methods)),
            groups=self._reads.groups_of(principal),
            claims=self._reads.claims_of(principal),
            spiffe_id=None if certificate is None else certificate.spiffe_id,
            certificate_name=None if certificate is None else certificate.name,
            certificate_trust=None if certificate is None else certificate.trust,
            certificate_fingerprint=None if certificate is None else certificate.fingerprint,
            token_id=principal.token_id,
        )
        self._actors[principal] = actor
        return actor

    def _asked(self, request: AccessRequest, warehouse: Warehouse | None) -> Asked:
        return Asked(
            method=request.method,
            host=request.host,
            route=None if warehouse is None else route_of(warehouse, request.path),
            path=request.path if self._reads.path else None,
            source_address=request.source_address,
            request_id=request.request_id,
            trace_id=_trace_id(request),
        )


def route_of(warehouse: Warehouse, path: str) -> str | None:
    """The longest route of `warehouse` that `path` can have taken, as the policy writes it; a prefix with `*`."""
    best = ""
    for route in warehouse.routes:
        if route.path == path:
            return path
        if route.prefix is not None and len(route.prefix) > len(best) and path.startswith(route.prefix):
            best = route.prefix
    return f"{best}*" if best else None


def _trace_id(request: AccessRequest) -> str | None:
    values = request.headers.get("traceparent", ())
    match = _TRACEPARENT.match(values[0]) if len(values) == 1 else None
    return None if match is None else match[1]
