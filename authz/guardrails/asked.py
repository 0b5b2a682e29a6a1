"""Where the SQL stands in a request, whatever the warehouse: what is asked, and how a body or a parameter is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

from authz.errors import Denied, Reason
from authz.guardrails.rules import Session
from authz.request import BODY_EXTENSION, PARTIAL_BODY_HEADER, WHOLE_BODY, AccessRequest

_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([^\s\";,]*)", re.IGNORECASE)
_BROKEN_TRIPLET: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The statement of a request, and those that it brings along under a name (lower case)."""

    statement: str = field(repr=False)
    session: Session
    prepared: Mapping[str, str] = field(default_factory=dict, repr=False)


def body_text(request: AccessRequest) -> str:
    """The whole body as text; empty where there is none.

    Raises `Denied`: `route_mismatch` if the proxy is not set up to show bodies here, so that nobody knows whether there
    is one; `statement_malformed` for one that the warehouse could read as another text: compressed, or not UTF-8.
    """
    if request.context.get(BODY_EXTENSION) != WHOLE_BODY:
        raise Denied(Reason.ROUTE_MISMATCH, "the proxy shows no bodies on this route, which guardrails need")
    if request.headers.get(PARTIAL_BODY_HEADER, ("false",)) != ("false",):
        raise Denied(
            Reason.ROUTE_MISMATCH, "the proxy shows a part of the body only, which guardrails refuse"
        )
    for value in request.headers.get("content-encoding", ()):
        if value.strip().lower() != "identity":
            raise _malformed("the body is compressed")
    for value in request.headers.get("content-type", ()):
        # Trino decodes a body as its type says: UTF-7 or UTF-16 would be another statement.
        if any(name.lower() not in {"utf-8", "utf8"} for name in _CHARSET.findall(value)):
            raise _malformed("the body is in another character set than UTF-8")
    try:
        return (request.body or b"").decode()
    except UnicodeDecodeError:
        raise _malformed("the body is not UTF-8") from None


def decoded(text: str) -> str:
    """A value of a query or of a header, percent-decoded, `+` as a space. Raises `Denied(statement_malformed)`."""
    if _BROKEN_TRIPLET.search(text):
        raise _malformed("a lone `%` in a value that is percent-encoded")
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise _malformed("a value that is not UTF-8") from None


def _malformed(detail: str) -> Denied:
    return Denied(Reason.STATEMENT_MALFORMED, detail)
