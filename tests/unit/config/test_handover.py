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
from tests.rules import NOON, get, person

ROOT = Path(__file__).parents[3]
POLICIES = sorted(
    path
    for folder in ("authz/demo", "envoy/example", "tests/cases/policies")
    for path in (ROOT / folder).glob("*.yaml")
    if "\nwarehouses:" in path.read_text()
)


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


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_policy_is_handed_over_whole(path: Path) -> None:
    """Each of its parts is equal, and rules are found in the index that are those of the policy."""
    policy = load_policy(path)
    other = handed_over(policy)
    assert isinstance(other, PolicySet)
    for name in ("version", "issuers", "trusts", "dimensions", "warehouses", "edge", "also_record", "places"):
        assert getattr(other, name) == getattr(policy, name), name
    assert (other.assertion, other.revocations) == (policy.assertion, policy.revocations)
    assert list(_without_conditions(other)) == list(_without_conditions(policy))
    for warehouse in policy.warehouses:
        found = [id(grant) for grant in other.index.grants_on(warehouse)]
        assert found == [id(grant) for grant in other.grants if warehouse in grant.on]


def test_there_are_policies_to_hand_over() -> None:
    """With rules of every kind, and with conditions."""
    policies = [load_policy(path) for path in POLICIES]
    assert all(
        any(part for part in parts)
        for parts in zip(*((p.grants, p.denies, p.restrictions) for p in policies), strict=True)
    )
    assert any(grant.when is not None for policy in policies for grant in policy.grants)


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
