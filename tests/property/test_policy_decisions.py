"""Laws of the decision, over generated policies and principals."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from authz.errors import Denied, Reason
from authz.identity.principal import Method, Principal
from authz.policy.decision import Allow, Decision, Deny
from authz.policy.evaluate import evaluate
from authz.policy.explain import explain
from authz.policy.facts import Facts
from authz.policy.policyset import DenyRule, Grant, PolicySet, Restriction, Selector
from authz.policy.resolve import granted
from authz.policy.terms import ALL_VALUES, ScopeTerm
from authz.scopes.columns import ColumnMask, as_narrow
from authz.scopes.rowfilter import NOTHING, RowFilter, matches
from tests.rules import (
    NOON,
    certificate,
    claim,
    deny,
    get,
    grant,
    last,
    machine,
    person,
    policy,
    restriction,
    some,
    warehouse,
)

WAREHOUSE = warehouse(columns=["region", "store"], labels={"email": "pii", "salary": "financial"})
REGIONS = ("EU", "US", "CN")
STORES = (1, 2, 3)
GROUPS = ("a", "b", "c")
SPIFFE = (
    "spiffe://acme.example/x",
    "spiffe://acme.example/x/y",
    "spiffe://acme.example/*",
    "spiffe://acme.example/x/*",
)
ROWS = [{"region": region, "store": store} for region in (*REGIONS, None) for store in (*STORES, None)]

selectors = st.builds(
    Selector,
    groups=st.none() | st.frozensets(st.sampled_from(GROUPS), max_size=2),
    subjects=st.none() | st.none() | st.frozensets(st.sampled_from(["ann", "bob"]), max_size=2),
    issuers=st.none() | st.none() | st.frozensets(st.sampled_from(["okta", "entra"]), max_size=2),
    spiffe=st.none() | st.none() | st.frozensets(st.sampled_from(SPIFFE), max_size=2),
    certificates=st.none() | st.none() | st.frozensets(st.sampled_from(["extracts", "others"]), max_size=1),
)
conditions = st.none() | st.none() | st.sampled_from(
    [
        '"b" in principal.groups',
        "has(principal.claims.region)",
        "principal.claims.n > 1",
        'request.method == "GET"',
        'principal.spiffe_id != ""',
    ]
)  # fmt: skip
terms: dict[str, st.SearchStrategy[ScopeTerm]] = {
    "region": st.just(ALL_VALUES)
    | st.lists(st.sampled_from(REGIONS), max_size=2).map(lambda values: some(*values))
    | st.just(claim("region", 2)),
    "store": st.just(ALL_VALUES)
    | st.lists(st.sampled_from(STORES), max_size=2).map(lambda values: some(*values))
    | st.just(claim("store", 2)),
}
masks = st.dictionaries(st.sampled_from(["pii", "financial"]), st.sampled_from(ColumnMask))
moments = st.none() | st.none() | st.sampled_from([NOON - 10, NOON, NOON + 10])
names = st.integers(0, 99).map(str)


@st.composite
def grants(draw: st.DrawFn) -> Grant:
    scope = {name: draw(term) for name, term in terms.items()}
    return grant(
        "g" + draw(names),
        draw(selectors),
        when=draw(conditions),
        columns=draw(masks),
        valid_from=draw(moments),
        valid_until=draw(moments),
        **scope,
    )


@st.composite
def restrictions(draw: st.DrawFn) -> Restriction:
    scope = {name: draw(term) for name, term in terms.items() if draw(st.booleans())}
    return restriction(
        "r" + draw(names), draw(st.none() | selectors), when=draw(conditions), columns=draw(masks), **scope
    )


@st.composite
def denies(draw: st.DrawFn) -> DenyRule:
    return deny("d" + draw(names), draw(selectors), when=draw(conditions))


claims = st.fixed_dictionaries(
    {},
    optional={
        "region": st.sampled_from(REGIONS) | st.lists(st.sampled_from(REGIONS), max_size=3) | st.none(),
        "store": st.sampled_from([1, 2, "1", True, None]) | st.lists(st.sampled_from(STORES), max_size=2),
        "n": st.sampled_from([0, 2, 2**70, "x"]),
    },
)
certificates = st.builds(
    certificate,
    st.sampled_from(["spiffe://acme.example/x", "spiffe://acme.example/x/y"]),
    st.just("extracts"),
)
principals = st.builds(
    person,
    st.sampled_from(["ann", "bob"]),
    issuer=st.sampled_from(["okta", "entra"]),
    groups=st.frozensets(st.sampled_from(GROUPS)),
    claims=claims,
    beside=st.none() | certificates,
) | st.builds(machine, st.sampled_from(["spiffe://acme.example/x", "spiffe://acme.example/x/y"]))
rule_lists = st.tuples(
    st.lists(grants(), max_size=5), st.lists(restrictions(), max_size=2), st.lists(denies(), max_size=1)
)
Rules = tuple[list[Grant], list[Restriction], list[DenyRule]]
quick = settings(max_examples=120, deadline=None)


def made(*parts: Grant | Restriction | DenyRule) -> PolicySet:
    return policy(*parts, warehouses=[WAREHOUSE])


def decide(rules: PolicySet, principal: Principal) -> Decision:
    return evaluate(rules, principal, rules.warehouses["sales"], get(), NOON)


def wider(a: Decision, b: Decision) -> bool:
    """Whether `a` shows a row or a column that `b` does not, as far as a few rows can tell."""
    if isinstance(a, Deny):
        return False
    if isinstance(b, Deny):
        return True
    rows = any(matches(a.scope.rows, row) and not matches(b.scope.rows, row) for row in ROWS)
    return rows or any(
        not as_narrow(
            a.scope.columns.get(column, ColumnMask.CLEAR), b.scope.columns.get(column, ColumnMask.CLEAR)
        )
        for column in WAREHOUSE.labels
    )


def same(a: Decision, b: Decision) -> bool:
    """Whether two decisions are one, but for the order in which they name rules."""
    if isinstance(a, Allow) and isinstance(b, Allow):
        equal = a.scope == b.scope and sorted(a.grants) == sorted(b.grants)
        equal = equal and sorted(a.restrictions) == sorted(b.restrictions)
    elif isinstance(a, Deny) and isinstance(b, Deny):
        equal = a.reason is b.reason and sorted(a.rules) == sorted(b.rules)
    else:
        equal = False
    return equal and (a.valid_until, a.per_request) == (b.valid_until, b.per_request)


# The oracle: the same answer from first principles, looking at every rule and without an index.


def selects(selector: Selector, principal: Principal) -> bool:
    token = Method.TOKEN in principal.methods
    found = principal.certificate
    path = (found.spiffe_id or "") if found else ""
    below = [
        path[: at + 1] + "*" for at, letter in enumerate(path) if letter == "/" and at > len("spiffe://")
    ]
    return all(
        [
            selector.groups is None
            or (token and any(group in selector.groups for group in principal.groups)),
            selector.subjects is None or (token and principal.subject in selector.subjects),
            selector.issuers is None or (token and principal.issuer in selector.issuers),
            selector.spiffe is None
            or (bool(found) and any(form in selector.spiffe for form in [path, *below])),
            selector.certificates is None or (found is not None and found.trust in selector.certificates),
        ]
    )


def condition_of(rule: Grant | Restriction | DenyRule, principal: Principal) -> bool:
    return rule.when is None or rule.when.holds(principal, "sales", get(), NOON)


def grant_applies(rule: Grant, principal: Principal) -> bool:
    token_keys = any(key is not None for key in (rule.to.groups, rule.to.subjects, rule.to.issuers))
    machine_keys = rule.to.spiffe is not None or rule.to.certificates is not None
    if not (token_keys or machine_keys or rule.when):
        return False
    machine_only = machine_keys and not token_keys
    if not token_keys and not machine_keys and rule.when is not None and "spiffe" in rule.when.text:
        machine_only = True
    if Method.TOKEN in principal.methods and machine_only:
        return False
    if rule.valid_from is not None and rule.valid_from > NOON:
        return False
    if rule.valid_until is not None and rule.valid_until <= NOON:
        return False
    return selects(rule.to, principal) and condition_of(rule, principal)


def rows_of(rule: Grant | Restriction, principal: Principal) -> RowFilter:
    """What a rule selects, once it applies; for a restriction, a dimension that it does not name is free."""
    facts = Facts(principal=principal, warehouse="sales", request=get(), now=NOON)
    whole = grant("", Selector(), **{**dict.fromkeys(terms, ALL_VALUES), **rule.scope})
    return granted(whole, WAREHOUSE, made().dimensions, facts).rows


def narrows(rule: Restriction | DenyRule, principal: Principal) -> bool:
    return (rule.to is None or selects(rule.to, principal)) and condition_of(rule, principal)


def settled(steps: Sequence[Callable[[], RowFilter | None]]) -> list[RowFilter]:
    """What the rules that apply select. Raises the failure with the first reason, if there is one."""
    found: list[RowFilter] = []
    failures: list[Denied] = []
    for step in steps:
        try:
            rows = step()
        except Denied as failure:
            failures.append(failure)
        else:
            found += [] if rows is None else [rows]
    if failures:
        raise min(failures, key=lambda failure: failure.reason)
    return found


def oracle(rules: PolicySet, principal: Principal) -> Reason:
    """The reason of the decision, from a scan over all rules."""
    who = principal

    def of_deny(rule: DenyRule) -> RowFilter | None:
        return NOTHING if narrows(rule, who) else None

    def of_grant(rule: Grant) -> RowFilter | None:
        return rows_of(rule, who) if grant_applies(rule, who) else None

    def of_restriction(rule: Restriction) -> RowFilter | None:
        return rows_of(rule, who) if narrows(rule, who) else None

    hit = [rule for rule in rules.denies if selects(rule.to or Selector(), who) and true(rule, who)]
    if hit:
        return Reason.DENIED_BY_RULE
    try:
        settled([partial(of_deny, rule) for rule in rules.denies])
        given_rows = settled([partial(of_grant, rule) for rule in rules.grants])
        if not given_rows:
            return Reason.NO_GRANT
        rows = [row for row in ROWS if any(matches(each, row) for each in given_rows)]
        if not rows:
            return Reason.SCOPE_EMPTY
        left_rows = settled([partial(of_restriction, rule) for rule in rules.restrictions])
    except Denied as denied:
        return denied.reason
    left = [row for row in rows if all(matches(each, row) for each in left_rows)]
    return Reason.GRANTED if left else Reason.SCOPE_EMPTY


def true(rule: DenyRule, principal: Principal) -> bool:
    """Whether a condition is true; one that cannot be settled is not."""
    try:
        return condition_of(rule, principal)
    except Denied:
        return False


@quick
@given(rule_lists, principals)
def test_the_index_agrees_with_a_scan_of_all_rules(
    lists: Rules,
    principal: Principal,
) -> None:
    """And so does everything else: the reason is what a naive reading of the rules says."""
    rules = made(*chain(*lists))
    decision = decide(rules, principal)
    reason = decision.reason if isinstance(decision, Deny) else Reason.GRANTED
    assert reason is oracle(rules, principal)


@quick
@given(rule_lists, principals)
def test_never_more_than_the_union_of_the_grants_that_apply(
    lists: Rules,
    principal: Principal,
) -> None:
    """Row by row: each is in a grant that applies, and no column is clearer than that grant shows it."""
    rules = made(*chain(*lists))
    decision = decide(rules, principal)
    if isinstance(decision, Deny):
        return
    facts = Facts(principal=principal, warehouse="sales", request=get(), now=NOON)
    shares = [
        (rule, granted(rule, WAREHOUSE, rules.dimensions, facts))
        for rule in lists[0]
        if grant_applies(rule, principal)
    ]
    for row in ROWS:
        if not matches(decision.scope.rows, row):
            continue
        showing = [rule for rule, share in shares if matches(share.rows, row)]
        assert showing
        for column, label in WAREHOUSE.labels.items():
            shown = decision.scope.columns.get(column, ColumnMask.CLEAR)
            assert any(as_narrow(shown, rule.columns.get(label, ColumnMask.HIDDEN)) for rule in showing)


@quick
@given(rule_lists, principals, restrictions(), denies())
def test_adding_a_restriction_or_a_deny_never_widens(
    lists: Rules,
    principal: Principal,
    narrow: Restriction,
    end: DenyRule,
) -> None:
    """Nothing that is said to narrow can open."""
    before = decide(made(*chain(*lists)), principal)
    assert not wider(decide(made(*chain(*lists), narrow), principal), before)
    assert not wider(decide(made(*chain(*lists), end), principal), before)


@quick
@given(rule_lists, principals, grants())
def test_a_grant_for_somebody_else_changes_nothing(
    lists: Rules,
    principal: Principal,
    other: Grant,
) -> None:
    """Neither the decision nor how long it holds."""
    foreign = replace(other, to=replace(other.to, groups=frozenset({"nobody-is-in-it"})))
    before = decide(made(*chain(*lists)), principal)
    assert same(decide(made(foreign, *chain(*lists)), principal), before)


@quick
@given(rule_lists, principals, st.randoms(use_true_random=False))
def test_the_order_of_the_rules_decides_nothing(
    lists: Rules,
    principal: Principal,
    chance: object,
) -> None:
    """Files are merged, and people sort them."""
    parts = [*chain(*lists)]
    before = decide(made(*parts), principal)
    chance.shuffle(parts)  # type: ignore[attr-defined]
    assert same(decide(made(*parts), principal), before)


@quick
@given(
    st.lists(grants().filter(lambda rule: rule.when is None), max_size=5),
    principals,
    st.sampled_from(["region", "store", "n"]),
)
def test_removing_a_claim_never_widens(some_grants: list[Grant], principal: Principal, name: str) -> None:
    """Whoever strips a claim from a token gains nothing. (A condition may say `!has(…)`: that is the author's word.)"""
    without = replace(
        principal, claims={key: value for key, value in principal.claims.items() if key != name}
    )
    assert not wider(decide(made(*some_grants), without), decide(made(*some_grants), principal))


@quick
@given(rule_lists, principals)
def test_the_explanation_is_of_the_same_decision(
    lists: Rules,
    principal: Principal,
) -> None:
    """The rules that are shown to apply are those that decided, and the last step is the scope."""
    rules = made(*chain(*lists))
    found = explain(rules, principal, WAREHOUSE, get(), NOON)
    assert same(found.decision, decide(rules, principal))
    if isinstance(found.decision, Allow):
        assert tuple(each.rule.id for each in found.grants if each.applies) == found.decision.grants
        assert (
            tuple(each.rule.id for each in found.restrictions if each.applies) == found.decision.restrictions
        )
        assert (found.steps[-1].left if found.steps else found.given) == found.decision.scope
    elif found.decision.reason is Reason.NO_GRANT:
        assert not any(each.applies for each in found.grants)


@quick
@given(rule_lists, principals, st.floats(min_value=0, max_value=86_400 * 365))
def test_a_decision_holds_as_long_as_it_says(
    lists: Rules,
    principal: Principal,
    later: float,
) -> None:
    """Until `valid_until` the same principal gets the same answer, rolling windows and validity included."""
    windowed = [replace(each, scope={**each.scope, "ordered_at": last(days=30)}) for each in lists[0]]
    rules = policy(
        *windowed,
        *lists[1],
        *lists[2],
        warehouses=[warehouse(columns=["region", "store", "ordered_at"], labels=WAREHOUSE.labels)],
    )
    forever = replace(principal, expires_at=NOON + 86_400 * 366)
    first = evaluate(rules, forever, rules.warehouses["sales"], get(), NOON)
    then = min(NOON + later, first.valid_until - 0.001)
    if then > NOON:
        assert same(evaluate(rules, forever, rules.warehouses["sales"], get(), then), first)


def test_the_generated_policies_come_to_every_kind_of_end() -> None:
    """The laws above are empty unless there are allows among the answers, and denials for every reason."""
    seen: set[Reason] = set()

    @settings(max_examples=400, deadline=None, derandomize=True, database=None)
    @given(rule_lists, principals)
    def collect(lists: Rules, principal: Principal) -> None:
        decision = decide(made(*chain(*lists)), principal)
        seen.add(decision.reason if isinstance(decision, Deny) else Reason.GRANTED)

    collect()
    assert seen >= {
        Reason.GRANTED,
        Reason.NO_GRANT,
        Reason.DENIED_BY_RULE,
        Reason.SCOPE_EMPTY,
        Reason.CLAIM_MISSING,
        Reason.CONDITION_FAILED,
    }
