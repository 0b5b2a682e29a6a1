"""What becomes of one rule: the pieces that `evaluate` decides with and `explain` shows."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from authz.errors import Denied, Reason
from authz.identity.principal import Method
from authz.policy.facts import TOLD_BY_WAREHOUSES, Facts
from authz.policy.policyset import DenyRule, Grant, PolicySet, Restriction, Warehouse
from authz.policy.resolve import Share, granted, left_by
from authz.policy.selection import Miss, rule_miss

RuleT = TypeVar("RuleT", Grant, Restriction, DenyRule)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finding(Generic[RuleT]):
    """What became of one rule: it did not apply (`miss`), it could not be settled (`failure`), or it applies.

    A grant or restriction that applies has a `share`. `valid_until` is in seconds since the epoch.
    """

    rule: RuleT
    miss: Miss | None = None
    failure: Denied | None = None
    share: Share | None = None
    valid_until: float = math.inf
    per_request: bool = False

    @property
    def applies(self) -> bool:
        return self.miss is None and self.failure is None


def examine_deny(rule: DenyRule, facts: Facts) -> Finding[DenyRule]:
    """Whether a deny rule applies."""
    return _examine(rule, facts, None)


def examine_grant(rule: Grant, policy: PolicySet, warehouse: Warehouse, facts: Facts) -> Finding[Grant]:
    """Whether a grant applies, and what it gives."""
    miss = rule_miss(rule, facts.principal)
    if miss is not None:
        return Finding(rule=rule, miss=miss)
    if rule.valid_until is not None and facts.now >= rule.valid_until:
        return Finding(rule=rule, miss=Miss.TOO_LATE)
    if rule.valid_from is not None and facts.now < rule.valid_from:
        return Finding(rule=rule, miss=Miss.TOO_EARLY, valid_until=rule.valid_from)
    until = math.inf if rule.valid_until is None else rule.valid_until
    return _settle(rule, facts, lambda: granted(rule, warehouse, policy.dimensions, facts), until)


def examine_restriction(
    rule: Restriction, policy: PolicySet, warehouse: Warehouse, facts: Facts
) -> Finding[Restriction]:
    """Whether a restriction applies, and what it leaves."""
    return _examine(rule, facts, lambda: left_by(rule, warehouse, policy.dimensions, facts))


def _examine(rule: RuleT, facts: Facts, share: Callable[[], Share] | None) -> Finding[RuleT]:
    miss = rule_miss(rule, facts.principal)
    return Finding(rule=rule, miss=miss) if miss is not None else _settle(rule, facts, share, math.inf)


def _settle(rule: RuleT, facts: Facts, share: Callable[[], Share] | None, until: float) -> Finding[RuleT]:
    """Condition and share of a rule that is for the principal."""
    per_request = rule.when is not None and rule.when.reads_request
    try:
        _refuse_untold(rule, facts)
        if rule.when is not None and not rule.when.test(facts):
            return Finding(rule=rule, miss=Miss.CONDITION, valid_until=until, per_request=per_request)
        gives = None if share is None else share()
    except Denied as failure:
        return Finding(rule=rule, failure=failure, valid_until=until, per_request=per_request)
    if gives is not None:
        until = min(until, gives.valid_until)
    return Finding(rule=rule, share=gives, valid_until=until, per_request=per_request)


def _refuse_untold(rule: Grant | Restriction | DenyRule, facts: Facts) -> None:
    """Whether a claim is missing or only not told makes all the difference to `!has(…)`: raise `Denied`."""
    if rule.when is None or Method.WAREHOUSE not in facts.principal.methods:
        return
    untold = sorted({*rule.when.reads} - TOLD_BY_WAREHOUSES)
    if untold:
        raise Denied(
            Reason.CONDITION_FAILED,
            f"its condition reads `{untold[0]}`, of which a warehouse that asks for itself says nothing",
        )
