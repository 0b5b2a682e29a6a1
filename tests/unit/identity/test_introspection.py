"""What is believed of an issuer's answer about an opaque token, and for how long."""

from typing import Any

import pytest

from authz.errors import Denied, KeyDoubt, Reason, TokenDoubt
from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.authenticator import Authenticator
from authz.identity.credentials import Credentials
from authz.identity.introspection import (
    INACTIVE_SECONDS,
    MAX_REMEMBERED_INACTIVE,
    IntrospectedTokens,
    is_opaque,
)
from authz.identity.introspectionrules import Introspection
from authz.identity.keyset import parse_jwks
from tests.tokens import NOW, claims, ec_key, jwks, make_issuer, mint

RULES = Introspection(url="https://issuer.example/introspect", client_id="us", secret_file="secret")
OKTA = make_issuer(introspection=RULES)
OTHER = make_issuer(name="other", issuer="https://other.example", introspection=RULES)
PLAIN = make_issuer(name="plain", issuer="https://plain.example")
TOKEN = "opq_abc"
DIGEST = b"d" * 32


def answered(**changes: object) -> dict[str, Any]:
    return {**claims(), "token_type": "Bearer", **changes}


def refusal(tokens: IntrospectedTokens, now: float = NOW) -> Denied:
    with pytest.raises(Denied) as caught:
        tokens.verify(TOKEN, DIGEST, OKTA, now)
    return caught.value


@pytest.fixture
def tokens() -> IntrospectedTokens:
    return IntrospectedTokens(30.0)


def test_without_an_answer_there_is_a_doubt(tokens: IntrospectedTokens) -> None:
    """503 for whoever cannot wait; nothing of the token is in the text."""
    denied = refusal(tokens)
    assert denied.reason is Reason.INTROSPECTION_UNAVAILABLE
    assert denied.doubt == TokenDoubt("okta", DIGEST, TOKEN)
    assert TOKEN not in f"{denied} {denied!r} {denied.doubt!r} {denied.detail}"


@pytest.mark.parametrize(
    ("exp", "until"),
    [(NOW + 600, 30.0), (NOW + 10, 10.0), (NOW - 5, 1.0), (NOW + 29.5, 29.5)],
)
def test_an_answer_ends_with_the_option_or_the_token(
    tokens: IntrospectedTokens, exp: float, until: float
) -> None:
    """Whichever is first; but the check that asked must find it."""
    tokens.keep(DIGEST, answered(exp=exp), NOW)
    assert tokens.verify(TOKEN, DIGEST, OKTA, NOW + until - 0.01).expires_at == NOW + until
    assert refusal(tokens, NOW + until).reason is Reason.INTROSPECTION_UNAVAILABLE


def test_not_active_is_believed_shortly(tokens: IntrospectedTokens) -> None:
    """And takes back what was believed before."""
    tokens.keep(DIGEST, answered(), NOW)
    tokens.keep(DIGEST, None, NOW)
    assert refusal(tokens).reason is Reason.TOKEN_INACTIVE
    assert refusal(tokens, NOW + INACTIVE_SECONDS).reason is Reason.INTROSPECTION_UNAVAILABLE
    tokens.keep(DIGEST, answered(), NOW + 1)
    assert tokens.verify(TOKEN, DIGEST, OKTA, NOW + 1).subject == "alice"


def test_made_up_tokens_drive_out_nobodys(tokens: IntrospectedTokens) -> None:
    """Active and other answers have memories of their own, each with a bound."""
    tokens.keep(DIGEST, answered(), NOW)
    for number in range(3 * MAX_REMEMBERED_INACTIVE):
        tokens.keep(b"%d" % number, None, NOW)
    assert tokens.verify(TOKEN, DIGEST, OKTA, NOW).subject == "alice"
    assert len(tokens._inactive) == MAX_REMEMBERED_INACTIVE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://evil.example"}, Reason.TOKEN_CLAIMS_INVALID),
        ({"aud": "api://other"}, Reason.TOKEN_AUDIENCE_WRONG),
        ({"exp": NOW - 61}, Reason.TOKEN_EXPIRED),
        ({"token_type": "DPoP"}, Reason.TOKEN_TYPE_REFUSED),
        ({"token_type": None}, Reason.TOKEN_TYPE_REFUSED),
        ({"token_type": "N_A"}, Reason.TOKEN_TYPE_REFUSED),
        ({"token_use": "refresh_token"}, Reason.TOKEN_TYPE_REFUSED),
        ({"token_use": ["access_token"]}, Reason.TOKEN_TYPE_REFUSED),
    ],
)
def test_active_is_not_enough(tokens: IntrospectedTokens, changes: dict[str, object], reason: Reason) -> None:
    """The answer is held against the issuer as a JWT's claims are."""
    tokens.keep(DIGEST, answered(**changes), NOW)
    assert refusal(tokens).reason is reason
    tokens.keep(DIGEST, answered(token_type="bearer", token_use="access_token"), NOW)
    assert tokens.verify(TOKEN, DIGEST, OKTA, NOW).subject == "alice"


def test_a_token_above_the_limit_is_not_looked_up(tokens: IntrospectedTokens) -> None:
    """The limit is the issuer's own."""
    with pytest.raises(Denied) as caught:
        tokens.verify("x" * (OKTA.max_token_bytes + 1), DIGEST, OKTA, NOW)
    assert caught.value.reason is Reason.TOKEN_TOO_LARGE


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("a.b.c", "jwt"),
        ("..", "jwt"),
        ("a.b.c.d.e", "jwt"),
        ("abc", "opaque"),
        ("a.b", "opaque"),
        ("a.b.c.d", "opaque"),
    ],
)
def test_the_form_alone_says_what_a_token_is(token: str, kind: str) -> None:
    """Three segments are a JWS, five a JWE, whatever is in them."""
    assert is_opaque(token) is (kind == "opaque")


def authenticator() -> Authenticator:
    key_set = parse_jwks(jwks(ec_key()))
    return Authenticator(
        issuers={"okta": OKTA, "other": OTHER, "plain": PLAIN},
        key_sets={"okta": key_set},
        bundles={},
    )


def denial(token: str, *issuers: str) -> Denied:
    accepts = AcceptedCredentials(
        authentication=Authentication.TOKEN, issuers=frozenset(issuers), trusts=frozenset()
    )
    with pytest.raises(Denied) as caught:
        authenticator().authenticate(Credentials(token=token, certificate_pem=None), accepts, NOW)
    return caught.value


def test_a_token_is_shown_to_the_one_issuer_that_it_can_be_from() -> None:
    """To none where nobody is asked, and to none where two could be."""
    assert denial(TOKEN, "plain").reason is Reason.TOKEN_MALFORMED
    assert denial(TOKEN, "okta", "other").reason is Reason.TOKEN_MALFORMED
    assert denial(TOKEN).reason is Reason.TOKEN_MALFORMED
    assert denial(TOKEN, "okta", "plain").issuer == "okta"


def test_a_jwt_that_does_not_verify_is_not_introspected() -> None:
    """What one way refuses the other cannot let in."""
    head, payload, _ = mint(claims(), ec_key()).split(".")
    denied = denial(f"{head}.{payload}.AAAA", "okta")
    assert denied.reason is Reason.TOKEN_SIGNATURE_INVALID
    assert isinstance(denied.doubt, KeyDoubt)


def test_an_endpoint_without_proof_of_the_client_does_not_exist() -> None:
    """Nor one with two."""
    for proofs in ({}, {"secret_file": "a", "key_file": "b"}):
        with pytest.raises(ValueError, match="needs a secret or a key"):
            Introspection(url="https://x.example", client_id="us", **proofs)


def test_an_answer_does_not_last_longer_because_the_clock_is_set_back(tokens: IntrospectedTokens) -> None:
    """It counts from when it was asked for: before that, it is asked for anew. So do the claims that rest on it."""
    tokens.keep(DIGEST, answered(), NOW)
    assert refusal(tokens, NOW - 1).reason is Reason.INTROSPECTION_UNAVAILABLE
    assert tokens.verify(TOKEN, DIGEST, OKTA, NOW).not_before == NOW
    tokens.keep(DIGEST, None, NOW)
    assert refusal(tokens, NOW).reason is Reason.TOKEN_INACTIVE
    assert refusal(tokens, NOW - 1).reason is Reason.INTROSPECTION_UNAVAILABLE
