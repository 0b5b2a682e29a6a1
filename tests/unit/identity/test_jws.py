"""The compact form, read strictly."""

import base64
import json

import pytest

from authz.identity.jws import MalformedTokenError, parse_base64url, parse_compact_token
from tests.tokens import base64url, claims, dump, ec_key, mint, sign

KEY = ec_key()


def header(**parameters: object) -> bytes:
    return dump({"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid, **parameters})


def refusal(token: str) -> str:
    with pytest.raises(MalformedTokenError) as caught:
        parse_compact_token(token)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["a", "YQ==", "YQ=", "Y Q", "YR", "+/+/", "YQ\n", "\u00e9", "YWJj-", "a===", "YWJjZB"],
)
def test_base64url_has_one_spelling(text: str) -> None:
    """Padding, white space, the other alphabet and unused bits would give one token several byte forms."""
    with pytest.raises(ValueError, match="base64url"):
        parse_base64url(text)


def test_base64url_is_read() -> None:
    """The neighbours of the refused ones."""
    assert parse_base64url("YQ") == b"a"
    assert parse_base64url("-_-_") == base64.b64decode("+/+/")
    assert parse_base64url("") == b""


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_another_number_of_segments_is_refused(count: int) -> None:
    """A JWS has three segments."""
    assert refusal(".".join(["e30"] * count)) == (
        f"got {count} segments, expected header, payload and signature"
    )


def test_an_encrypted_token_is_refused_by_name() -> None:
    """Five segments are a JWE, which an operator should be told."""
    assert "JWE" in refusal("e30.e30.e30.e30.e30")


def test_the_json_serialization_is_refused() -> None:
    """RFC 7515 section 7.2: another form of the same token."""
    head, payload, signature = mint(claims(), KEY).split(".")
    refusal(json.dumps({"protected": head, "payload": payload, "signature": signature}))


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("change", [lambda text: "", lambda text: text + "=", lambda text: text + "\n"])
def test_an_empty_or_padded_segment_is_refused(position: int, change: object) -> None:
    """PyJWT takes padding in any segment; an unsigned token has an empty signature."""
    segments = mint(claims(), KEY).split(".")
    segments[position] = change(segments[position])  # type: ignore[operator]
    refusal(".".join(segments))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crit", ["exp"]),
        ("crit", []),
        ("b64", False),
        ("b64", True),
        ("jku", "https://evil.example/keys"),
        ("jwk", KEY.jwk()),
        ("x5u", "https://evil.example/chain"),
        ("x5c", ["MIIB"]),
        ("zip", "DEF"),
        ("enc", "A256GCM"),
        ("crit", None),
    ],
)
def test_a_header_that_brings_its_own_rules_is_refused(name: str, value: object) -> None:
    """A token never chooses the key that it is checked with, nor how its bytes are read."""
    token = sign(header(**{name: value}), dump(claims()), KEY)
    assert refusal(token) == f"the header parameter `{name}` is refused"


@pytest.mark.parametrize("cty", ["JWT", "jwt", "application/jwt", "Application/JWT"])
def test_a_nested_token_is_refused(cty: str) -> None:
    """RFC 7519 section 5.2: the payload would be another token."""
    assert "nested" in refusal(sign(header(cty=cty), dump(claims()), KEY))


@pytest.mark.parametrize(
    ("name", "value"),
    [("alg", 5), ("alg", None), ("alg", ["ES256"]), ("kid", 7), ("kid", None), ("typ", {}), ("cty", [])],
)
def test_a_header_parameter_of_another_type_is_refused(name: str, value: object) -> None:
    """RFC 7515 section 4.1: all of them are strings."""
    assert refusal(sign(header(**{name: value}), dump(claims()), KEY)) == (
        f"the header parameter `{name}` is no string"
    )


@pytest.mark.parametrize("parameters", [{"typ": "JWT"}, {"alg": "", "typ": "JWT"}])
def test_a_header_without_algorithm_is_refused(parameters: dict[str, object]) -> None:
    """The algorithm is required (RFC 7515 section 4.1.1)."""
    assert refusal(sign(dump(parameters), dump(claims()), KEY)) == "the header names no algorithm"


@pytest.mark.parametrize(
    "data", [b"[]", b'{"a":1,"a":2}', '{"a":1}'.encode("utf-16"), b'\xef\xbb\xbf{"a":1}', b"\xff"]
)
def test_header_and_payload_are_strict_json(data: bytes) -> None:
    """The last of two equal names, a byte order mark, UTF-16: PyJWT takes them all."""
    assert refusal(sign(header(), data, KEY)).startswith("the payload: ")
    assert refusal(sign(data, dump(claims()), KEY)).startswith("the header: ")


def test_a_token_is_read() -> None:
    """Header facts, claims, and exactly the bytes that were signed."""
    token = mint(claims(), KEY, typ="Application/AT+JWT", x5t="harmless")
    parsed = parse_compact_token(token)
    assert parsed.unverified_algorithm == "ES256"
    assert parsed.unverified_type == "at+jwt"
    assert parsed.unverified_key_id == KEY.kid
    assert parsed.unverified_claims == claims()
    assert f"{parsed.signing_input.decode()}.{base64url(parsed.signature)}" == token


def test_an_absent_typ_and_kid_are_told_apart_from_wrong_ones() -> None:
    """Whether they may be absent is for the issuer to say."""
    parsed = parse_compact_token(mint(claims(), KEY, typ=None, kid=None))
    assert (parsed.unverified_type, parsed.unverified_key_id) == ("", None)


def test_claims_never_show_in_a_repr() -> None:
    """Claims and signature stay out of logs."""
    token = mint(claims(sub="canary"), KEY)
    shown = repr(parse_compact_token(token))
    assert "canary" not in shown
    assert "signature" not in shown
