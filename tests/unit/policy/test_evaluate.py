"""The decision."""

from datetime import timedelta

import pytest

from authz.errors import Reason
from authz.identity.principal import Principal
from authz.policy.decision import Allow, Decision, Deny
from authz.policy.evaluate import evaluate
from authz.policy.policyset import DenyRule, Grant, PolicySet, Restriction
from authz.policy.terms import ALL_VALUES
from authz.scopes.columns import ColumnMask
from authz.scopes.rowfilter import EVERYTHING, to_json
from tests.rules import (
    NOON,
    certificate,
    claim,
    deny,
    get,
    grant,
    last,
    machine,
    masks,
    person,
    policy,
    restriction,
    some,
    to,
    warehouse,
)

TWO = warehouse(columns=["region", "product"])


def decide(
    rules: PolicySet, principal: Principal | None = None, now: float = NOON, **request: object
) -> Decision:
    return evaluate(rules, principal or person(), rules.warehouses["sales"], get(**request), now)


def denied(rules: PolicySet, principal: Principal | None = None, now: float = NOON) -> Deny:
    decision = decide(rules, principal, now)
    assert isinstance(decision, Deny), decision
    return decision


def allowed(rules: PolicySet, principal: Principal | None = None, now: float = NOON) -> Allow:
    decision = decide(rules, principal, now)
    assert isinstance(decision, Allow), decision
    return decision


def rows(decision: Allow) -> object:
    """The row filter as JSON, without the types."""
    found = to_json(decision.scope.rows)
    if not isinstance(found, list):
        return found
    return [{name: each.get("in", each) for name, each in alternative.items()} for alternative in found]


def test_nothing_is_allowed_without_a_grant() -> None:
    """No grant, somebody else's grant, a grant elsewhere: denied, never unfiltered."""
    other = warehouse("hr")
    for rules in (
        policy(),
        policy(restriction(region=some("EU"))),
        policy(grant(to=to(groups=["others"]))),
        policy(grant(on=["hr"]), warehouses=[warehouse(), other]),
        policy(grant(to=to())),
    ):
        assert denied(rules).reason is Reason.NO_GRANT


def test_a_denial_names_the_nearest_misses() -> None:
    """For the operator: which grants there are, and what each lacked; nothing of the principal's own facts."""
    rules = policy(
        *(grant(f"other-{n}", to(groups=[f"group-{n}"])) for n in range(30)),
        grant("nearly", when="principal.claims.n == 1"),
    )
    detail = denied(rules, person("canary-subject", claims={"n": 2})).detail
    assert "`nearly`: its condition is false" in detail
    assert "`other-0`: the principal is in none of its groups (`group-0`)" in detail
    assert "26 more" in detail
    assert "canary" not in detail


def test_grants_combine_each_one_whole() -> None:
    """{EU, A} or {US, B} is not {EU, US} and {A, B}."""
    rules = policy(
        grant("eu", region=some("EU"), product=some("A")),
        grant("us", region=some("US"), product=some("B")),
        warehouses=[TWO],
    )
    decision = allowed(rules)
    assert rows(decision) == [{"product": ["A"], "region": ["EU"]}, {"product": ["B"], "region": ["US"]}]
    assert decision.grants == ("eu", "us")


def test_all_is_everything_only_if_every_dimension_says_so() -> None:
    """The explicit word for each dimension, and nothing else, opens all rows."""
    half = policy(grant(region=ALL_VALUES, product=some("A")), warehouses=[TWO])
    assert rows(allowed(half)) == [{"product": ["A"]}]
    whole = policy(grant(region=ALL_VALUES, product=ALL_VALUES), warehouses=[TWO])
    assert allowed(whole).scope.rows == EVERYTHING


def test_a_dimension_that_got_lost_selects_nothing() -> None:
    """The parser refuses such a grant; a policy that was made otherwise must not open the dimension."""
    assert denied(policy(grant(region=ALL_VALUES), warehouses=[TWO])).reason is Reason.SCOPE_EMPTY


def test_a_restriction_narrows_and_never_grants() -> None:
    """AND, for everybody or for whom it names."""
    rules = policy(grant(region=some("EU", "US")), restriction("r", region=some("EU", "CN")))
    decision = allowed(rules)
    assert rows(decision) == [{"region": ["EU"]}]
    assert decision.restrictions == ("r",)
    for_others = policy(
        grant(region=some("EU", "US")), restriction("r", to(groups=["others"]), region=some("EU"))
    )
    assert rows(allowed(for_others)) == [{"region": ["EU", "US"]}]
    assert allowed(for_others).restrictions == ()


@pytest.mark.parametrize(
    "rules",
    [
        policy(grant("a", region=some())),
        policy(grant("a", region=some()), grant("b", region=some())),
        policy(grant("a", region=claim("regions"))),
        policy(grant("a", region=some("EU")), restriction("r", region=some("US"))),
        policy(grant("a"), restriction("r", region=some())),
    ],
)
def test_nothing_left_is_a_denial_of_its_own(rules: PolicySet) -> None:
    """An empty scope must not reach a warehouse that could read it as no scope."""
    assert denied(rules, person(claims={"regions": []})).reason is Reason.SCOPE_EMPTY


def test_a_deny_rule_ends_it() -> None:
    """Before any grant, for whom it names; its neighbour stays."""
    rules = policy(grant(), deny("gone", to(subjects=["ann"])))
    decision = denied(rules)
    assert (decision.reason, decision.rules) == (Reason.DENIED_BY_RULE, ("gone",))
    allowed(rules, person("bob"))


@pytest.mark.parametrize(
    ("rules", "reason", "rule"),
    [
        (policy(grant("g", region=claim("regions"))), Reason.CLAIM_MISSING, "g"),
        (policy(grant("a"), grant("g", region=claim("regions"))), Reason.CLAIM_MISSING, "g"),
        (policy(grant("g", region=claim("number"))), Reason.CLAIM_INVALID, "g"),
        (policy(grant("g", region=claim("list", 1))), Reason.CLAIM_TOO_LARGE, "g"),
        (policy(grant("a"), grant("g", when="principal.claims.x == 1")), Reason.CONDITION_FAILED, "g"),
        (policy(grant("a"), restriction("r", region=claim("regions"))), Reason.CLAIM_MISSING, "r"),
        (policy(grant("a"), restriction("r", when="principal.claims.x == 1")), Reason.CONDITION_FAILED, "r"),
        (policy(grant("a"), deny("d", when="principal.claims.x == 1")), Reason.CONDITION_FAILED, "d"),
    ],
)
def test_a_rule_that_cannot_be_settled_denies_the_whole(rules: PolicySet, reason: Reason, rule: str) -> None:
    """A partial answer would be silently short, or, for a restriction, too wide."""
    decision = denied(rules, person(claims={"number": 5, "list": ["a", "b"]}))
    assert (decision.reason, decision.rules) == (reason, (rule,))


def test_a_rule_for_somebody_else_is_not_settled() -> None:
    """Its claims and conditions are not this principal's matter."""
    elsewhere = to(groups=["others"])
    rules = policy(
        grant("a"),
        grant("g", elsewhere, region=claim("regions")),
        restriction("r", elsewhere, region=claim("regions")),
        deny("d", elsewhere, when="principal.claims.x == 1"),
    )
    allowed(rules)


def test_of_two_doubts_the_same_one_is_named_in_any_order() -> None:
    """The order of the rules in the policy decides nothing."""
    a = grant("a", when="principal.claims.x == 1")
    b = grant("b", region=claim("regions"))
    assert denied(policy(a, b)).reason is denied(policy(b, a)).reason is Reason.CLAIM_MISSING


def test_values_come_from_a_claim() -> None:
    """Typed by the dimension."""
    rules = policy(grant(region=claim("regions")))
    assert rows(allowed(rules, person(claims={"regions": ["US", "EU"]}))) == [{"region": ["EU", "US"]}]
    by_number = policy(grant(store=claim("stores")), warehouses=[warehouse(columns=["store"])])
    assert denied(by_number, person(claims={"stores": ["7"]})).reason is Reason.CLAIM_INVALID
    assert rows(allowed(by_number, person(claims={"stores": 7}))) == [{"store": [7]}]


def test_a_machine_is_granted_alone_and_not_beside_a_person() -> None:
    """The extract job's scope is not the viewer's, though the same server carries both."""
    rules = policy(
        grant("extract", to(spiffe=["spiffe://acme.example/tableau/extract"])), grant("eu", region=some("EU"))
    )
    assert allowed(rules, machine()).grants == ("extract",)
    beside = allowed(rules, person(beside=certificate()))
    assert beside.grants == ("eu",)
    assert rows(beside) == [{"region": ["EU"]}]
    assert denied(rules, person(groups=[], beside=certificate())).reason is Reason.NO_GRANT


def test_a_restriction_on_a_machine_holds_for_the_person_beside_it() -> None:
    """What narrows is not lost."""
    rules = policy(
        grant(region=some("EU", "US")),
        restriction("r", to(spiffe=["spiffe://acme.example/*"]), region=some("EU")),
    )
    assert rows(allowed(rules, person(beside=certificate()))) == [{"region": ["EU"]}]
    assert rows(allowed(rules, person())) == [{"region": ["EU", "US"]}]


def test_labels_that_a_grant_does_not_name_are_hidden() -> None:
    """No default may widen; a column without a label is not the policy's matter."""
    two_labels = warehouse(labels={"email": "pii", "salary": "financial"})
    rules = policy(grant(columns=masks(pii="hash")), warehouses=[two_labels])
    assert allowed(rules).scope.columns == {"email": ColumnMask.HASH, "salary": ColumnMask.HIDDEN}
    clear = policy(grant(columns=masks(pii="clear", financial="clear")), warehouses=[two_labels])
    assert allowed(clear).scope.columns == {}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # rows that overlap, or neither contains the other: the narrowest treatment
        (grant("a", region=some("EU"), columns=masks(pii="clear")), grant("b", region=some("US")), "hidden"),
        (
            grant("a", region=some("EU"), columns=masks(pii="hash")),
            grant("b", region=some("US"), columns=masks(pii="last4")),
            "null",
        ),
        # rows that a clearer grant shows anyway: absorbed
        (
            grant("a", region=some("EU", "US"), columns=masks(pii="clear")),
            grant("b", region=some("US")),
            "clear",
        ),
        (grant("a", columns=masks(pii="hash")), grant("b", region=some("US")), "hash"),
        # rows within a grant that shows less: not absorbed
        (
            grant("a", region=some("EU", "US")),
            grant("b", region=some("US"), columns=masks(pii="clear")),
            "hidden",
        ),
        # a grant without rows narrows nothing and clears nothing
        (grant("a", region=some("EU"), columns=masks(pii="clear")), grant("b", region=some()), "clear"),
        (grant("a", region=some("EU")), grant("b", region=some(), columns=masks(pii="clear")), "hidden"),
    ],
)
def test_columns_of_several_grants(first: Grant, second: Grant, expected: str) -> None:
    """The narrowest treatment among the grants, but for those that add no row to a clearer one; in any order."""
    for rules in (policy(first, second), policy(second, first)):
        columns = allowed(rules).scope.columns
        assert columns.get("email", ColumnMask.CLEAR) == ColumnMask(expected)


def test_a_restriction_narrows_columns_and_clears_none() -> None:
    """It treats the labels that it names, and no others."""
    clear = grant(columns=masks(pii="clear"))
    assert allowed(policy(clear, restriction("r", columns=masks(pii="hidden")))).scope.columns == {
        "email": ColumnMask.HIDDEN
    }
    assert allowed(policy(clear, restriction("r", columns=masks(financial="hidden")))).scope.columns == {}
    hidden = policy(grant(), restriction("r", columns=masks(pii="clear")))
    assert allowed(hidden).scope.columns == {"email": ColumnMask.HIDDEN}


@pytest.mark.parametrize(("moment", "reason"), [(-1.0, Reason.NO_GRANT), (10.0, Reason.NO_GRANT)])
def test_a_grant_does_not_exist_outside_its_time(moment: float, reason: Reason) -> None:
    """From its first second until just before its last."""
    rules = policy(grant(valid_from=NOON, valid_until=NOON + 10))
    assert denied(rules, now=NOON + moment).reason is reason
    for within in (0.0, 9.999):
        allowed(rules, now=NOON + within)


@pytest.mark.parametrize(
    ("rule", "now", "until"),
    [
        (grant(), NOON, NOON + 3_600),
        (grant(valid_until=NOON + 10), NOON, NOON + 10),
        (grant(valid_until=NOON + 10), NOON + 10, NOON + 3_600),
        (grant(valid_from=NOON), NOON - 5, NOON),
        (grant(to=to(groups=["others"]), valid_from=NOON), NOON - 5, NOON + 3_600),
        (grant(seen_at=last(hours=24, step=timedelta(minutes=1))), NOON + 5, NOON + 60),
    ],
)
def test_a_decision_says_until_when_it_holds(rule: Grant, now: float, until: float) -> None:
    """The credential ends, a grant begins or ends, a window moves: whichever is first; denials, too."""
    columns = ["seen_at"] if "seen_at" in rule.scope else ["region"]
    decision = decide(policy(rule, warehouses=[warehouse(columns=columns)]), now=now)
    assert decision.valid_until == pytest.approx(until, abs=0.01)


def test_a_rolling_window_is_of_the_day() -> None:
    """The scope is the same all day, and another tomorrow."""
    rules = policy(grant(ordered_at=last(days=2)), warehouses=[warehouse(columns=["ordered_at"])])
    today = allowed(rules)
    assert rows(today) == [{"ordered_at": {"type": "date", "from": "2026-03-08", "through": "2026-03-10"}}]
    assert allowed(rules, now=NOON + 3_600).scope.id == today.scope.id
    assert allowed(rules, now=NOON + 86_400).scope.id != today.scope.id


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (restriction("r", when='request.method == "GET"'), True),
        (restriction("r", when='request.method == "POST"'), True),
        (deny("d", when="request.time < timestamp('2020-01-01T00:00:00Z')"), True),
        (restriction("r", to(groups=["others"]), when='request.method == "GET"'), False),
        (restriction("r", when='principal.subject == "ann"'), False),
    ],
)
def test_a_decision_that_read_the_request_holds_for_it_alone(
    extra: Restriction | DenyRule, *, expected: bool
) -> None:
    """Whether the condition was true or not: another request may turn it."""
    assert allowed(policy(grant(), extra)).per_request is expected


def test_a_denial_that_read_the_request_holds_for_it_alone() -> None:
    """Otherwise one POST would lock somebody out of every GET."""
    rules = policy(grant(when='request.method == "POST"'))
    assert denied(rules).per_request
    assert isinstance(decide(rules, method="POST"), Allow)


def test_equal_scopes_have_equal_ids_whatever_made_them() -> None:
    """Two colleagues with different grants share the cache where they may see the same."""
    one = allowed(policy(grant("a", region=some("EU", "US"))))
    two = allowed(policy(grant("b", region=some("US")), grant("c", region=some("EU"))))
    assert one.scope.id == two.scope.id
    assert one.scope.id != allowed(policy(grant("a", region=some("EU")))).scope.id


def test_a_scope_larger_than_any_target_takes_is_a_denial() -> None:
    """A value of evaluation, not an exception out of it."""
    grants = [grant(f"{n}", region=some(f"r{n}"), product=some(f"p{n}")) for n in range(3_000)]
    decision = denied(policy(*grants, warehouses=[TWO]))
    assert decision.reason is Reason.SCOPE_TOO_LARGE
