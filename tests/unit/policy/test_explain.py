"""Why: every rule on the warehouse, what became of it, and the decision that `evaluate` makes."""

from authz.errors import Reason
from authz.identity.principal import Principal
from authz.policy.decision import Allow, Deny
from authz.policy.explain import Explanation, explain
from authz.policy.policyset import PolicySet
from authz.policy.selection import Miss
from authz.scopes.columns import ColumnMask
from authz.scopes.rowfilter import to_json
from tests.rules import NOON, claim, deny, get, grant, masks, person, policy, restriction, some, to, warehouse

RULES = policy(
    deny("leavers", to(groups=["leavers"])),
    grant("eu", region=some("EU", "US"), columns=masks(pii="clear")),
    grant("others", to(groups=["others"])),
    grant("late", valid_until=NOON),
    grant("by-claim", to(groups=["claimants"]), region=claim("regions")),
    grant("hr-only", on=["hr"]),
    restriction("no-pii", when='"contractors" in principal.groups', columns=masks(pii="hidden")),
    restriction("no-us", region=some("EU", "CN")),
    warehouses=[warehouse(), warehouse("hr")],
)


def why(principal: Principal, rules: PolicySet = RULES) -> Explanation:
    return explain(rules, principal, rules.warehouses["sales"], get(), NOON)


def test_every_rule_on_the_warehouse_is_there_with_what_became_of_it() -> None:
    """Matched, or the first thing that did not hold; rules of other warehouses are left out."""
    found = why(person(groups=["analysts", "contractors"]))
    assert {finding.rule.id: finding.miss for finding in found.grants} == {
        "eu": None, "others": Miss.GROUP, "late": Miss.TOO_LATE, "by-claim": Miss.GROUP,
    }  # fmt: skip
    assert [(finding.rule.id, finding.miss) for finding in found.denies] == [("leavers", Miss.GROUP)]
    assert [finding.applies for finding in found.restrictions] == [True, True]


def test_the_scope_is_shown_step_by_step() -> None:
    """What the grants give, then what each restriction leaves of it; the last step is the decision's scope."""
    found = why(person(groups=["analysts", "contractors"]))
    assert isinstance(found.decision, Allow)
    assert found.given is not None
    assert found.given.columns == {}
    assert [step.restriction for step in found.steps] == ["no-pii", "no-us"]
    assert found.steps[0].left.columns == {"email": ColumnMask.HIDDEN}
    assert to_json(found.steps[0].left.rows) == to_json(found.given.rows)
    assert found.steps[-1].left == found.decision.scope


def test_a_failing_rule_shows_its_failure() -> None:
    """The reason that the whole was denied for stands at the rule."""
    found = why(person(groups=["analysts", "claimants"]))
    assert isinstance(found.decision, Deny)
    assert found.decision.reason is Reason.CLAIM_MISSING
    failures = [finding.failure for finding in found.grants if finding.failure is not None]
    assert [failure.reason for failure in failures] == [Reason.CLAIM_MISSING]


def test_what_a_deny_rule_hides_is_still_shown() -> None:
    """Somebody who lifts the deny rule wants to know what comes then."""
    found = why(person(groups=["analysts", "leavers"]))
    assert isinstance(found.decision, Deny)
    assert found.decision.reason is Reason.DENIED_BY_RULE
    assert found.given is not None


def test_without_a_grant_there_is_no_scope() -> None:
    """Nothing given, nothing left."""
    found = why(person(groups=[]))
    assert isinstance(found.decision, Deny)
    assert (found.given, found.steps) == (None, ())


def test_the_claims_that_rules_read_are_named() -> None:
    """In conditions and in scopes; all of them where a condition reads all."""
    rules = policy(
        grant("a", region=claim("user.regions")),
        restriction("r", when="has(principal.claims.department)"),
    )
    assert why(person(), rules).claims_read == ("department", "user.regions")
    everything = policy(grant("a", when="size(principal.claims) > 0"))
    assert why(person(claims={"x": 1, "y": 2}), everything).claims_read == ("x", "y")
