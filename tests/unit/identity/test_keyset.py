"""Key sets: which keys are usable, and for what."""

import json

import pytest

from authz.identity.keyset import KeySetError, parse_jwks
from tests.tokens import base64url, ec_key, ed25519_key, jwks, rsa_key

RSA = rsa_key()
EC = ec_key()
ED = ed25519_key()


def refusal(text: bytes) -> str:
    with pytest.raises(KeySetError) as caught:
        parse_jwks(text)
    return str(caught.value)


def problem(jwk: dict[str, object]) -> str:
    """What is reported of a key that is left out beside a good one."""
    key_set = parse_jwks(jwks(ec_key("good"), jwk))
    assert {key.kid for key in key_set.keys} == {"good"}
    (reported,) = key_set.problems
    return reported


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "`keys` is no list"),
        (b'{"keys":{}}', "`keys` is no list"),
        (b'{"keys":[]}', "no usable key"),
        (b'{"keys":[],"keys":[]}', "a name occurs twice in one object"),
        (b" " * 1_048_577, "got 1048577 bytes, expected at most 1048576"),
        (json.dumps({"keys": [{}] * 201}).encode(), "got 201 keys, expected at most 200"),
    ],
)
def test_what_is_no_key_set_is_refused(text: bytes, message: str) -> None:
    """Whatever was good before stays in force."""
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("jwk", "message"),
    [
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "x"}, "a symmetric key"),
        (RSA.jwk(kid="x", d="AQAB"), "a private key"),
        (EC.jwk(kid="x", d="AQAB"), "a private key"),
        (ED.jwk(kid="x", k="AQAB"), "a private key"),
        (RSA.jwk(kid="x", use="enc"), "`use` is not `sig`"),
        (RSA.jwk(kid="x", use=7), "`use` is not `sig`"),
        (RSA.jwk(kid="x", key_ops=["sign"]), "`key_ops` has no `verify`"),
        (RSA.jwk(kid="x", key_ops="verify"), "`key_ops` has no `verify`"),
        (RSA.jwk(kid=7), "`kid` is no string"),
        (RSA.jwk(kid="x" * 1_025), "`kid` is longer"),
        (RSA.jwk(kid="x", alg="HS256"), "`alg` does not fit the key"),
        (RSA.jwk(kid="x", alg="none"), "`alg` does not fit the key"),
        (RSA.jwk(kid="x", alg="ES256"), "`alg` does not fit the key"),
        (RSA.jwk(kid="x", alg="RSA-OAEP"), "`alg` does not fit the key"),
        (RSA.jwk(kid="x", alg=["RS256"]), "`alg` does not fit the key"),
        (EC.jwk(kid="x", alg="ES384"), "`alg` does not fit the key"),
        (EC.jwk(kid="x", crv="P-384", alg="ES384"), "coordinates of the wrong length"),
        (EC.jwk(kid="x", crv="secp256k1", alg=None), "unknown kind"),
        (EC.jwk(kid="x", crv=["P-256"]), "unknown kind"),
        (EC.jwk(kid="x", x=EC.jwk()["y"]), "the numbers make no key"),
        (ED.jwk(kid="x", crv="Ed448"), "unknown kind"),
        (ED.jwk(kid="x", x="AQAB"), "the numbers make no key"),
        (RSA.jwk(kid="x", n="AQAB"), "an RSA key of 17 bits, expected 2048 to 8192"),
        (RSA.jwk(kid="x", n=base64url(b"\xff" * 1_025)), "an RSA key of 8200 bits"),
        (RSA.jwk(kid="x", e="AQAAAAAB"), "a public exponent above 32 bits"),
        (RSA.jwk(kid="x", e="AQ"), "the numbers make no key"),
        (RSA.jwk(kid="x", n=None), "`n` is missing"),
        (RSA.jwk(kid="x", n=5), "`n` is missing"),
        (RSA.jwk(kid="x", e="AQAB=="), "`e` is not canonical base64url"),
        ({"kid": "x"}, "unknown kind"),
    ],
)
def test_an_unusable_key_is_left_out_and_reported(jwk: dict[str, object], message: str) -> None:
    """PyJWT drops such keys in silence, or takes them."""
    assert message in problem(jwk)
    assert problem(jwk).startswith("keys[1]: ")
    assert message in refusal(jwks(jwk))


def test_a_weak_rsa_key_is_left_out() -> None:
    """RSA-1024 is within reach of those who pay for it."""
    assert "an RSA key of 1024 bits" in problem(rsa_key("weak", 1024).jwk())


def test_what_is_no_object_is_left_out() -> None:
    """One broken entry does not take the others away."""
    text = json.dumps({"keys": ["x", None, RSA.jwk()]}).encode()
    assert [line.partition(":")[0] for line in parse_jwks(text).problems] == ["keys[0]", "keys[1]"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ec_key("a"), ec_key("b")),
        (rsa_key("a"), rsa_key("b")),
        (ed25519_key("a"), ed25519_key("b")),
    ],
)
def test_two_keys_with_one_kid_for_one_algorithm_refuse_the_set(one: object, other: object) -> None:
    """Nobody knows which of the two is meant."""
    message = refusal(jwks(one.jwk(kid="same"), other.jwk(kid="same")))  # type: ignore[attr-defined]
    assert message == "two different keys for one algorithm have the kid `same`"


def test_a_key_without_alg_overlaps_with_any_of_its_kind() -> None:
    """An RSA key without `alg` verifies every RSA algorithm, that of its namesake included."""
    refusal(jwks(rsa_key("a").jwk(kid="same", alg="PS256"), rsa_key("b").jwk(kid="same", alg=None)))


def test_one_kid_for_keys_of_different_kinds_is_fine() -> None:
    """RFC 7517 section 4.5 allows it: the algorithm tells them apart."""
    key_set = parse_jwks(jwks(RSA.jwk(kid="same"), EC.jwk(kid="same"), ED.jwk(kid="same")))
    assert len(key_set.candidates("same")) == 3


def test_the_same_key_twice_is_one_key_and_reported() -> None:
    """A repetition is harmless, but somebody should know."""
    key_set = parse_jwks(jwks(EC, EC))
    assert len(key_set.keys) == 1
    assert key_set.problems == ("keys[1]: the same key as one before it",)


def test_a_key_is_bound_to_its_algorithms() -> None:
    """By `alg` if the key names one, else by its kind; PyJWT would bind RSA without `alg` to RS256."""
    key_set = parse_jwks(
        jwks(RSA, rsa_key("any").jwk(alg=None), EC.jwk(alg=None), ec_key("p5", "P-521").jwk(alg=None), ED)
    )
    assert {key.kid: set(key.algorithms) for key in key_set.keys} == {
        "rsa-1": {"RS256"},
        "any": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
        "ec-1": {"ES256"},
        "p5": {"ES512"},
        "ed-1": {"EdDSA"},
    }


def test_a_kid_chooses_its_key_and_no_other() -> None:
    """Nothing is tried in turn."""
    key_set = parse_jwks(jwks(RSA, EC))
    assert [key.kid for key in key_set.candidates("ec-1")] == ["ec-1"]
    assert key_set.candidates("ec-2") == ()
    assert key_set.candidates("") == ()


def test_without_a_kid_there_must_be_no_choice() -> None:
    """One usable key is meant; of two, neither."""
    assert parse_jwks(jwks(RSA, EC)).candidates(None) == ()
    assert len(parse_jwks(jwks(EC)).candidates(None)) == 1


def test_a_lone_key_without_a_kid_is_meant_by_every_token() -> None:
    """A static file often has one; a lone key that has a kid is not meant by another kid."""
    assert len(parse_jwks(jwks(EC.jwk(kid=None))).candidates("whatever")) == 1
    assert parse_jwks(jwks(EC)).candidates("whatever") == ()


def test_key_sets_are_equal_if_they_verify_the_same() -> None:
    """Order and left-out keys make no new key set, so that no memory is lost without need."""
    one = parse_jwks(jwks(RSA, EC))
    same = parse_jwks(jwks(EC, RSA, {"kty": "oct"}))
    assert one == same
    assert hash(one) == hash(same)
    assert one != parse_jwks(jwks(RSA))
    assert one != parse_jwks(jwks(RSA.jwk(alg=None), EC))
    assert one != parse_jwks(jwks(RSA, ec_key("other").jwk(kid="ec-1")))
