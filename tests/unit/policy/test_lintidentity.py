"""Warnings about issuers, places of tokens and claims; each with a neighbour that is fine."""

import json
from typing import Any

import pytest

from authz.policy.lint import lint
from tests.policies import policy
from tests.preset_tokens import policy_of, specimen, specimens

TABLEAU = specimen("tableau_connected_app")


def warnings(*names: str, change: Any = None, warehouse: dict[str, Any] | None = None) -> list[str]:
    """Codes and paths of the warnings about a policy for some specimens, after a change to it."""
    text = json.loads(policy_of(*(specimen(name) for name in names), warehouse=warehouse))
    if change is not None:
        change(text)
    return [f"{problem.code} {problem.path}" for problem in lint(policy(json.dumps(text)))]


def grant(**changes: Any) -> Any:
    def change(text: dict[str, Any]) -> None:
        text["grants"][0].update(changes)

    return change


def issuer(**changes: Any) -> Any:
    def change(text: dict[str, Any]) -> None:
        text["issuers"]["issuer-0"].update(changes)
        for name in [name for name, value in changes.items() if value is None]:
            del text["issuers"]["issuer-0"][name]

    return change


@pytest.mark.parametrize("name", specimens())
def test_a_preset_as_it_is_has_nothing_to_warn_of(name: str) -> None:
    """Or nobody would read warnings."""
    assert warnings(name) == []


@pytest.mark.parametrize(
    ("name", "claim", "expected"),
    [
        ("okta", "sub", ["mutable_subject issuers.issuer-0.subject_claim"]),
        ("okta", "uid", []),
        ("keycloak", "email", ["mutable_subject issuers.issuer-0.subject_claim"]),
        ("keycloak", "preferred_username", ["mutable_subject issuers.issuer-0.subject_claim"]),
        ("keycloak", "sub", []),
        ("entra", "upn", ["mutable_subject issuers.issuer-0.subject_claim"]),
        ("generic", "email", ["mutable_subject issuers.issuer-0.subject_claim"]),
        ("generic", "employee_number", []),
    ],
)
def test_a_subject_that_can_change_is_warned_of(name: str, claim: str, expected: list[str]) -> None:
    """Whoever is given the address of somebody who left is given their access, too ("nOAuth")."""
    assert warnings(name, change=issuer(subject_claim=claim)) == expected


def test_an_issuer_for_everybody_is_warned_of() -> None:
    """Without its organization, Google vouches for every account there is."""
    assert warnings("google", change=issuer(hosted_domain=None)) == ["open_issuer issuers.issuer-0"]


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [("CF_Authorization", ["cookie_of_neighbours warehouses.sales.credentials"]), ("__Host-token", [])],
)
def test_a_cookie_that_neighbours_can_set_is_warned_of(cookie: str, expected: list[str]) -> None:
    """The prefix binds a cookie to the host that set it."""
    assert warnings("okta", warehouse={"credentials": [{"cookie": cookie}]}) == expected


def test_a_token_for_one_request_is_no_password() -> None:
    """A driver would send it with each of its queries."""
    basic = {"credentials": ["basic"]}
    expected = ["used_once warehouses.sales.credentials"]
    assert warnings("tableau_connected_app", warehouse=basic) == expected
    assert warnings("tableau_connected_app", warehouse=basic, change=issuer(single_use=False)) == []
    assert warnings("okta", warehouse=basic) == []


@pytest.mark.parametrize(
    ("name", "condition", "expected"),
    [
        ("okta", "principal.claims.departement == 'x'", ["unknown_claim grants[0].when"]),
        ("okta", "principal.claims.cid == 'x'", []),
        ("okta", "principal.claims['https://acme.example/x'] == 'x'", ["unknown_claim grants[0].when"]),
        ("keycloak", "'a' in principal.claims.realm_access.roles", []),
        ("github_actions", "principal.claims.ref == 'refs/heads/main'", []),
        ("github_actions", "principal.claims.branch == 'main'", ["unknown_claim grants[0].when"]),
        ("generic", "principal.claims.region == ['EU']", []),
        ("generic", "principal.claims.departement == 'x'", ["unknown_claim grants[0].when"]),
    ],
)
def test_a_condition_on_a_claim_that_nobody_sends(name: str, condition: str, expected: list[str]) -> None:
    """It would fail on every request; declared, it is known."""
    assert warnings(name, change=grant(when=condition)) == expected


def test_a_scope_from_a_claim_that_nobody_sends() -> None:
    """With its dimension; a declared claim is known, and so is one of an issuer of which nothing is said."""
    term = grant(scope={"region": {"claim": "region"}})
    assert warnings("okta", change=term) == ["unknown_claim grants[0].scope.region"]

    def both(text: dict[str, Any]) -> None:
        term(text)
        issuer(claims={"region": "strings"})(text)

    assert warnings("okta", change=both) == []

    def undeclared(text: dict[str, Any]) -> None:
        term(text)
        issuer(claims=None)(text)

    assert warnings("generic", change=undeclared) == []


def test_one_of_several_issuers_suffices() -> None:
    """The rule fails for tokens of the other; that is for the policy to say, and no typing error."""
    term = grant(scope={"region": {"claim": "realm_access.roles"}})
    assert warnings("okta", "keycloak", change=term) == []
    assert warnings("okta", "keycloak", change=grant(scope={"region": {"claim": "regoin"}})) == [
        "unknown_claim grants[0].scope.region"
    ]


def test_rules_of_every_kind_are_looked_at() -> None:
    """Restrictions and denies fail as grants do."""

    def rules(text: dict[str, Any]) -> None:
        when = "principal.claims.nobody == 'x'"
        text["restrictions"] = [{"id": "r", "when": when, "scope": {"region": {"claim": "nothing"}}}]
        text["denies"] = [{"id": "d", "when": when}]

    assert warnings("okta", change=rules) == [
        "unknown_claim restrictions[0].when",
        "unknown_claim restrictions[0].scope.region",
        "unknown_claim denies[0].when",
    ]
