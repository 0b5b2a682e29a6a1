"""The index: every rule that may apply is found, in policy order, at a cost that does not grow with the rest."""

import time

import pytest

from authz.identity.principal import Principal
from authz.policy.index import RuleIndex
from authz.policy.policyset import Grant
from tests.rules import certificate, deny, grant, machine, person, restriction, to


def found(principal: Principal, *grants: Grant, on: str = "sales") -> list[str]:
    return [rule.id for rule in RuleIndex(grants).grants_for(principal, on)]


EVERY_KEY = (
    grant("group", to(groups=["analysts", "others"])),
    grant("subject", to(subjects=["ann"], issuers=["okta"])),
    grant("issuer", to(issuers=["okta"])),
    grant("spiffe", to(spiffe=["spiffe://acme.example/tableau/extract"])),
    grant("prefix", to(spiffe=["spiffe://acme.example/tableau/*"])),
    grant("dns", to(dns=["bi.acme.example"])),
    grant("email", to(emails=["bi@acme.example"])),
    grant("trust", to(certificates=["extracts"])),
    grant("condition", to(), when="true"),
)


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (person("bob", issuer="entra", groups=[]), ["condition"]),
        (person("ann", issuer="entra", groups=[]), ["subject", "condition"]),
        (person("bob", groups=["analysts"]), ["group", "issuer", "condition"]),
        (machine("spiffe://acme.example/tableau"), ["trust", "condition"]),
        (machine("spiffe://acme.example/tableau/extract"), ["spiffe", "prefix", "trust", "condition"]),
        (machine("spiffe://acme.example/tableau/x/y"), ["prefix", "trust", "condition"]),
        (machine("spiffe://acme.example/tableaux/x"), ["trust", "condition"]),
        (machine("bi.acme.example", trust="other"), ["dns", "condition"]),
        (machine("bi@acme.example", trust="other"), ["email", "condition"]),
    ],
)
def test_each_key_finds_its_rules(principal: Principal, expected: list[str]) -> None:
    """What is found may be too much (the selector is held against it later), never too little."""
    assert found(principal, *EVERY_KEY) == expected


def test_the_order_is_the_policys_and_a_rule_comes_once() -> None:
    """Two of its groups find one rule once, wherever it stands among the others."""
    rules = [grant(f"g{n}", to(groups=[f"a{n}", "all"])) for n in (3, 1, 2)]
    assert found(person(groups=["all", "a1", "a2"]), *rules) == ["g3", "g1", "g2"]


def test_rules_of_another_warehouse_are_not_found() -> None:
    """A rule is found on the warehouses that it names."""
    rule = grant("g", on=["sales", "hr"])
    assert found(person(), rule, on="other") == []
    assert found(person(), rule, on="sales") == found(person(), rule, on="hr") == ["g"]


def test_an_empty_list_finds_nobody() -> None:
    """No values is nobody, never everybody."""
    assert found(person(), grant("g", to(groups=[])), grant("h", to(groups=[], issuers=["okta"]))) == []


def test_restrictions_and_denies_are_found_for_everybody() -> None:
    """Without `to` they are for whoever comes, by token or certificate."""
    index = RuleIndex([restriction("r"), restriction("s", to(groups=["others"])), deny("d", when="true")])
    for principal in (person(), machine()):
        assert [rule.id for rule in index.restrictions_for(principal, "sales")] == ["r"]
        assert [rule.id for rule in index.denies_for(principal, "sales")] == ["d"]


def test_a_restriction_that_is_on_nothing_is_refused() -> None:
    """It would silently be lost, and with it what it was to narrow."""
    with pytest.raises(ValueError, match="`r` is on no warehouse"):
        RuleIndex([restriction("r", on=[])])
    with pytest.raises(ValueError, match="`d` is on no warehouse"):
        RuleIndex([deny("d", on=[])])


def test_the_cost_does_not_grow_with_the_policy() -> None:
    """A hundred thousand grants cost a look-up what ten do, give or take the noise of a machine."""
    who = person(groups=["g3"], beside=certificate())

    def cost(grants: int) -> float:
        index = RuleIndex([grant(f"{n}", to(groups=[f"g{n}"])) for n in range(grants)])
        rounds = []
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(200):
                index.grants_for(who, "sales")
            rounds.append(time.perf_counter() - start)
        return min(rounds)

    assert cost(20_000) < 10 * cost(10)
