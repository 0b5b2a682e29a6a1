"""The decision: deny rules, then grants (OR, each whole), then restrictions (AND), then the scope.

The order of the rules in the policy decides nothing: a doubt about any rule that applies denies, and of several
doubts always the same one is named.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from authz.errors import Denied, Reason
from authz.identity.principal import Method, Principal
from authz.policy.decision import Allow, Decision, Deny
from authz.policy.examine import Finding, examine_deny, examine_grant, examine_restriction
from authz.policy.facts import Facts
from authz.policy.nearmisses import no_grant_detail
from authz.policy.policyset import DenyRule, Grant, PolicySet, Restriction, Warehouse
from authz.policy.resolve import Treatment, narrowest, scope_of, together
from authz.request import AccessRequest
from authz.scopes.rowfilter import NOTHING, RowFilter, all_of

AnyFinding = Finding[DenyRule] | Finding[Grant] | Finding[Restriction]


def evaluate(
    policy: PolicySet, principal: Principal, warehouse: Warehouse, request: AccessRequest, now: float
) -> Decision:
    """What the principal may see of a warehouse. `now` is in seconds since the epoch (1970 to 9999).

    Never raises `Denied`: every denial is a value. It takes the policy to be one that the parser let through.
    """
    facts = Facts(principal=principal, warehouse=warehouse.name, request=request, now=now)
    seen: list[AnyFinding] = []
    try:
        return _decide(policy, warehouse, facts, seen)
    except _RuleDenial as denial:
        return _deny(denial.reason, denial.detail, facts, seen, denial.rules)
    except Denied as denial:  # a scope larger than any target takes
        return _deny(denial.reason, denial.detail, facts, seen, _applying(seen))


class _RuleDenial(Denied):
    """A denial that certain rules have led to."""

    def __init__(self, reason: Reason, detail: str, rules: tuple[str, ...] = ()) -> None:
        super().__init__(reason, detail)
        self.rules = rules


def _decide(policy: PolicySet, warehouse: Warehouse, facts: Facts, seen: list[AnyFinding]) -> Allow:
    """The straight line. `seen` collects the findings: they bound how long any answer holds, a denial, too."""
    _refuse_groupless(policy, facts)
    denies = [examine_deny(rule, facts) for rule in policy.index.denies_for(facts.principal, warehouse.name)]
    seen += denies
    _refuse_denied(denies)
    grants = [
        examine_grant(rule, policy, warehouse, facts)
        for rule in policy.index.grants_for(facts.principal, warehouse.name)
    ]
    seen += grants
    rows, treatment = _given(grants, policy, facts)
    restrictions = [
        examine_restriction(rule, policy, warehouse, facts)
        for rule in policy.index.restrictions_for(facts.principal, warehouse.name)
    ]
    seen += restrictions
    rows, treatment = _left(rows, treatment, restrictions)
    return Allow(
        warehouse=warehouse,
        scope=scope_of(warehouse, rows, treatment),
        grants=_applying(grants),
        restrictions=_applying(restrictions),
        valid_until=_until(facts, seen),
        per_request=_per_request(seen),
    )


def _refuse_groupless(policy: PolicySet, facts: Facts) -> None:
    """A warehouse that knows nobody's groups (none is set up to tell it) would get around every rule about them."""
    principal = facts.principal
    if (
        Method.WAREHOUSE in principal.methods
        and not principal.groups
        and policy.index.is_narrowed_by_group(facts.warehouse)
    ):
        raise _RuleDenial(
            Reason.CLAIM_MISSING,
            "the warehouse knows no group of this user, and rules about groups narrow what may be seen there",
        )


def _refuse_denied(denies: Sequence[Finding[DenyRule]]) -> None:
    if rules := _applying(denies):
        raise _RuleDenial(Reason.DENIED_BY_RULE, f"deny rule {_listed(rules)} applies", rules)
    _refuse_doubt("deny rule", denies)


def _given(grants: Sequence[Finding[Grant]], policy: PolicySet, facts: Facts) -> tuple[RowFilter, Treatment]:
    _refuse_doubt("grant", grants)
    shares = [finding.share for finding in grants if finding.share is not None]
    if not shares:
        known = policy.index.grants_on(facts.warehouse)
        raise _RuleDenial(Reason.NO_GRANT, no_grant_detail(grants, known, facts))
    rows, treatment = together(shares)
    if rows == NOTHING:
        rules = _applying(grants)
        raise _RuleDenial(Reason.SCOPE_EMPTY, f"grant {_listed(rules)} selects no rows", rules)
    return rows, treatment


def _left(
    rows: RowFilter, treatment: Treatment, restrictions: Sequence[Finding[Restriction]]
) -> tuple[RowFilter, Treatment]:
    _refuse_doubt("restriction", restrictions)
    shares = [finding.share for finding in restrictions if finding.share is not None]
    rows = all_of(rows, *(share.rows for share in shares))
    if rows == NOTHING:
        rules = _applying(restrictions)
        raise _RuleDenial(Reason.SCOPE_EMPTY, f"restriction {_listed(rules)} leaves no rows", rules)
    return rows, narrowest([treatment, *(share.treatment for share in shares)])


def _refuse_doubt(kind: str, findings: Sequence[AnyFinding]) -> None:
    """A rule that is for this principal and cannot be settled denies the whole: a part would be silently short."""
    failures = [(finding.failure, finding.rule.id) for finding in findings if finding.failure is not None]
    if failures:
        failure, rule = min(failures, key=lambda pair: (pair[0].reason.value, pair[1]))
        raise _RuleDenial(failure.reason, f"{kind} `{rule}`: {failure.detail}", (rule,))


def _deny(
    reason: Reason, detail: str, facts: Facts, seen: Sequence[AnyFinding], rules: tuple[str, ...]
) -> Deny:
    return Deny(
        reason=reason,
        detail=detail,
        rules=rules,
        valid_until=_until(facts, seen),
        per_request=_per_request(seen),
    )


def _applying(findings: Iterable[AnyFinding]) -> tuple[str, ...]:
    return tuple(finding.rule.id for finding in findings if finding.applies)


def _until(facts: Facts, seen: Iterable[AnyFinding]) -> float:
    return min(chain((finding.valid_until for finding in seen), (facts.principal.expires_at,)))


def _per_request(seen: Iterable[AnyFinding]) -> bool:
    return any(finding.per_request for finding in seen)


def _listed(rules: Iterable[str]) -> str:
    return ", ".join(f"`{rule}`" for rule in rules)
