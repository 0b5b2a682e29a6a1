"""Who Scopegate says it is where it asks about tokens."""

import base64
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from authz.identity.introspectionrules import Introspection
from authz.keysources.clientproof import ClientProof, load_client_key, load_client_secret, load_proof
from authz.keysources.files import SourceFileError
from tests.tokens import SigningKey, ec_key, ed25519_key, rsa_key

ISSUER = "https://issuer.example/realms/a"


def private_file(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    path.chmod(0o600)
    return str(path)


def pem(private: Any, how: KeySerializationEncryption | None = None) -> bytes:
    return bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how or NoEncryption()))


def rules(**proof: str) -> Introspection:
    return Introspection(url="https://issuer.example/introspect", client_id="scope:gate", **proof)


@pytest.mark.parametrize("data", [b"", b"\n", b"two\nlines", b"caf\xc3\xa9", b"nul\0", b"x" * 4_097])
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, data: bytes) -> None:
    """And never quoted."""
    with pytest.raises(SourceFileError) as caught:
        load_client_secret(private_file(tmp_path / "secret", data))
    assert str(caught.value).startswith(f"{tmp_path}/secret: ")
    assert "lines" not in str(caught.value).partition(": ")[2].replace("more than one line", "")


def test_a_secret_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    """It would be everybody's."""
    file = tmp_path / "secret"
    file.write_text("s3cret")
    file.chmod(0o644)
    with pytest.raises(SourceFileError, match="open to everybody"):
        load_client_secret(str(file))


def test_a_secret_is_form_encoded_before_it_is_basic(tmp_path: Path) -> None:
    """RFC 6749 section 2.3.1: a colon in the id must not cut the pair elsewhere; the line end is not part of it."""
    place = private_file(tmp_path / "secret", b"p:s +%\r\n")
    headers, fields = ClientProof(rules(secret_file=place), ISSUER).make()
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"scope%3Agate:p%3As+%2B%25"
    assert fields == {}


def test_a_file_can_be_looked_at_beforehand(tmp_path: Path) -> None:
    """`scopegate check` does, so that a missing secret is no surprise at the first opaque token."""
    for name in ("secret_file", "key_file"):
        with pytest.raises(SourceFileError, match="does not exist"):
            load_proof(rules(**{name: str(tmp_path / "none")}))
    load_proof(rules(secret_file=private_file(tmp_path / "secret", b"s")))
    load_proof(rules(key_file=private_file(tmp_path / "key.pem", pem(ec_key().private))))


def test_a_replaced_secret_is_in_force_at_once(tmp_path: Path) -> None:
    """Without a restart."""
    place = private_file(tmp_path / "secret", b"old")
    proof = ClientProof(rules(secret_file=place), ISSUER)
    before = proof.make()
    private_file(tmp_path / "secret", b"new")
    assert proof.make() != before


@pytest.mark.parametrize("key", [ec_key(), ec_key("p384", "P-384"), rsa_key(), ed25519_key()])
def test_an_assertion_names_client_and_issuer_and_is_good_once(tmp_path: Path, key: SigningKey) -> None:
    """RFC 7523 section 3: short, for one server, with an id of its own; what it is signed with follows from the key."""
    place = private_file(tmp_path / "key.pem", pem(key.private))
    rule = Introspection(url="https://x.example", client_id="us", key_file=place, key_id="k1")
    proof = ClientProof(rule, ISSUER)
    made = [proof.make() for _ in range(2)]
    read = [
        jwt.decode(
            fields["client_assertion"], key.private.public_key(), algorithms=[key.algorithm], audience=ISSUER
        )
        for _, fields in made
    ]
    assert [headers for headers, _ in made] == [{}, {}]
    assert {(claims["iss"], claims["sub"], claims["aud"]) for claims in read} == {("us", "us", ISSUER)}
    assert all(claims["exp"] - claims["iat"] == 60 for claims in read)
    assert read[0]["jti"] != read[1]["jti"]
    assert jwt.get_unverified_header(made[0][1]["client_assertion"])["kid"] == "k1"
    assert made[0][1]["client_id"] == "us"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"junk",
        pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        pem(dsa.generate_private_key(2048)),
        pem(ec_key().private, BestAvailableEncryption(b"password")),
    ],
    ids=["empty", "junk", "short", "dsa", "with a password"],
)
def test_a_key_that_cannot_sign_well_is_refused(tmp_path: Path, data: bytes) -> None:
    """The place first, the key never."""
    with pytest.raises(SourceFileError) as caught:
        load_client_key(private_file(tmp_path / "key.pem", data))
    assert str(caught.value).startswith(f"{tmp_path}/key.pem: ")
    assert "PRIVATE" not in str(caught.value)
