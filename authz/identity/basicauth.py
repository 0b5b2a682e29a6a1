"""HTTP Basic credentials, read strictly (RFC 7617, https://www.rfc-editor.org/rfc/rfc7617)."""

import base64
import binascii
import re

from authz.errors import Denied, Reason

MAX_USER_NAME_CHARACTERS = 512

# RFC 7617 section 2: "The user-id and password MUST NOT contain any control characters".
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# RFC 6749 appendix A.12: an access token is visible ASCII; a colon or a space in it is none of a JWT's business.
_PASSWORD = re.compile(r"[\x21-\x7e]+\Z")


def parse_basic(text: str) -> tuple[str, str]:
    """User name and password of the base64 text behind `Basic`. Raises `Denied(credential_malformed)`.

    UTF-8 (section 2.1); the first colon ends the user name, so a password may hold further ones.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed("is not base64") from None
    # One credential, one spelling: unused bits of the last character and missing padding are refused.
    if base64.b64encode(data).decode("ascii") != text:
        raise _malformed("is not canonical base64")
    try:
        name, colon, password = data.decode("utf-8").partition(":")
    except UnicodeDecodeError:
        raise _malformed("is not UTF-8") from None
    if not colon:
        raise _malformed("has no colon between user name and password")
    if not name or len(name) > MAX_USER_NAME_CHARACTERS or _CONTROL.search(name):
        raise _malformed(
            f"has a user name that is empty, longer than {MAX_USER_NAME_CHARACTERS} or not printable"
        )
    if not _PASSWORD.match(password):
        raise _malformed("has a password that no token could be")
    return name, password


def _malformed(what: str) -> Denied:
    return Denied(Reason.CREDENTIAL_MALFORMED, f"`authorization` is `Basic` and {what}")
