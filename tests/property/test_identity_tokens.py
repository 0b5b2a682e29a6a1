"""Hostile tokens and key sets: a denial or our own error, nothing else, and never a success for a changed token."""

import contextlib
import json

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from authz.errors import Denied
from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.authenticator import Authenticator
from authz.identity.credentials import Credentials, read_credentials
from authz.identity.jws import parse_base64url
from authz.identity.keyset import KeySetError, parse_jwks
from authz.identity.strictjson import StrictJsonError, parse_object
from authz.request import AccessRequest
from tests.tokens import (
    NOW,
    base64url,
    claims,
    dump,
    ec_key,
    ed25519_key,
    jwks,
    make_issuer,
    mint,
    rsa_key,
    sign,
)

RSA, EC, ED = rsa_key(), ec_key(), ed25519_key()
KEYS = jwks(RSA, EC, ED)
TOKENS = {key.kid: mint(claims(), key) for key in (RSA, EC, ED)}
ACCEPTS = AcceptedCredentials(
    authentication=Authentication.TOKEN, issuers=frozenset({"okta"}), trusts=frozenset()
)
AUTHENTICATOR = Authenticator(
    issuers={"okta": make_issuer()}, key_sets={"okta": parse_jwks(KEYS)}, bundles={}
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="utf-16", exclude_categories=[]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
CLAIM_NAMES = ["iss", "aud", "sub", "exp", "nbf", "iat", "groups", "cnf", "jti", "_claim_names", "hasgroups"]
HEADER_NAMES = ["alg", "typ", "kid", "crit", "b64", "jwk", "jku", "x5c", "cty", "zip", "enc"]
JWK_NAMES = ["kty", "crv", "alg", "use", "key_ops", "kid", "n", "e", "x", "y", "d", "k"]


# No deadline: the machine may be busy, and none of these properties is about speed.
EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def authenticates(token: str) -> bool:
    """Whether the token is accepted; anything but `Denied` escapes and fails the test."""
    credentials = Credentials(token=token, certificate_pem=None)
    try:
        AUTHENTICATOR.authenticate(credentials, ACCEPTS, NOW)
    except Denied as denied:
        denied.detail.encode("utf-8")
        return False
    return True


def test_the_tokens_that_are_changed_here_are_good() -> None:
    """Or the properties below would hold for nothing."""
    assert all(authenticates(token) for token in TOKENS.values())


@EXAMPLES
@given(st.text(st.characters(exclude_categories=[]), max_size=200))
def test_any_text_is_denied(text: str) -> None:
    """Whatever a client sends as a token."""
    assert not authenticates(text)


@EXAMPLES
@given(st.lists(st.binary(max_size=60), min_size=3, max_size=3))
def test_any_three_segments_are_denied(segments: list[bytes]) -> None:
    """Well-formed base64url around anything."""
    assert not authenticates(".".join(base64url(segment) for segment in segments))


@EXAMPLES
@given(
    st.sampled_from([RSA.kid, ED.kid]),
    st.integers(min_value=0, max_value=5_000),
    st.characters(min_codepoint=32, max_codepoint=126),
)
def test_no_token_with_a_changed_character_is_accepted(kid: str, position: int, char: str) -> None:
    """One byte away from a good one. ECDSA is left out: its signatures have a second form by design."""
    token = TOKENS[kid]
    position %= len(token)
    assume(token[position] != char)
    assert not authenticates(token[:position] + char + token[position + 1 :])


@EXAMPLES
@given(st.sampled_from(sorted(TOKENS)), st.integers(0, 5_000), st.text(min_size=1, max_size=4))
def test_no_token_with_an_insertion_is_accepted(kid: str, position: int, text: str) -> None:
    """Padding, white space, NUL, dots: one token has one byte form."""
    token = TOKENS[kid]
    position %= len(token) + 1
    assert not authenticates(token[:position] + text + token[position:])


@EXAMPLES
@given(st.sampled_from(sorted(TOKENS)), st.integers(0, 5_000), st.integers(1, 8))
def test_no_token_with_a_piece_cut_out_is_accepted(kid: str, position: int, length: int) -> None:
    """Cut anywhere."""
    token = TOKENS[kid]
    position %= len(token)
    assert not authenticates(token[:position] + token[position + length :])


@EXAMPLES
@given(st.sampled_from(CLAIM_NAMES), json_values)
def test_signed_claims_of_any_shape_are_denied_or_make_a_sound_principal(name: str, value: object) -> None:
    """An issuer that signs nonsense gets our denial, and no other exception."""
    token = mint({**claims(), name: value}, ED)
    try:
        principal = AUTHENTICATOR.authenticate(Credentials(token=token, certificate_pem=None), ACCEPTS, NOW)
    except Denied:
        return
    assert principal.issuer == "okta"
    assert principal.subject
    assert principal.subject.isprintable()
    assert all(isinstance(group, str) for group in principal.groups)
    assert principal.expires_at > NOW
    assert len(principal.key) == 32


@EXAMPLES
@given(st.sampled_from(HEADER_NAMES), json_values)
def test_signed_headers_of_any_shape_are_denied_or_harmless(name: str, value: object) -> None:
    """The signature is good over whatever the header says."""
    header = {"alg": ED.algorithm, "typ": "JWT", "kid": ED.kid, name: value}
    if authenticates(sign(dump(header), dump(claims()), ED)):
        assert name in {"typ", "cty"} or header[name] == {"alg": "EdDSA", "kid": ED.kid}.get(name)


@EXAMPLES
@given(st.binary(max_size=300))
def test_any_bytes_are_a_json_object_or_our_error(data: bytes) -> None:
    """And what is read can be written again."""
    try:
        value = parse_object(data)
    except StrictJsonError:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")


@EXAMPLES
@given(json_values)
def test_any_json_is_an_object_or_our_error(value: object) -> None:
    """Structured input goes deeper than random bytes."""
    with contextlib.suppress(StrictJsonError):
        assert parse_object(json.dumps(value).encode()) == value


@EXAMPLES
@given(st.text(max_size=40))
def test_base64url_is_read_in_one_spelling(text: str) -> None:
    """What is read, is what writing it again gives."""
    with contextlib.suppress(ValueError):
        assert base64url(parse_base64url(text)) == text


@EXAMPLES
@given(st.binary(max_size=300))
def test_any_bytes_are_a_key_set_or_our_error(data: bytes) -> None:
    """A document from a stranger's server."""
    with pytest.raises(KeySetError):
        parse_jwks(data)


@EXAMPLES
@given(st.sampled_from([RSA, EC, ED]), st.sampled_from(JWK_NAMES), json_values | st.binary().map(base64url))
def test_a_changed_key_is_left_out_or_still_a_sound_key(key: object, name: str, value: object) -> None:
    """Nothing in a JWK makes it symmetric, private or of an algorithm that its kind has not."""
    jwk = {**key.jwk(), name: value}  # type: ignore[attr-defined]
    try:
        key_set = parse_jwks(json.dumps({"keys": [jwk]}).encode())
    except KeySetError:
        return
    (made,) = key_set.keys
    assert made.algorithms <= {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "EdDSA"}
    assert name not in {"d", "k"}


@EXAMPLES
@given(st.lists(st.text(st.characters(exclude_categories=[]), max_size=60), max_size=3))
def test_any_authorization_header_is_read_or_denied(values: list[str]) -> None:
    """Nothing but `Bearer` and one token becomes a token."""
    request = AccessRequest(
        method="GET", host="edge.example", path="/", headers={"authorization": tuple(values)}
    )
    try:
        token = read_credentials(request, ACCEPTS).token
    except Denied:
        return
    assert (token is None) == (not values)
    if token is not None:
        assert values[0].lower().startswith("bearer ")
        assert values[0].endswith(token)
