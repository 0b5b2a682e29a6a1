"""Claims as a JWS in compact form."""

import json

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.utils import base64url_decode

from authz.identity.jws import parse_compact_token
from authz.signing.jws import sign
from authz.signing.keys import parse_signing_key, signing_keys
from tests.signingkeys import ec_pem, one_key, rsa_pem, verified

KEYS = {"ES256": one_key(ec_pem()), "RS256": one_key(rsa_pem())}


def claim_sets(characters: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, object]]:
    """Names of five letters and more: none of those that PyJWT has an opinion on."""
    texts = st.text(characters, max_size=20)
    values = st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )
    return st.dictionaries(st.text(characters, min_size=5, max_size=12), values, max_size=5)


ANY = st.characters()
"""Half surrogate pairs, too."""
UNICODE = st.characters(codec="utf-8")


def test_another_key_verifies_nothing() -> None:
    """One's own key does; another of the same kind, a changed payload and a changed header do not."""
    token = sign({"sub": "ann"}, "scope+jwt", KEYS["ES256"])
    other = one_key(ec_pem("other"))
    assert verified(token, KEYS["ES256"]) == {"sub": "ann"}
    kid = KEYS["ES256"].signing.kid
    forged = {"keys": [{**other.signing.public, "kid": kid}]}
    with pytest.raises(jwt.InvalidSignatureError):
        verified(token, forged)
    header, payload, signature = token.split(".")
    eve = sign({"sub": "eve"}, "scope+jwt", KEYS["ES256"]).split(".")[1]
    at_jwt = sign({"sub": "ann"}, "at+jwt", KEYS["ES256"]).split(".")[0]
    for changed in (f"{header}.{eve}.{signature}", f"{at_jwt}.{payload}.{signature}"):
        with pytest.raises(jwt.InvalidSignatureError):
            verified(changed, KEYS["ES256"])


@pytest.mark.parametrize("algorithm", KEYS)
@settings(deadline=None)
@given(claims=claim_sets(ANY))
def test_every_claim_survives(algorithm: str, claims: dict[str, object]) -> None:
    """Whatever JSON can say, PyJWT reads back from the published keys: lone surrogates and control characters, too."""
    keys = KEYS[algorithm]
    token = sign(claims, "scope+jwt", keys)
    assert verified(token, keys) == claims
    assert token == sign(dict(reversed(claims.items())), "scope+jwt", keys)


@pytest.mark.parametrize("algorithm", KEYS)
@settings(deadline=None)
@given(claims=claim_sets(UNICODE))
def test_the_form_is_the_strict_one(algorithm: str, claims: dict[str, object]) -> None:
    """Our own strict reader takes it: canonical base64url, no unknown parameter, JSON in ASCII."""
    token = sign(claims, "scope+jwt", KEYS[algorithm])
    read = parse_compact_token(token)
    assert (read.unverified_algorithm, read.unverified_type) == (algorithm, "scope+jwt")
    assert read.unverified_key_id == KEYS[algorithm].signing.kid
    assert base64url_decode(token.split(".")[1]).isascii()


def test_the_header_says_no_more_than_it_must() -> None:
    """Algorithm, key and type; nothing that brings a key along."""
    token = sign({}, "scope+jwt", KEYS["ES256"])
    kid = KEYS["ES256"].signing.kid
    assert json.loads(base64url_decode(token.split(".")[0])) == {
        "alg": "ES256",
        "kid": kid,
        "typ": "scope+jwt",
    }


def test_what_json_cannot_say_is_not_signed() -> None:
    """Neither NaN, which other readers refuse or misread, nor an object of ours."""
    for claims in ({"n": float("nan")}, {"n": float("inf")}, {"n": object()}, {"n": {1}}):
        with pytest.raises((ValueError, TypeError)):
            sign(claims, "scope+jwt", KEYS["ES256"])


def test_the_key_that_signs_is_the_one_that_was_chosen() -> None:
    """Not the first that is published."""
    old, new = parse_signing_key(ec_pem("old")), parse_signing_key(ec_pem("new"))
    for signing in (old, new):
        keys = signing_keys([old, new], signing)
        token = sign({"a": 1}, "scope+jwt", keys)
        assert jwt.get_unverified_header(token)["kid"] == signing.kid
        assert verified(token, keys) == {"a": 1}
