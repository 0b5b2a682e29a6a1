"""What is valid and probably not meant; each with a neighbour that is fine."""

import pytest

from authz.policy.lint import lint
from authz.policy.problems import Severity
from tests.policies import SMALL, policy

NOW = 1_800_000_000.0
SCOPE = "scope: {region: [EU, UK], ordered_at: {last: 400d}}"
CACHE = "    cache: {ttl: 60s}\n"
RULE = "  - {id: contractors-no-pii,"


def codes(*changes: tuple[str, str], now: float | None = NOW) -> list[str]:
    text = SMALL
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return [problem.code for problem in lint(policy(text), now)]


def grant(text: str) -> tuple[str, str]:
    """One more grant."""
    return "restrictions:\n", f"  - {{{text}}}\nrestrictions:\n"


def test_the_example_has_nothing_to_warn_of() -> None:
    """Or nobody would read warnings."""
    assert lint(policy(), NOW) == ()


def test_warnings_are_warnings_with_a_place() -> None:
    """They keep no policy from being used."""
    (warning,) = lint(policy(SMALL.replace("ttl: 60s", "ttl: 2h")))
    assert warning.severity is Severity.WARNING
    assert warning.text.startswith(
        "scopegate.yaml:10: warehouses.sales.cache.ttl: answers are shared for 7200 seconds; "
    )


@pytest.mark.parametrize(("until", "expected"), [("2026-01-01", ["expired"]), ("2126-01-01", [])])
def test_a_grant_that_has_ended(until: str, expected: list[str]) -> None:
    """Not before its time, and never without a time."""
    change = (SCOPE, f"{SCOPE}, valid: {{until: {until}}}")
    assert codes(change) == expected
    assert codes(change, now=None) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("{groups: [analysts-emea]}", "{groups: []}", ["applies_to_nobody"]),
        ("[EU, UK]", "[]", ["selects_nothing"]),
        ("[EU, UK]", "[EU, all]", ["all_as_value"]),
        ("ttl: 60s", "ttl: 1h", []),
        ("ttl: 60s", "ttl: 3601s", ["long_cache"]),
        (", groups_claim: groups", "", ["no_groups"]),
        (", groups_claim: groups", ", groups_claim: groups, allow_http: true", ["insecure"]),
        ("dimensions:\n", "dimensions:\n  unused: {type: string}\n", ["unused"]),
        (CACHE, f"{CACHE}    authentication: token\n", ["unused", "never_applies"]),
        (CACHE, f"{CACHE}    authentication: both\n", ["never_applies"]),
        (RULE, f"{RULE} to: {{dns: []}},", ["applies_to_nobody"]),
    ],
)
def test_facts_that_are_worth_a_look(old: str, new: str, expected: list[str]) -> None:
    """One change, one warning."""
    if "dns" in new:
        second = "client_certificates:\n  names: {roots: r.pem, identity: dns}\n"
        assert codes((old, new), ("client_certificates:\n", second)) == expected
    else:
        assert codes((old, new)) == expected


def test_a_grant_for_tokens_where_only_certificates_are_taken() -> None:
    """Nobody will ever have it."""
    assert codes((CACHE, f"{CACHE}    authentication: certificate\n")) == ["unused", "never_applies"]


def test_a_grant_for_an_issuer_or_trust_that_the_warehouse_does_not_take() -> None:
    """However many others it takes."""
    two = (
        "issuers:\n",
        "issuers:\n  corp: {issuer: https://corp.example, audiences: [x], groups_claim: g}\n",
    )
    to = ("{groups: [analysts-emea]}", "{issuers: [corp], groups: [analysts-emea]}")
    assert codes(two, to) == []
    assert codes(two, to, (CACHE, f"{CACHE}    issuers: [okta]\n")) == ["unused", "never_applies"]
    second = ("client_certificates:\n", "client_certificates:\n  other: {roots: r.pem, identity: dns}\n")
    machine = ("{spiffe: [spiffe://acme.example/tableau/extract]}", "{certificates: [other]}")
    assert codes(second, machine) == []
    assert codes(second, machine, (CACHE, f"{CACHE}    certificates: [extracts]\n")) == [
        "unused",
        "never_applies",
    ]


def test_a_warehouse_that_nobody_is_granted() -> None:
    """And the restriction that is for it alone."""
    other = "  other: {routes: [{prefix: /o}], upstream: http://o, columns: {region: r}}\ngrants:\n"
    assert codes(("grants:\n", other)) == ["not_granted"]
    restriction = ("hide: [pii]}", "hide: [pii]}\n  - {id: r, on: [other], scope: {region: [EU]}}")
    assert codes(("grants:\n", other), restriction) == ["not_granted", "never_applies"]


def test_a_label_that_none_of_its_warehouses_has() -> None:
    """A known one, so no typing error, but without effect here."""
    other = (
        "grants:\n",
        "  other: {routes: [{prefix: /o}], upstream: http://o, columns: {region: r, ordered_at: o}, labels: {a: money}}\ngrants:\n",
    )
    given = ("on: [sales], scope: {region: all", "on: [sales, other], scope: {region: all")
    assert codes(other, given) == []
    assert codes(other, given, (SCOPE, f"{SCOPE}, hide: [money]")) == ["label_not_there"]


def test_a_condition_on_the_words_of_any_issuer() -> None:
    """`admins` of one issuer are not those of another; with one issuer alone, or with the issuer named, it is clear."""
    two = (
        "issuers:\n",
        "issuers:\n  corp: {issuer: https://corp.example, audiences: [x], groups_claim: g}\n",
    )
    to = "to: {groups: [analysts-emea]}"
    when = (to, "when: '\"admins\" in principal.groups'")
    assert codes(two, when) == ["whose_words"]
    assert codes(when) == []
    assert codes(two, (to, "to: {issuers: [okta]}, when: '\"admins\" in principal.groups'")) == []
    both = '\'principal.issuer == "okta" && "admins" in principal.groups\''
    assert codes(two, (to, f"when: {both}")) == []


def test_client_certificates_that_envoy_does_not_ask_for() -> None:
    """Said only of an edge that the policy describes."""
    edge = ("restrictions:\n", "edge: {listen: '0.0.0.0:8443'}\nrestrictions:\n")
    assert codes(edge) == ["no_client_ca"]
    assert codes(edge, ("{listen:", "{client_ca: ca.pem, listen:")) == []


def test_conditions_that_read_the_request_behind_a_cache() -> None:
    """Each request is decided anew, although answers are shared."""
    when = ("'\"contractors\" in principal.groups'", "'request.method == \"GET\"'")
    assert codes(when) == ["decided_each_time"]
    assert codes(when, (CACHE, "")) == []


class TestContainment:
    """Grants that add nothing to another one for the same people."""

    ALL = "region: all, ordered_at: all"

    @pytest.mark.parametrize(
        ("rest", "contained"),
        [
            (f"on: [sales], scope: {{{ALL}}}", True),
            ("on: [sales], scope: {region: [EU, UK], ordered_at: {last: 400d}}", True),
            ("on: [sales], scope: {region: [EU, UK, US], ordered_at: {last: 500d}}", True),
            ("on: [sales], scope: {region: [EU, US], ordered_at: {last: 500d}}", False),
            ("on: [sales], scope: {region: all, ordered_at: {last: 500d, step: 2d}}", False),
            ("on: [sales], scope: {region: all, ordered_at: {last: 399d}}", False),
            (f"on: [sales], scope: {{{ALL}}}, valid: {{until: 2100-01-01}}", False),
            (f"on: [sales], scope: {{{ALL}}}, when: 'true'", False),
            (f"on: [sales], scope: {{{ALL}}}, clear: [pii]", True),
            (f"on: [sales], scope: {{{ALL}}}, hide: [pii]", True),
        ],
    )
    def test_rows_time_and_columns_count(self, rest: str, *, contained: bool) -> None:
        """All of them: what is left out of one is given by the other."""
        found = codes(grant(f"id: more, to: {{groups: [analysts-emea]}}, {rest}"))
        assert found == (["grant_contained"] if contained else [])

    def test_other_people_are_other_people(self) -> None:
        """However alike the scopes are."""
        assert codes(grant(f"id: more, to: {{groups: [analysts]}}, on: [sales], {SCOPE}")) == []

    def test_a_clearer_grant_is_not_contained_in_a_wider_one(self) -> None:
        """It shows what the other hides."""
        clear = (SCOPE, f"{SCOPE}, clear: [pii]")
        assert (
            codes(
                clear, grant(f"id: more, to: {{groups: [analysts-emea]}}, on: [sales], scope: {{{self.ALL}}}")
            )
            == []
        )

    def test_of_two_equal_grants_the_later_is_named(self) -> None:
        """Once, with the place of the other."""
        text = SMALL.replace(*grant(f"id: twin, to: {{groups: [analysts-emea]}}, on: [sales], {SCOPE}"))
        (problem,) = lint(policy(text))
        assert "grant `twin` gives nothing that grant `emea-analysts`" in problem.message

    def test_claims_are_contained_in_the_same_claim_only(self) -> None:
        """What another says is not known."""

        def more(claim: str) -> tuple[str, str]:
            return grant(
                f"id: more, to: {{groups: [analysts-emea]}}, on: [sales], scope: {{region: {{claim: {claim}}}, ordered_at: all}}"
            )

        claim = ("[EU, UK]", "{claim: a}")
        assert codes(claim, more("a")) == ["grant_contained"]
        assert codes(claim, more("b")) == []
