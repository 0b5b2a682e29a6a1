"""`audit: {also_record: [...]}`: facts for the trail beside those that the rules read."""

import pytest

from authz.audit.facts import policy_reads
from authz.policy.problems import PolicyError
from tests.policies import SMALL, policy


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("principal.subject", "in every record anyway"),
        ("principal.claim", "did you mean `principal.claims`?"),
        ("principal.claims.", "expected one of"),
        ("request.headers", "expected one of"),
    ],
)
def test_what_cannot_be_recorded_is_said(name: str, says: str) -> None:
    """At the line where it stands."""
    with pytest.raises(PolicyError) as error:
        policy(f"{SMALL}audit: {{also_record: [principal.groups, {name}]}}\n")
    (problem,) = error.value.problems
    assert "audit.also_record[1]" in problem.text
    assert says in problem.text


def test_what_is_listed_is_recorded_for_each_warehouse() -> None:
    """Beside what its rules read."""
    before = policy_reads(policy())["sales"]
    assert (before.claims, before.path) == (frozenset(), False)
    after = policy_reads(policy(f"{SMALL}audit: {{also_record: [principal.claims.a.b, request.path]}}\n"))[
        "sales"
    ]
    assert (after.claims, after.path) == ({("a.b",)}, True)
