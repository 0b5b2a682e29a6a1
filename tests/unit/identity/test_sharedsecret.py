"""Secrets that issuer and verifier share."""

import pytest

from authz.identity.issuer import KeyLocation, KeyOrigin
from authz.identity.keyset import KeySet, KeySetError, SharedSecret, parse_jwks
from authz.identity.sharedsecret import parse_shared_secret
from tests.tokens import base64url, ec_key, jwks, make_issuer, rsa_key

SECRET = b"x7kQ2vB9mN4pL6sT1wY8zR3cF5hJ0dGa"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        SECRET[:-1],
        SECRET[:-1] + b"\n",
        SECRET[:16] + b"\n" + SECRET[16:],
        SECRET + b" ",
        b" " + SECRET,
        SECRET + b"\n\n",
        SECRET + b"\x00",
        SECRET + "\u00e9".encode(),
        b"\xef\xbb\xbf" + SECRET,
        b"x" * 1_025,
        b"a" * 64,
        b"secret" * 20,
        b"-----BEGIN PUBLIC KEY-----" + SECRET,
        b"ssh-rsa" + SECRET,
        b"ecdsa-sha2-nistp256" + SECRET,
        b'{"keys":[]}' + SECRET,
    ],
)
def test_what_is_no_secret_is_refused(data: bytes) -> None:
    """Too short (RFC 7518 section 3.2), several lines, invisible characters, and above all a key that is public."""
    with pytest.raises(KeySetError) as caught:
        parse_shared_secret("id", data)
    assert SECRET[:8].decode() not in str(caught.value)


@pytest.mark.parametrize("data", [SECRET, SECRET + b"\n", SECRET + b"\r\n"])
def test_a_secret_is_used_as_it_is_written(data: bytes) -> None:
    """Base64 is not decoded: neither does Tableau. The end of the line is not part of it."""
    assert parse_shared_secret("id", data).value == SECRET


def test_a_secret_never_shows_in_a_repr() -> None:
    """Nor does the key set that it is in."""
    key_set = KeySet(keys=frozenset({parse_shared_secret("id", SECRET)}))
    assert SECRET.decode() not in repr(key_set) + str(key_set)


def test_a_key_set_has_no_secrets() -> None:
    """Whoever can fetch it could sign; so a JWKS cannot make a SharedSecret, whatever it says."""
    jwk = {"kty": "oct", "kid": "a", "alg": "HS256", "k": base64url(SECRET)}
    key_set = parse_jwks(jwks(ec_key(), jwk))
    assert not any(isinstance(key, SharedSecret) for key in key_set.keys)
    assert "symmetric" in key_set.problems[0]


def test_keys_say_what_they_are_for() -> None:
    """A SPIFFE bundle has keys of two uses; the one that is for certificates verifies no token."""
    bundle = jwks(rsa_key().jwk(kid="tokens", use="jwt-svid"), ec_key().jwk(kid="roots", use="x509-svid"))
    assert [key.kid for key in parse_jwks(bundle, use="jwt-svid").keys] == ["tokens"]
    with pytest.raises(KeySetError):
        parse_jwks(bundle)


@pytest.mark.parametrize(
    ("origin", "algorithms"),
    [
        (KeyOrigin.FILE, {"HS256"}),
        (KeyOrigin.URL, {"HS256", "RS256"}),
        (KeyOrigin.SECRETS, {"RS256"}),
        (KeyOrigin.SECRETS, {"HS256", "RS256"}),
    ],
)
def test_secrets_and_key_pairs_never_mix(origin: KeyOrigin, algorithms: set[str]) -> None:
    """One issuer has the one or the other (RFC 8725 section 3.1)."""
    with pytest.raises(ValueError, match="shared secrets"):
        make_issuer(algorithms=frozenset(algorithms), keys=KeyLocation(origin=origin, place="x"))
