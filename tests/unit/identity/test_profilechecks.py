"""Claims against a profile."""

import pytest

from authz.errors import Denied, Reason
from authz.identity.claimkinds import ClaimKind, kinds
from authz.identity.claims import VerifiedClaims, verify_claims
from authz.identity.profile import TokenProfile
from tests.tokens import NOW, claims, make_issuer

VALUES: dict[ClaimKind, list[object]] = {
    ClaimKind.STRING: ["", "a"],
    ClaimKind.NUMBER: [0, 1.5, -1],
    ClaimKind.BOOLEAN: [True, False],
    ClaimKind.STRINGS: [[], ["a"]],
    ClaimKind.STRING_OR_STRINGS: ["a", ["a", "b"], []],
    ClaimKind.OBJECT: [{}, {"a": 1}],
    ClaimKind.ANY: [0, "", [], {}, False, [1]],
}
OTHERS: dict[ClaimKind, list[object]] = {
    ClaimKind.STRING: [None, 1, True, ["a"], {}],
    ClaimKind.NUMBER: [None, "1", True, [1], {}],
    ClaimKind.BOOLEAN: [None, 0, 1, "true", []],
    ClaimKind.STRINGS: [None, "a", [1], ["a", None], {"a": 1}],
    ClaimKind.STRING_OR_STRINGS: [None, 1, [1], {}],
    ClaimKind.OBJECT: [None, [], "{}", 1],
    ClaimKind.ANY: [None],
}


def verify(profile: TokenProfile, **changes: object) -> VerifiedClaims:
    return verify_claims({**claims(), **changes}, make_issuer(profile=profile), NOW)


def refusal(profile: TokenProfile, **changes: object) -> Reason:
    with pytest.raises(Denied) as caught:
        verify(profile, **changes)
    return caught.value.reason


@pytest.mark.parametrize("kind", ClaimKind)
def test_a_required_claim_has_its_type(kind: ClaimKind) -> None:
    """Null, a number that is a boolean, a text where a list must be: all of them are none."""
    profile = TokenProfile(required=kinds(**{kind.value: "extra"}))
    assert refusal(profile) is Reason.TOKEN_CLAIMS_INVALID
    for value in OTHERS[kind]:
        assert refusal(profile, extra=value) is Reason.TOKEN_CLAIMS_INVALID, value
    for value in VALUES[kind]:
        assert verify(profile, extra=value)


@pytest.mark.parametrize("table", ["optional", "declared"])
def test_an_optional_claim_has_its_type_if_it_is_there(table: str) -> None:
    """Absent is good; of another type is not; what is merely known is nobody's business."""
    profile = TokenProfile(**{table: kinds(strings="extra")})  # type: ignore[arg-type]
    assert refusal(profile, extra="a") is Reason.TOKEN_CLAIMS_INVALID
    assert verify(profile)
    assert verify(profile, extra=["a"])
    assert verify(TokenProfile(known=kinds(strings="extra")), extra="a")


@pytest.mark.parametrize("value", [None, "", "b", "aa", ["a"], {"a": 1}, 1, True])
def test_a_pinned_claim_has_its_value(value: object) -> None:
    """Byte for byte, and no list that contains it."""
    profile = TokenProfile(pinned={"tid": frozenset({"a"})})
    assert refusal(profile, tid=value) is Reason.TOKEN_CLAIMS_INVALID
    assert refusal(profile) is Reason.TOKEN_CLAIMS_INVALID
    assert verify(profile, tid="a")


@pytest.mark.parametrize("value", [None, "ID", "bearer", ["Bearer"], {"Bearer": 1}])
def test_another_kind_of_token_is_refused_as_such(value: object) -> None:
    """The signature is good, the issuer and the audience may be: what it is for is not."""
    profile = TokenProfile(kinds={"typ": frozenset({"Bearer"})})
    assert refusal(profile, typ=value) is Reason.TOKEN_TYPE_REFUSED
    assert refusal(profile) is Reason.TOKEN_TYPE_REFUSED
    assert verify(profile, typ="Bearer")


def test_marks_and_foreign_claims_tell_tokens_apart() -> None:
    """One of several marks suffices; a claim of the other kind never passes, not even as null."""
    profile = TokenProfile(marks=(frozenset({"azp", "client_id"}),), foreign=frozenset({"nonce"}))
    assert refusal(profile) is Reason.TOKEN_TYPE_REFUSED
    assert refusal(profile, azp="a", nonce="n") is Reason.TOKEN_TYPE_REFUSED
    assert refusal(profile, azp="a", nonce=None) is Reason.TOKEN_TYPE_REFUSED
    assert verify(profile, client_id="a")


@pytest.mark.parametrize(
    "changes",
    [{}, {"scp": "read"}, {"scope": "reader writers"}, {"scp": ["read write"]}, {"scp": {"read": 1, "write": 1}},
     {"scope": ["read"], "scp": [["write"]]}, {"scope": "read,write"}],
)  # fmt: skip
def test_every_oauth_scope_is_needed(changes: dict[str, object]) -> None:
    """Whole words, of a text or a list."""
    profile = TokenProfile(oauth_scopes=frozenset({"read", "write"}))
    assert refusal(profile, **changes) is Reason.TOKEN_CLAIMS_INVALID
    for good in ({"scp": "read write"}, {"scope": "a write read"}, {"scp": ["write", "read"]}):
        assert verify(profile, **good)


def test_a_token_lives_no_longer_than_it_may() -> None:
    """Counted from its beginning, and from now: a token without beginning, or from the future, gains nothing."""
    profile = TokenProfile(max_lifetime_seconds=600.0)

    def lived(begin: int | None, end: int) -> dict[str, object]:
        return {"iat": None if begin is None else int(NOW) + begin, "exp": int(NOW) + end}

    for begin, end in ((0, 601), (-300, 301), (60, 661)):
        assert refusal(profile, **lived(begin, end)) is Reason.TOKEN_CLAIMS_INVALID
    without = {name: value for name, value in claims().items() if name != "iat"}
    issuer = make_issuer(profile=profile)
    with pytest.raises(Denied):
        verify_claims({**without, "exp": int(NOW) + 661}, issuer, NOW)
    assert verify_claims({**without, "exp": int(NOW) + 660}, issuer, NOW)
    assert verify(profile, **lived(0, 600))


def test_a_token_for_one_use_has_an_id() -> None:
    """Without one nobody could know it again."""
    profile = TokenProfile(single_use=True, max_lifetime_seconds=610.0)
    assert refusal(profile) is Reason.TOKEN_CLAIMS_INVALID
    assert refusal(profile, jti="") is Reason.TOKEN_CLAIMS_INVALID
    assert verify(profile, jti="a").token_id == "a"
