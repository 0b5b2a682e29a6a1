"""Why nothing was granted, for the operator: the grants that came nearest, and what each of them lacked."""

from collections.abc import Sequence
from itertools import islice

from authz.policy.examine import Finding
from authz.policy.facts import Facts
from authz.policy.policyset import Grant
from authz.policy.selection import Miss, miss_text, rule_miss

MAX_LISTED = 5
MAX_LOOKED_AT = 25
"""Grants that are held against a stranger for the text's sake: a denial must not cost more than an answer."""

NEAR = frozenset({Miss.CONDITION, Miss.TOO_EARLY, Miss.TOO_LATE, Miss.WITH_TOKEN})
"""Whom a rule with such a miss names, but for the last step."""


def no_grant_detail(candidates: Sequence[Finding[Grant]], on_warehouse: Sequence[Grant], facts: Facts) -> str:
    """Names rules and what did not hold; no fact of the principal beside the name of its issuer."""
    if not on_warehouse:
        return f"no grant is on warehouse `{facts.warehouse}`"
    misses = {
        finding.rule.id: (finding.rule, finding.miss) for finding in candidates if finding.miss is not None
    }
    for grant in islice(on_warehouse, MAX_LOOKED_AT):
        if grant.id not in misses:
            misses[grant.id] = (grant, rule_miss(grant, facts.principal) or Miss.NOBODY)
    nearest = sorted(misses.values(), key=lambda pair: pair[1] not in NEAR)[:MAX_LISTED]
    reasons = "; ".join(f"`{grant.id}`: {miss_text(grant, miss)}" for grant, miss in nearest)
    more = len(on_warehouse) - len(nearest)
    rest = f"; and {more:,} more" if more else ""
    return f"no grant on `{facts.warehouse}` applies to this principal of `{facts.principal.issuer}`: {reasons}{rest}"
