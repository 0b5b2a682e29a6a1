"""What another process has read of a policy is the same policy."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from authz.config.handover import read_outcome, read_parts, write_outcome
from authz.config.load import load_policy
from authz.config.policyfiles import PolicyUnreadableError
from authz.policy.conditions import Condition, compile_condition
from authz.policy.parse import parse_policy
from authz.policy.policyset import DenyRule, Grant, PolicySet, Restriction
from authz.policy.problems import PolicyError
from authz.policy.yamlvalues import SourceText
from tests.handed_over import handed_over
from tests.policies import policy
from tests.preset_tokens import policy_of, specimens
from tests.rules import NOON, get, person

ROOT = Path(__file__).parents[3]
POLICIES = sorted(
    path
    for folder in ("authz/demo", "envoy/example", "tests/cases/policies", "tests/golden/warehouses")
    for path in (ROOT / folder).glob("*.yaml")
    if "\nwarehouses:" in path.read_text()
)
KINDS = """\
version: 1
issuers:
  okta:
    issuer: https://issuer.example
    audiences: [api://warehouse]
    introspection: {url: https://issuer.example/introspect, client_id: us, client_secret_file: secret}
client_certificates:
  corporate: {roots: roots.pem, identity: spiffe, trust_domain: example.org}
dimensions: {region: {type: string}, day: {type: date}}
warehouses:
  sales:
    routes: [{path: /orders, hosts: [a.example], methods: [GET]}]
    upstream: http://w:80
    columns: {region: region, day: day}
    filter: {form: odata, next_links: true}
    limits: {per_principal: 5/s}
grants:
  - id: all
    to: {subjects: [a], issuers: [okta]}
    on: [sales]
    scope: {region: {claim: regions}, day: {last: 30d}}
    when: "'sales' in principal.groups"
edge: {check_timeout: 3s}
"""


def _policies() -> Iterator[tuple[str, PolicySet]]:
    for path in POLICIES:
        yield str(path.relative_to(ROOT)), load_policy(path)
    for name, specimen in specimens().items():
        yield name, policy(policy_of(specimen))
    yield "kinds", policy(KINDS)


def _without_conditions(policy: PolicySet) -> Iterator[object]:
    rules: tuple[Grant | Restriction | DenyRule, ...] = (
        *policy.grants,
        *policy.restrictions,
        *policy.denies,
    )
    for rule in rules:
        when = rule.when
        yield replace(rule, when=None)
        yield (
            None
            if when is None
            else (when.text, when.place, when.reads, when.variables, when.claims, when.loops)
        )


@pytest.mark.parametrize(("name", "whole"), list(_policies()))
def test_a_policy_is_handed_over_whole(name: str, whole: PolicySet) -> None:
    """Each of its parts is equal, and rules are found in the index that are those of the policy."""
    other = handed_over(whole)
    for part in ("version", "issuers", "trusts", "dimensions", "warehouses", "edge", "also_record", "places"):
        assert getattr(other, part) == getattr(whole, part), (name, part)
    assert (other.assertion, other.revocations) == (whole.assertion, whole.revocations)
    assert list(_without_conditions(other)) == list(_without_conditions(whole))
    for warehouse in whole.warehouses:
        found = [id(grant) for grant in other.index.grants_on(warehouse)]
        assert found == [id(grant) for grant in other.grants if warehouse in grant.on]
        narrowed = [each.index.is_narrowed_by_group(warehouse) for each in (whole, other)]
        assert narrowed[0] == narrowed[1]


def test_there_are_policies_to_hand_over() -> None:
    """With rules of every kind, and with conditions."""
    policies = [whole for _, whole in _policies()]
    for rules in ("grants", "restrictions", "denies"):
        assert any(getattr(each, rules) for each in policies), rules
    assert any(grant.when is not None for each in policies for grant in each.grants)


def test_what_nobody_may_change_stays_so() -> None:
    """A mapping behind a proxy is behind one again."""
    other = handed_over(MappingProxyType({"region": "EU"}))
    assert isinstance(other, MappingProxyType)
    assert other == {"region": "EU"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("'sales' in principal.groups", True),
        ("'hr' in principal.groups", False),
        ("principal.groups.exists(g, g.startsWith('sal'))", True),
        ("request.method == 'GET' && request.time < timestamp('2000-01-01T00:00:00Z')", False),
    ],
)
def test_a_condition_means_the_same(text: str, *, holds: bool) -> None:
    """It is not compiled again, and is asked the same."""
    conditions: list[Condition] = [compile_condition(text)]
    conditions.append(handed_over(conditions[0]))
    principal = person(groups={"sales"})
    assert [each.holds(principal, "sales", get(), NOON) for each in conditions] == [holds, holds]


def test_what_is_wrong_is_handed_over_too() -> None:
    """Every problem with its place; and whether it is worth another try."""
    with pytest.raises(PolicyError) as found:
        parse_policy([SourceText("scopegate.yaml", "version: 2\nunknown: 1\n")])
    other = handed_over(found.value)
    assert type(other) is PolicyError
    assert (other.problems, str(other)) == (found.value.problems, str(found.value))
    for passing in (True, False):
        unread = handed_over(PolicyUnreadableError(found.value.problems, passing=passing))
        assert isinstance(unread, PolicyUnreadableError)
        assert (unread.problems, unread.passing) == (found.value.problems, passing)


@pytest.mark.parametrize("number", [0, 1, 7, 8, 9, 100])
def test_many_parts_are_read_a_few_at_a_time(number: int) -> None:
    """Each once, in their order, and what refers to one refers to what was read."""
    parts: list[object] = [[place] for place in range(number)]
    file = io.BytesIO()
    write_outcome({"all": tuple(parts), "last": parts[-1:]}, parts, file)
    file.seek(0)
    steps = list(read_parts(file))
    read = [part for step in steps for part in step]
    assert read == parts
    assert all(len(step) <= 8 for step in steps)
    outcome = read_outcome(file, read)
    assert isinstance(outcome, dict)
    assert [id(part) for part in outcome["all"]] == [id(part) for part in read]
    assert [id(part) for part in outcome["last"]] == [id(part) for part in read[-1:]]
    assert file.read() == b""
