"""The compact form of a JWS, read strictly: one token has one byte form.

PyJWT takes padding in any segment, the last of two equal names, a byte order mark and UTF-16; it would let
one token have several spellings, and then no cache and no revocation list could know it by a digest. So
nothing but a token in canonical form ever reaches it.
"""

import base64
import binascii
from dataclasses import dataclass, field

from authz.identity.strictjson import StrictJsonError, parse_object

# RFC 7515 section 4.1 and RFC 7797: parameters that bring their own keys, change what is signed, or say that
# the payload is something else than claims. A token never chooses the key that it is checked with.
_REFUSED_PARAMETERS = ("crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc")


class MalformedTokenError(ValueError):
    """The text is not a JWS in canonical compact form. Never quotes the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedToken:
    """A well-formed token of which nothing is believed yet."""

    unverified_algorithm: str
    unverified_type: str
    """`typ` in lower case without `application/` (RFC 7515 section 4.1.9); empty if absent."""
    unverified_key_id: str | None
    unverified_claims: dict[str, object] = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse_base64url(text: str) -> bytes:
    """The bytes of canonical base64url without padding (RFC 7515 section 2). Raises `ValueError`."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64url") from None
    # Unused bits of the last character may be anything, and Python takes `+` and `/` beside `-` and `_`.
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii") != text:
        raise ValueError("not canonical base64url")
    return data


def parse_compact_token(token: str) -> UnverifiedToken:
    """Parse a token (RFC 7515 section 7.1). Bound its length before calling. Raises `MalformedTokenError`."""
    segments = token.split(".")
    if len(segments) != 3:
        what = "an encrypted token (JWE)" if len(segments) == 5 else f"{len(segments)} segments"
        raise MalformedTokenError(f"got {what}, expected header, payload and signature")
    header = _object(segments[0], "header")
    claims = _object(segments[1], "payload")
    signature = _segment(segments[2], "signature")
    for name in _REFUSED_PARAMETERS:
        if name in header:
            raise MalformedTokenError(f"the header parameter `{name}` is refused")
    if _media_type(header, "cty") == "jwt":
        raise MalformedTokenError("nested tokens (`cty` is `JWT`) are refused")
    algorithm = _text(header, "alg")
    if not algorithm:
        raise MalformedTokenError("the header names no algorithm")
    return UnverifiedToken(
        unverified_algorithm=algorithm,
        unverified_type=_media_type(header, "typ"),
        unverified_key_id=_text(header, "kid"),
        unverified_claims=claims,
        signing_input=token[: -len(segments[2]) - 1].encode("ascii"),
        signature=signature,
    )


def _segment(text: str, name: str) -> bytes:
    if not text:
        raise MalformedTokenError(f"the {name} is empty")
    try:
        return parse_base64url(text)
    except ValueError as error:
        raise MalformedTokenError(f"the {name} is {error}") from None


def _object(text: str, name: str) -> dict[str, object]:
    try:
        return parse_object(_segment(text, name))
    except StrictJsonError as error:
        raise MalformedTokenError(f"the {name}: {error}") from None


def _text(header: dict[str, object], name: str) -> str | None:
    value = header.get(name)
    if value is None and name not in header:
        return None
    if not isinstance(value, str):
        raise MalformedTokenError(f"the header parameter `{name}` is no string")
    return value


def _media_type(header: dict[str, object], name: str) -> str:
    return (_text(header, name) or "").lower().removeprefix("application/")
