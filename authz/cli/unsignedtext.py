"""What the server will have signed, as it is shown to people: the claims, for nobody can use a token without its signature."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from jwt.utils import base64url_decode

from authz.scopes.datascope import canonical_json
from authz.signing.unsigned import UNSIGNED

# Nothing follows the second dot: the signature is empty.
_UNSIGNED: Final = re.compile(r"(eyJ[\w-]+)\.(eyJ[\w-]+)\.(?![\w-])", re.ASCII)


def with_claims(text: str) -> str:
    """The value of a header with its unsigned token, if it has one, replaced by what it says."""
    found = _find(text)
    if found is None:
        return text
    token, claims = found
    return text.replace(token, f"{canonical_json(claims)}, signed by the server")


def signed_claims(headers: Iterable[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """The claims by the name of the header that will have them signed."""
    found = ((name, _find(text)) for name, text in headers)
    return {name: token[1] for name, token in found if token is not None}


def _find(text: str) -> tuple[str, dict[str, Any]] | None:
    for match in _UNSIGNED.finditer(text):
        header, claims = (json.loads(base64url_decode(part)) for part in match.groups())
        if header.get("kid") == UNSIGNED.signing.kid:
            return match[0], claims
    return None
