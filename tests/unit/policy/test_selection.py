"""Whom a rule is for."""

from dataclasses import replace

import pytest

from authz.identity.principal import Principal
from authz.policy.policyset import Grant, Selector
from authz.policy.selection import Miss, rule_miss, selector_miss
from tests.rules import certificate, deny, grant, machine, person, restriction, to

EXTRACT = "spiffe://acme.example/tableau/extract"


@pytest.mark.parametrize(
    ("selector", "principal", "miss"),
    [
        (to(groups=["Analysts"]), person(), Miss.GROUP),
        (to(groups=["analyst"]), person(), Miss.GROUP),
        (to(groups=[]), person(), Miss.GROUP),
        (to(groups=["x", "analysts"]), person(), None),
        (to(subjects=["bob"]), person("ann"), Miss.SUBJECT),
        (to(subjects=["ann"], issuers=["okta"]), person("ann", issuer="entra"), Miss.ISSUER),
        (to(subjects=["ann"], issuers=["okta"]), person("ann"), None),
        (to(groups=["analysts"], subjects=["bob"]), person("ann"), Miss.SUBJECT),
        (to(subjects=[EXTRACT]), machine(EXTRACT), Miss.SUBJECT),
        (to(issuers=["extracts"]), machine(), Miss.ISSUER),
        (to(certificates=["okta"]), person(), Miss.TRUST),
        (to(certificates=["extracts"]), machine(), None),
        (to(spiffe=[EXTRACT]), person(EXTRACT), Miss.SPIFFE),
        (to(spiffe=[EXTRACT]), machine(EXTRACT + "s"), Miss.SPIFFE),
        (to(spiffe=[EXTRACT + "/*"]), machine(EXTRACT), Miss.SPIFFE),
        (to(spiffe=["spiffe://acme.example/tab/*"]), machine(EXTRACT), Miss.SPIFFE),
        (to(spiffe=["spiffe://acme.example/tab*"]), machine(EXTRACT), Miss.SPIFFE),
        (to(spiffe=["spiffe://*"]), machine(EXTRACT), Miss.SPIFFE),
        (to(spiffe=["spiffe://acme.exampl/*"]), machine(EXTRACT), Miss.SPIFFE),
        (to(spiffe=["spiffe://acme.example/*"]), machine("spiffe://acme.example.evil/tableau"), Miss.SPIFFE),
        (to(spiffe=["spiffe://acme.example/*"]), machine("spiffe://acme.example"), Miss.SPIFFE),
        (to(spiffe=["spiffe://acme.example/*"]), machine(EXTRACT), None),
        (to(spiffe=["spiffe://acme.example/tableau/*"]), machine(EXTRACT), None),
        (to(spiffe=[EXTRACT]), machine(EXTRACT), None),
        (to(dns=["bi.acme.example"]), machine("bi.acme.example.evil"), Miss.DNS),
        (to(dns=["bi.acme.example"]), machine("bi.acme.example"), None),
        (to(emails=["bi@acme.example"]), machine("bi@acme.example.evil"), Miss.EMAIL),
        (to(emails=["bi@acme.example"]), machine("bi@acme.example"), None),
        (to(groups=["analysts"], spiffe=[EXTRACT]), person(), Miss.SPIFFE),
        (to(groups=["others"], spiffe=[EXTRACT]), person(beside=certificate()), Miss.GROUP),
        (to(groups=["analysts"], spiffe=[EXTRACT]), person(beside=certificate()), None),
        (to(spiffe=[EXTRACT], certificates=["other"]), machine(EXTRACT), Miss.TRUST),
    ],
)
def test_every_named_key_must_hold(selector: Selector, principal: Principal, miss: Miss | None) -> None:
    """By whole and exact values: no prefix, no case folding, and no certificate's name as a subject."""
    assert selector_miss(selector, principal) is miss


@pytest.mark.parametrize(
    "rule",
    [
        grant("machine", to(spiffe=[EXTRACT])),
        grant("machine", to(spiffe=[EXTRACT]), when='"analysts" in principal.groups'),
        grant("machine", to(), when=f'principal.spiffe_id == "{EXTRACT}"'),
        grant("machine", to(), when=f'principal.certificate_name == "{EXTRACT}" && request.method == "GET"'),
    ],
)
def test_a_machines_grant_is_not_a_persons_beside_it(rule: Grant) -> None:
    """A viewer behind a BI server must not be given what the server's own extract job may see."""
    assert rule_miss(rule, person(beside=certificate())) is Miss.WITH_TOKEN
    assert rule_miss(rule, machine()) is None


def test_a_persons_grant_may_ask_for_the_machine_too() -> None:
    """With a fact of the token it says both: this person, through this machine."""
    both = grant("both", to(groups=["analysts"], spiffe=[EXTRACT]))
    by_condition = grant(
        "both", to(), when=f'principal.spiffe_id == "{EXTRACT}" && principal.subject == "ann"'
    )
    for rule in (both, by_condition):
        assert rule_miss(rule, person(beside=certificate())) is None


def test_restrictions_and_denies_for_a_machine_hold_beside_a_token() -> None:
    """What narrows is never lost because somebody also shows a token."""
    for rule in (restriction("r", to(spiffe=[EXTRACT])), deny("d", to(spiffe=[EXTRACT]))):
        assert rule_miss(rule, person()) is Miss.SPIFFE
        assert rule_miss(rule, person(beside=certificate())) is None


def test_a_grant_that_names_nobody_is_for_nobody() -> None:
    """Nothing named must not turn into everybody; for what narrows, it must."""
    assert rule_miss(grant("g", to()), person()) is Miss.NOBODY
    assert rule_miss(restriction("r", to()), person()) is None
    assert rule_miss(deny("d", to()), machine()) is None


def test_facts_of_a_token_need_a_token() -> None:
    """Even if something else had filled them in."""
    odd = replace(machine(), issuer="okta", subject="ann", groups=frozenset({"analysts"}))
    assert selector_miss(to(groups=["analysts"]), odd) is Miss.GROUP
    assert selector_miss(to(subjects=["ann"]), odd) is Miss.SUBJECT
    assert selector_miss(to(issuers=["okta"]), odd) is Miss.ISSUER
