"""Keys that sign, from PEM texts."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from authz.signing import keys
from authz.signing.keys import (
    Algorithm,
    SigningKeyError,
    SigningKeys,
    parse_signing_key,
    public_jwks,
    signing_keys,
)
from tests.signingkeys import ec_pem, ec_signing_key, pem_of, rsa_pem

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def _ed25519() -> bytes:
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def _public() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _locked() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    ("pem", "says"),
    [
        (b"", "no PEM private key without a password"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no PEM private key"),
        (b"\x00\xff" * 100, "no PEM private key"),
        (_public(), "no PEM private key"),
        (_locked(), "no PEM private key without a password"),
        (_ed25519(), "got a key of another kind, expected a P-256 key"),
        (pem_of(ec.generate_private_key(ec.SECP384R1())), "got a key on the curve secp384r1"),
        (pem_of(ec.generate_private_key(ec.SECP256K1())), "got a key on the curve secp256k1"),
        (rsa_pem("weak", 1024), "got an RSA key of 1024 bits, expected"),
        (ec_pem() + ec_pem("other"), "2 private keys, expected one"),
        (ec_pem() + b"\n" * 20_000, "longer than 16384 bytes"),
    ],
)
def test_what_is_no_key_to_sign_with_is_refused(pem: bytes, says: str) -> None:
    """Weak keys, other kinds, two in one file, locked or public ones: each with its reason, none of it quoted."""
    with pytest.raises(SigningKeyError, match=says) as raised:
        parse_signing_key(pem)
    assert "BEGIN" not in str(raised.value)


@pytest.mark.parametrize(("pem", "algorithm"), [(ec_pem(), Algorithm.ES256), (rsa_pem(), Algorithm.RS256)])
def test_a_key_says_what_it_signs_with(pem: bytes, algorithm: Algorithm) -> None:
    """The algorithm is the key's, and what is published of it has no private part."""
    key = parse_signing_key(pem)
    assert key.algorithm is algorithm
    assert dict(key.public).items() >= {"use": "sig", "alg": algorithm.value, "kid": key.kid}.items()
    assert not PRIVATE_MEMBERS & key.public.keys()


def test_a_key_is_known_by_its_thumbprint() -> None:
    """The example of RFC 7638 section 3.1."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    )
    thumbprint = keys._thumbprint({"kty": "RSA", "n": n, "e": "AQAB"})
    assert thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_ecdsa_is_deterministic() -> None:
    """The vector of RFC 6979 appendix A.2.5 for SHA-256 and `sample`."""
    secret = int("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", 16)
    key = parse_signing_key(pem_of(ec.derive_private_key(secret, ec.SECP256R1())))
    assert key.sign(b"sample").hex().upper() == (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    )


def test_coordinates_keep_their_leading_zeros() -> None:
    """RFC 7518 section 6.2.1.2: 32 bytes always; strict readers refuse a shorter one, once in 128 keys."""
    private = next(
        key
        for key in (ec.derive_private_key(number, ec.SECP256R1()) for number in range(1, 5_000))
        if key.public_key().public_numbers().x < 2**248
    )
    public = parse_signing_key(pem_of(private)).public
    assert len(public["x"]) == len(public["y"]) == 43


def test_every_key_is_published_and_one_signs() -> None:
    """PyJWT reads the set; the order is that of the files."""
    old, new = ec_signing_key("old"), parse_signing_key(rsa_pem())
    made = signing_keys([old, new], new)
    assert made.signing is new
    published = jwt.PyJWKSet.from_dict(public_jwks(made))
    assert [key.key_id for key in published.keys] == [old.kid, new.kid]


def test_a_key_that_stands_in_two_files_is_published_once() -> None:
    """A verifier that refuses two keys of one id must not be given them while files are moved."""
    key = ec_signing_key()
    assert signing_keys([key, ec_signing_key()], key).published == (key,)


def test_a_key_that_is_not_published_never_signs() -> None:
    """Nobody could verify it."""
    with pytest.raises(ValueError, match="not published"):
        SigningKeys((ec_signing_key("old"),), ec_signing_key("new"))
    with pytest.raises(ValueError, match="not published"):
        signing_keys([], ec_signing_key("new"))


def test_a_key_does_not_show_itself() -> None:
    """Whatever is printed in a traceback or a log has ids at most."""
    key = ec_signing_key()
    assert repr(key) == f"SigningKey(kid='{key.kid}', algorithm=<Algorithm.ES256: 'ES256'>)"
    assert key.kid in repr(signing_keys([key], key))
