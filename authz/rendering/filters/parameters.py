"""A raw query as pairs, decoded once, and written anew: what a server reads is what was read here.

Nothing of a client's query goes on as it was written. Whatever a parser takes for a separator, a quote or a space in
some spelling is encoded in the one way that all agree on (RFC 3986 section 2.1).
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from authz.errors import Denied, Reason
from authz.rendering.headers import MAX_HEADER_BYTES
from authz.request import MAX_TARGET_CHARACTERS

Parameter = tuple[str, str]
"""Name and value, decoded."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")


def read_parameters(query: str) -> tuple[Parameter, ...]:
    """The parameters of a raw query, in order; a plus is a space.

    Raises `Denied`: `request_ambiguous` for a bare `;`, which some servers take for `&`, and for what is encoded
    twice; `request_malformed` for a name without a value, for what is no UTF-8, and for control characters.
    """
    if ";" in query:
        raise Denied(Reason.REQUEST_AMBIGUOUS, "a bare `;` in the query")
    return tuple(_parameter(part) for part in query.split("&") if part)


def _parameter(part: str) -> Parameter:
    name, equals, value = part.partition("=")
    if not equals:
        raise Denied(Reason.REQUEST_MALFORMED, "a parameter without a value")
    return _decoded(name), _decoded(value)


def _decoded(raw: str) -> str:
    try:
        text = unquote_to_bytes(raw.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise Denied(Reason.REQUEST_MALFORMED, "a parameter that is no UTF-8") from None
    if _CONTROL.search(text):
        raise Denied(Reason.REQUEST_MALFORMED, "a control character in a parameter")
    if _ENCODED.search(text):
        # A server behind that decodes twice would find quotes and parentheses where there are none here.
        raise Denied(Reason.REQUEST_AMBIGUOUS, "a parameter that is percent-encoded twice")
    return text


def check_value(text: str) -> str:
    """A filter of ours, if it can be said in a query. Raises `Denied`: `scope_not_expressible`, `scope_too_large`."""
    if _ENCODED.search(text):
        raise Denied(
            Reason.SCOPE_NOT_EXPRESSIBLE,
            "a value that looks percent-encoded, which some servers decode again",
        )
    size = len(quote(text, safe=""))
    if size > MAX_HEADER_BYTES:
        raise Denied(
            Reason.SCOPE_TOO_LARGE, f"a filter of {size} bytes, at most {MAX_HEADER_BYTES} are supported"
        )
    return text


def written(parameters: Iterable[Parameter]) -> str:
    """A raw query. A `$` before a name stays: not every server takes `%24filter` for what it is.

    Raises `Denied(request_too_large)`.
    """
    text = "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in parameters)
    if len(text) > MAX_TARGET_CHARACTERS:
        raise Denied(Reason.REQUEST_TOO_LARGE, f"a query of {len(text)} characters, encoded")
    return text
