"""The name of a person at a warehouse."""

from dataclasses import replace

import pytest

from authz.errors import Denied, Reason
from authz.identity.principal import Claims
from authz.policy.tables import PersonName
from authz.rendering.person import person_name
from tests.allows import principal, warehouse


def _named(user: PersonName, **claims: object) -> str:
    return person_name(warehouse(user=user), replace(principal(), claims=Claims(claims)))


def test_the_subject_is_the_name_unless_a_claim_is_asked_for() -> None:
    """A claim that is not asked for names nobody."""
    assert _named(PersonName(), email="bob") == "alice"
    assert _named(PersonName(claim="email"), email="bob") == "bob"


def test_a_qualified_name_begins_with_the_issuer() -> None:
    """Two issuers' people are never one."""
    assert _named(PersonName(qualified=True)) == "okta:alice"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, Reason.CLAIM_MISSING),
        ({"email": None}, Reason.CLAIM_MISSING),
        ({"email": ""}, Reason.CLAIM_INVALID),
        ({"email": "  "}, Reason.CLAIM_INVALID),
        ({"email": ["bob"]}, Reason.CLAIM_INVALID),
        ({"email": "bob\nX-Trino-User: root"}, Reason.CLAIM_INVALID),
        ({"email": "b" * 257}, Reason.CLAIM_TOO_LARGE),
    ],
)
def test_a_claim_that_is_no_name_denies(claims: dict[str, object], reason: Reason) -> None:
    """The subject never stands in for it."""
    with pytest.raises(Denied) as caught:
        _named(PersonName(claim="email"), **claims)
    assert caught.value.reason is reason
