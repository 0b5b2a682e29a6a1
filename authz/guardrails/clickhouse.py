"""ClickHouse: the statement is the parameter `query` or the body.

The server puts the two together where there are both, so that is refused: https://clickhouse.com/docs/interfaces/http
"""

from collections.abc import Iterator

from authz.errors import Denied, Reason
from authz.guardrails.asked import Asked, body_text, decoded
from authz.guardrails.rules import Session
from authz.request import AccessRequest


def read_clickhouse(request: AccessRequest) -> Asked | None:
    """What is asked; None for a request without a statement (`/ping`, the server's greeting).

    Raises `Denied`: `statement_malformed`, `route_mismatch`, `request_ambiguous`.
    """
    body = body_text(request)
    for value in request.headers.get("content-type", ()):
        # Fields of a form become parameters, `query` among them, and tables.
        if "multipart" in value.lower() or "www-form" in value.lower():
            raise Denied(Reason.STATEMENT_MALFORMED, "a form in place of a statement")
    query = _parameter(request, "query")
    if _parameter(request, "decompress") not in {"", "0"}:
        raise Denied(Reason.STATEMENT_MALFORMED, "the body is compressed")
    if query and body:
        raise Denied(Reason.REQUEST_AMBIGUOUS, "a statement in the query and a body, which continues it")
    if not query and not body:
        return None
    return Asked(statement=query or body, session=Session(schema=_database(request)))


def _database(request: AccessRequest) -> str | None:
    """The database that the request names, in one way or the other."""
    header, parameter = request.header("x-clickhouse-database") or "", _parameter(request, "database")
    if header and parameter and header != parameter:
        raise Denied(Reason.REQUEST_AMBIGUOUS, "two databases")
    return header or parameter or None


def _parameter(request: AccessRequest, name: str) -> str:
    """The value of the parameter `name`, decoded; empty if it is not there. Twice is ambiguous."""
    values = [value for known, value in _parameters(request.query) if known.lower() == name]
    if len(values) > 1:
        raise Denied(Reason.REQUEST_AMBIGUOUS, f"the parameter `{name}` was sent {len(values)} times")
    return values[0] if values else ""


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    if ";" in query:
        # Some servers take it for `&`; whoever means it in a value writes %3B.
        raise Denied(Reason.REQUEST_AMBIGUOUS, "a bare `;` in the query")
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        yield decoded(name), decoded(value)
