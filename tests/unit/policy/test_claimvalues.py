"""Values out of claims: typed, bounded, and never quoted."""

import pytest

from authz.errors import Denied, Reason
from authz.policy.claimvalues import claim_values
from authz.scopes.constraints import OneOf
from authz.scopes.values import ValueType
from tests.rules import claim, machine, person


def values(
    raw: object, type_: ValueType = ValueType.STRING, path: str = "department", max_values: int = 3
) -> object:
    return claim_values(claim(path, max_values), type_, person(claims={"department": raw}))


@pytest.mark.parametrize(
    ("raw", "type_", "reason"),
    [
        (None, ValueType.STRING, Reason.CLAIM_MISSING),
        (5, ValueType.STRING, Reason.CLAIM_INVALID),
        (True, ValueType.INTEGER, Reason.CLAIM_INVALID),
        ("5", ValueType.INTEGER, Reason.CLAIM_INVALID),
        (5.5, ValueType.INTEGER, Reason.CLAIM_INVALID),
        (1, ValueType.BOOLEAN, Reason.CLAIM_INVALID),
        ({"EU": 1}, ValueType.STRING, Reason.CLAIM_INVALID),
        ([["EU"]], ValueType.STRING, Reason.CLAIM_INVALID),
        (["EU", None], ValueType.STRING, Reason.CLAIM_INVALID),
        (["EU", 5], ValueType.STRING, Reason.CLAIM_INVALID),
        ("EU\r\nx-scope-sql: 1", ValueType.STRING, Reason.CLAIM_INVALID),
        ("2026-02-30", ValueType.DATE, Reason.CLAIM_INVALID),
        ("x" * 257, ValueType.STRING, Reason.CLAIM_TOO_LARGE),
        (["x"] * 4, ValueType.STRING, Reason.CLAIM_TOO_LARGE),
    ],
)
def test_a_claim_that_does_not_fit_denies(raw: object, type_: ValueType, reason: Reason) -> None:
    """With a reason of its own, and nothing converted between kinds."""
    with pytest.raises(Denied) as caught:
        values(raw, type_)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("raw", "type_", "expected"),
    [
        ("EU", ValueType.STRING, OneOf(("EU",))),
        (["US", "EU", "EU"], ValueType.STRING, OneOf(("EU", "US"))),
        (("US", "EU"), ValueType.STRING, OneOf(("EU", "US"))),
        ([7], ValueType.INTEGER, OneOf((7,))),
        ([], ValueType.STRING, None),
    ],
)
def test_a_claim_is_one_value_or_a_list_of_them(raw: object, type_: ValueType, expected: object) -> None:
    """An empty list selects nothing."""
    assert values(raw, type_) == expected


def test_a_machine_has_no_claims() -> None:
    """Whoever has no token has no claim that could be read."""
    with pytest.raises(Denied) as caught:
        claim_values(claim("department"), ValueType.STRING, machine())
    assert caught.value.reason is Reason.CLAIM_MISSING


def test_a_path_walks_into_objects_and_a_whole_name_comes_first() -> None:
    """Namespaced claims are URLs with dots in them."""
    principal = person(claims={"a": {"b": "inner"}, "https://acme.example/region": "EU"})
    assert claim_values(claim("a.b"), ValueType.STRING, principal) == OneOf(("inner",))
    assert claim_values(claim("https://acme.example/region"), ValueType.STRING, principal) == OneOf(("EU",))
    for path in ("a.c", "a.b.c", "b"):
        with pytest.raises(Denied, match="missing"):
            claim_values(claim(path), ValueType.STRING, principal)


@pytest.mark.parametrize("raw", ["hunter2\n", ["hunter2\0"], {"hunter2": 1}])
def test_no_text_quotes_a_claim(raw: object) -> None:
    """The detail goes to a log."""
    with pytest.raises(Denied) as caught:
        values(raw)
    assert "hunter2" not in str(caught.value)
    assert "claim `department`" in caught.value.detail
