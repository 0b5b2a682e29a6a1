"""Trino: the statement is the body of a POST, prepared statements come along in a header.

https://trino.io/docs/current/develop/client-protocol.html
"""

from typing import Final

from authz.errors import Denied, Reason
from authz.guardrails.asked import Asked, body_text, decoded
from authz.guardrails.rules import Session
from authz.request import AccessRequest

_WITHOUT_STATEMENT: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""What polls, cancels and looks around; its body is none of Trino's business."""

STATEMENT: Final = "/v1/statement"
PREPARED: Final = "x-trino-prepared-statement"


def read_trino(request: AccessRequest) -> Asked | None:
    """What is asked; None for a poll.

    Raises `Denied`: `statement_malformed`, `request_ambiguous`; `route_mismatch` where its body is not shown;
    `route_unknown` for one that is sent elsewhere, before anybody could think that Scopegate cannot decide.
    """
    if request.method in _WITHOUT_STATEMENT:
        return None
    if request.path != STATEMENT:
        raise Denied(Reason.ROUTE_UNKNOWN, f"a statement is sent to `{STATEMENT}` and nowhere else")
    prepared = _prepared(request)
    return Asked(
        statement=body_text(request),
        session=Session(
            catalog=request.header("x-trino-catalog") or None,
            schema=request.header("x-trino-schema") or None,
            prepared=frozenset(prepared),
        ),
        prepared=prepared,
    )


def _prepared(request: AccessRequest) -> dict[str, str]:
    """`name=statement`, both percent-encoded, separated by commas, in one header or several."""
    found: dict[str, str] = {}
    for value in request.headers.get(PREPARED, ()):
        for entry in filter(None, map(str.strip, value.split(","))):
            name, equals, text = entry.partition("=")
            if not equals or "=" in text:
                raise Denied(Reason.STATEMENT_MALFORMED, "a prepared statement that is no `name=statement`")
            name, text = decoded(name.strip()).lower(), decoded(text.strip())
            if name in found:
                raise Denied(Reason.REQUEST_AMBIGUOUS, "two prepared statements of one name")
            if text.startswith("$zstd:"):
                # Trino packs long ones (protocol.v1.prepared-statement-compression.length-threshold).
                raise Denied(Reason.STATEMENT_MALFORMED, "a compressed prepared statement")
            found[name] = text
    return found
