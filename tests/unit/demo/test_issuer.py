"""The development issuer without its HTTP."""

import time

import jwt
import pytest

from authz.demo.cast import EMMA
from authz.demo.issuer import KEPT_KEYS, DevelopmentIssuer, TokenRequestError

URL = "http://issuer.example/oauth2/default"


def _claims(issuer: DevelopmentIssuer, token: str, **options: bool) -> dict[str, object]:
    header = jwt.get_unverified_header(token)
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(issuer.jwks()).keys}
    return jwt.decode(
        token,
        keys[header["kid"]],
        algorithms=["RS256"],
        audience="api://warehouse",
        issuer=URL,
        options=options,
    )


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"grant_type": "password", "username": "nobody-known"}, "invalid_grant"),
        ({"grant_type": "password", "username": "emma", "expires_in": "soon"}, "invalid_request"),
        ({"grant_type": "password", "username": "emma", "expires_in": "99999999"}, "invalid_request"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_in_the_words_of_the_rfc(
    form: dict[str, str], code: str
) -> None:
    """RFC 6749 section 5.2 names the codes."""
    with pytest.raises(TokenRequestError) as refused:
        DevelopmentIssuer(URL).token(form)
    assert refused.value.code == code


def test_a_person_of_the_cast_gets_a_token_that_verifies() -> None:
    """It is signed by the published key and says who it is for, in groups and audience."""
    issuer = DevelopmentIssuer(URL)
    answer = issuer.token({"grant_type": "password", "username": "emma"})
    claims = _claims(issuer, str(answer["access_token"]))
    assert claims["sub"] == EMMA.subject
    assert claims["groups"] == ["analysts-emea"]
    assert answer["expires_in"] == 3600


def test_client_credentials_name_the_same_people() -> None:
    """A program asks with client_id where a person asks with username."""
    issuer = DevelopmentIssuer(URL)
    answer = issuer.token({"grant_type": "client_credentials", "client_id": "uma"})
    assert _claims(issuer, str(answer["access_token"]))["groups"] == ["analysts-us"]


def test_groups_of_ones_own_choice_make_a_person_of_their_own() -> None:
    """Whoever invents groups does not become a member of the cast by name."""
    issuer = DevelopmentIssuer(URL)
    answer = issuer.token({"grant_type": "password", "username": "emma", "groups": "analysts-us contractors"})
    claims = _claims(issuer, str(answer["access_token"]))
    assert claims["groups"] == ["analysts-us", "contractors"]
    assert claims["sub"] != EMMA.subject


def test_a_negative_lifetime_gives_a_token_that_has_ended() -> None:
    """So that one can see how an expired token is refused."""
    issuer = DevelopmentIssuer(URL)
    answer = issuer.token({"grant_type": "password", "username": "emma", "expires_in": "-600"})
    with pytest.raises(jwt.ExpiredSignatureError):
        _claims(issuer, str(answer["access_token"]))
    claims = _claims(issuer, str(answer["access_token"]), verify_exp=False)
    assert int(str(claims["iat"])) < int(str(claims["exp"])) < time.time()


def test_after_a_rotation_the_last_keys_tokens_still_verify_and_older_ones_do_not() -> None:
    """Two keys are published: the one that signs, and the one before."""
    issuer = DevelopmentIssuer(URL)
    tokens = []
    for _ in range(3):
        tokens.append(str(issuer.token({"grant_type": "password", "username": "emma"})["access_token"]))
        issuer.rotate()
    assert len(issuer.jwks()["keys"]) == KEPT_KEYS  # type: ignore[arg-type]
    assert _claims(issuer, tokens[2])["sub"] == EMMA.subject
    with pytest.raises(KeyError):
        _claims(issuer, tokens[0])


def test_the_key_set_holds_public_keys_only() -> None:
    """A private exponent in a JWKS would end the demo's credibility."""
    (key,) = DevelopmentIssuer(URL).jwks()["keys"]  # type: ignore[misc]
    assert set(key) == {"kty", "n", "e", "kid", "alg", "use"}


def test_discovery_names_the_issuer_exactly() -> None:
    """OpenID Connect Discovery 1.0 section 4.3: `issuer` must equal what the document was asked under."""
    document = DevelopmentIssuer(URL).discovery()
    assert document["issuer"] == URL
    assert document["jwks_uri"] == f"{URL}/v1/keys"
