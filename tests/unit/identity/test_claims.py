"""The claims of a token whose signature is good."""

import pytest

from authz.errors import Denied, Reason
from authz.identity.claims import VerifiedClaims, verify_claims
from authz.identity.issuer import Issuer
from tests.tokens import AUDIENCE, NOW, claims, make_issuer

OKTA = make_issuer()


def verify(issuer: Issuer = OKTA, now: float = NOW, **changes: object) -> VerifiedClaims:
    return verify_claims(claims(**changes), issuer, now)


def refusal(issuer: Issuer = OKTA, now: float = NOW, **changes: object) -> Reason:
    with pytest.raises(Denied) as caught:
        verify(issuer, now, **changes)
    return caught.value.reason


def test_a_foreign_iss_is_refused_here_too() -> None:
    """The issuer is chosen by `iss`; this holds whoever chooses."""
    assert refusal(iss="https://evil.example") is Reason.TOKEN_CLAIMS_INVALID


@pytest.mark.parametrize("aud", [None, "other", "", AUDIENCE + "/", AUDIENCE[:-1], [], ["other"], ["a", "b"]])
def test_an_audience_without_ours_is_refused(aud: object) -> None:
    """Missing, foreign, similar, or a list of others."""
    assert refusal(aud=aud) is Reason.TOKEN_AUDIENCE_WRONG


@pytest.mark.parametrize("aud", [7, True, {AUDIENCE: 1}, [AUDIENCE, 7], [[AUDIENCE]], {"aud": AUDIENCE}])
def test_an_audience_of_another_type_is_refused(aud: object) -> None:
    """An object must not match by its keys, nor a mixed list by its good half."""
    assert refusal(aud=aud) is Reason.TOKEN_CLAIMS_INVALID


def test_an_audience_of_null_is_refused() -> None:
    """Present, and nothing."""
    with pytest.raises(Denied) as caught:
        verify_claims({**claims(), "aud": None}, OKTA, NOW)
    assert caught.value.reason is Reason.TOKEN_CLAIMS_INVALID


def test_ours_among_several_audiences_is_accepted() -> None:
    """RFC 7519 section 4.1.3."""
    assert verify(aud=["other", AUDIENCE]).subject == "alice"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1790000600", " 123 ", "1_000", "\u0661\u0662", True, [1], {}, ""])
def test_a_time_that_is_no_number_is_refused(name: str, value: object) -> None:
    """PyJWT would put strings through int(), which forgives much."""
    assert refusal(**{name: value}) is Reason.TOKEN_CLAIMS_INVALID


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "cnf", "groups", "jti", "sub"])
def test_a_null_is_not_an_absent_claim(name: str) -> None:
    """`null` is a value of the wrong type."""
    with pytest.raises(Denied):
        verify_claims({**claims(), name: None}, OKTA, NOW)


def test_a_token_without_expiry_is_refused() -> None:
    """It would be good for ever."""
    assert refusal(exp=None) is Reason.TOKEN_CLAIMS_INVALID


def test_expiry_has_exactly_the_leeway() -> None:
    """RFC 7519 section 4.1.4: on or after that moment it is refused."""
    assert refusal(exp=NOW - 60) is Reason.TOKEN_EXPIRED
    assert verify(exp=NOW - 59).expires_at == NOW + 1
    assert refusal(make_issuer(leeway_seconds=0.0), exp=NOW) is Reason.TOKEN_EXPIRED
    assert refusal(exp=0) is Reason.TOKEN_EXPIRED
    assert refusal(exp=-1) is Reason.TOKEN_EXPIRED


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_the_beginning_has_exactly_the_leeway(name: str) -> None:
    """A token from the future is refused until it begins."""
    assert refusal(**{name: NOW + 61}) is Reason.TOKEN_NOT_YET_VALID
    assert verify(**{name: NOW + 60}).not_before == NOW


def test_a_clock_difference_is_named_in_the_detail() -> None:
    """The operator sees at once that it is the clock."""
    with pytest.raises(Denied, match=r"`exp` \d+ is over by our clock, leeway 60 s"):
        verify(exp=NOW - 90)
    with pytest.raises(Denied, match=r"is 90 s ahead of our clock, leeway 60 s"):
        verify(nbf=NOW + 90)


@pytest.mark.parametrize("sub", [None, "", 7, ["alice"], {"name": "alice"}, True, "x" * 513])
def test_a_subject_that_names_nobody_is_refused(sub: object) -> None:
    """A subject is a non-empty string of bounded length."""
    assert refusal(sub=sub) is Reason.TOKEN_CLAIMS_INVALID


@pytest.mark.parametrize("bad", ["\x00", "\n", "\r", "\x7f", "\x85", "\u2028", "\u200b", "\u202e", "\ufeff"])
def test_a_subject_with_invisible_characters_is_refused(bad: str) -> None:
    """Log lines could be forged, and two people could look alike."""
    assert refusal(sub=f"ali{bad}ce") is Reason.TOKEN_CLAIMS_INVALID
    assert verify(sub="Al\u00ed ce").subject == "Al\u00ed ce"


def test_the_subject_claim_is_configured() -> None:
    """Another claim may be the key of people; `sub` is then not read."""
    issuer = make_issuer(subject_claim="oid")
    assert refusal(issuer) is Reason.TOKEN_CLAIMS_INVALID
    assert verify(issuer, oid="42").subject == "42"


@pytest.mark.parametrize(
    "groups",
    [
        "analysts-emea",
        "",
        {"analysts-emea": True},
        7,
        True,
        ["ok", 7],
        ["ok", None],
        ["ok", ["nested"]],
        [""],
        ["a\nb"],
        ["x" * 1_025],
    ],
)
def test_groups_that_are_no_list_of_names_are_refused(groups: object) -> None:
    """A string must not match by substring, nor an object by its keys."""
    assert refusal(groups=groups) is Reason.TOKEN_CLAIMS_INVALID


def test_more_groups_than_are_read_is_an_overage() -> None:
    """A part of them would be a guess."""
    issuer = make_issuer(max_groups=2)
    assert refusal(issuer, groups=["a", "b", "c"]) is Reason.GROUPS_OVERAGE
    assert verify(issuer, groups=["a", "b"]).groups == {"a", "b"}


@pytest.mark.parametrize(
    "changes",
    [
        {"groups": None, "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "x"}}},
        {"_claim_names": {"groups": "src1"}},
        {"groups": None, "hasgroups": True},
        {"groups": None, "hasgroups": "true"},
        {"hasgroups": True},
    ],
)
def test_groups_that_the_issuer_left_out_are_a_reason_of_their_own(changes: dict[str, object]) -> None:
    """Never "no groups": the principal may be in any."""
    assert refusal(**changes) is Reason.GROUPS_OVERAGE


def test_an_unreadable_overage_claim_is_refused() -> None:
    """It could name the groups."""
    assert refusal(_claim_names="groups") is Reason.TOKEN_CLAIMS_INVALID


def test_an_overage_of_another_claim_is_not_ours() -> None:
    """Distributed claims that are not read change nothing; nor does an overage where no groups are read."""
    assert verify(_claim_names={"photo": "src1"}, hasgroups=False).groups == {"analysts-emea"}
    roles = make_issuer(groups_claim="roles")
    assert verify(roles, groups=None, hasgroups=True, roles=["reader"]).groups == {"reader"}
    assert verify(make_issuer(groups_claim=None), _claim_names={"groups": "x"}).groups == frozenset()


def test_an_overage_of_the_first_part_of_a_path_is_ours() -> None:
    """The whole object is elsewhere."""
    issuer = make_issuer(groups_claim="realm_access.roles")
    assert refusal(issuer, _claim_names={"realm_access": "src1"}) is Reason.GROUPS_OVERAGE


def test_missing_groups_are_no_groups() -> None:
    """Somebody may be in none; a grant by group then does not apply."""
    assert verify(groups=None).groups == frozenset()
    assert verify(groups=[]).groups == frozenset()
    assert verify(make_issuer(groups_claim=None)).groups == frozenset()


def test_a_groups_claim_may_be_a_path() -> None:
    """A claim of that very name goes first; a path ends in no groups where it leads nowhere."""
    issuer = make_issuer(groups_claim="realm_access.roles")
    assert verify(issuer, realm_access={"roles": ["reader"]}).groups == {"reader"}
    literal = {"realm_access.roles": ["literal"], "realm_access": {"roles": ["path"]}}
    assert verify(issuer, **literal).groups == {"literal"}
    assert verify(issuer, realm_access={}).groups == frozenset()
    assert verify(issuer, realm_access="roles").groups == frozenset()
    assert refusal(issuer, realm_access={"roles": "reader"}) is Reason.TOKEN_CLAIMS_INVALID


def test_required_claims_must_be_there() -> None:
    """Entra's `tid` is the example: a tenant that is not pinned is any tenant."""
    issuer = make_issuer(required_claims=frozenset({"tid", "ctx.level"}))
    assert refusal(issuer, tid="x") is Reason.TOKEN_CLAIMS_INVALID
    assert refusal(issuer, ctx={"level": 1}) is Reason.TOKEN_CLAIMS_INVALID
    assert refusal(issuer, tid="x", ctx={"level": None}) is Reason.TOKEN_CLAIMS_INVALID
    assert verify(issuer, tid="x", ctx={"level": 0})


@pytest.mark.parametrize("jti", [7, ["a"], "x" * 513, "a\nb"])
def test_a_token_id_that_is_no_name_is_refused(jti: object) -> None:
    """It goes to the audit trail, and a revocation list looks for it."""
    assert refusal(jti=jti) is Reason.TOKEN_CLAIMS_INVALID
    assert verify(jti="a-1").token_id == "a-1"
    assert verify().token_id is None


@pytest.mark.parametrize(
    "cnf",
    [
        {},
        [],
        "x5t#S256",
        {"jkt": "abc"},
        {"jwk": {}},
        {"x5t#S256": 7},
        {"x5t#S256": ""},
        {"x5t#S256": None},
        {"x5t#S256": "abc", "jkt": "abc"},
        {"X5T#S256": "abc"},
    ],
)
def test_a_binding_that_is_not_understood_is_refused(cnf: object) -> None:
    """Ignoring it would turn a bound token into a bearer token."""
    assert refusal(cnf=cnf) is Reason.TOKEN_BINDING_FAILED


def test_a_binding_to_a_certificate_is_reported() -> None:
    """RFC 8705 section 3.1; the authenticator holds it against the certificate."""
    assert verify(cnf={"x5t#S256": "abc"}).thumbprint == "abc"
    assert verify().thumbprint is None


def test_verified_claims_are_read_only_and_out_of_reprs() -> None:
    """One object serves every request of the principal."""
    verified = verify(department="canary")
    assert verified.claims["department"] == "canary"
    with pytest.raises(TypeError):
        verified.claims["department"] = "x"  # type: ignore[index]
    assert "canary" not in repr(verified)
