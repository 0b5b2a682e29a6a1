"""Why a decision is what it is: every rule on the warehouse, and what became of it.

The same functions decide and explain, so the two cannot disagree; only the index is left out, because here the
rules that did not come near are of interest, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from authz.errors import Denied
from authz.identity.principal import Principal
from authz.policy.decision import Decision
from authz.policy.evaluate import evaluate
from authz.policy.examine import Finding, examine_deny, examine_grant, examine_restriction
from authz.policy.facts import CLAIMS, Facts
from authz.policy.policyset import DenyRule, Grant, PolicySet, Restriction, Warehouse
from authz.policy.resolve import narrowest, scope_of, together
from authz.policy.terms import FromClaim
from authz.request import AccessRequest
from authz.scopes.datascope import DataScope
from authz.scopes.rowfilter import all_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """What was left after one restriction."""

    restriction: str
    left: DataScope


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """One decision and its grounds. `now` is in seconds since the epoch.

    `given` is what the grants that apply give together, before `steps` narrow it; None if they give nothing or
    cannot be settled. `decision` is what `evaluate` says.
    """

    principal: Principal
    warehouse: Warehouse
    request: AccessRequest
    now: float
    denies: tuple[Finding[DenyRule], ...]
    grants: tuple[Finding[Grant], ...]
    restrictions: tuple[Finding[Restriction], ...]
    given: DataScope | None
    steps: tuple[Step, ...]
    decision: Decision

    @property
    def claims_read(self) -> tuple[str, ...]:
        """Names of the claims that rules on this warehouse read, sorted."""
        rules: list[DenyRule | Grant | Restriction] = [finding.rule for finding in self.denies]
        scoped: list[Grant | Restriction] = [finding.rule for finding in self.grants]
        scoped += [finding.rule for finding in self.restrictions]
        rules += scoped
        names = {name for rule in rules if rule.when is not None for name in rule.when.claims}
        if any(rule.when is not None and CLAIMS in rule.when.variables for rule in rules):
            names.update(self.principal.claims)
        for rule in scoped:
            names.update(".".join(term.path) for term in rule.scope.values() if isinstance(term, FromClaim))
        return tuple(sorted(names))


def explain(
    policy: PolicySet, principal: Principal, warehouse: Warehouse, request: AccessRequest, now: float
) -> Explanation:
    """The decision for a principal at a warehouse, with everything that led to it. Never raises `Denied`."""
    facts = Facts(principal=principal, warehouse=warehouse.name, request=request, now=now)
    grants = tuple(
        examine_grant(rule, policy, warehouse, facts) for rule in policy.grants if warehouse.name in rule.on
    )
    restrictions = tuple(
        examine_restriction(rule, policy, warehouse, facts)
        for rule in policy.restrictions
        if warehouse.name in rule.on
    )
    given, steps = _course(grants, restrictions, warehouse)
    return Explanation(
        principal=principal,
        warehouse=warehouse,
        request=request,
        now=now,
        denies=tuple(examine_deny(rule, facts) for rule in policy.denies if warehouse.name in rule.on),
        grants=grants,
        restrictions=restrictions,
        given=given,
        steps=steps,
        decision=evaluate(policy, principal, warehouse, request, now),
    )


def _course(
    grants: Sequence[Finding[Grant]], restrictions: Sequence[Finding[Restriction]], warehouse: Warehouse
) -> tuple[DataScope | None, tuple[Step, ...]]:
    """What the grants give, and what each restriction leaves of it, in the order of the policy."""
    shares = [finding.share for finding in grants if finding.share is not None]
    if not shares:
        return None, ()
    steps: list[Step] = []
    given: DataScope | None = None
    try:
        rows, treatment = together(shares)
        given = scope_of(warehouse, rows, treatment)
        for finding in restrictions:
            if finding.share is not None:
                rows = all_of(rows, finding.share.rows)
                treatment = narrowest([treatment, finding.share.treatment])
                left = scope_of(warehouse, rows, treatment)
                steps.append(Step(restriction=finding.rule.id, left=left))
    except Denied:  # too large to combine; the decision says so
        pass
    return given, tuple(steps)
