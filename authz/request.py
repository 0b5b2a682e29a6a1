"""The request as Scopegate sees it, and the strict reading of its target.

A path that two parsers could read in two ways is refused here, so that the route that Scopegate
decides on is the route that Envoy and the warehouse serve.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from authz.errors import Denied, Reason

BODY_EXTENSION: Final = "body"
"""The key of `AccessRequest.context` in which the PEP's route says what it shows of a body."""

WHOLE_BODY: Final = "whole"
"""Its value where it shows all of it, so that a request without a body in it has none."""

PARTIAL_BODY_HEADER: Final = "x-envoy-auth-partial-body"

MAX_TARGET_CHARACTERS = 32_768
"""Longest accepted request target (path and query) in characters; Envoy's own header limit is 60 KiB."""

_SHORT_CHARACTERS: Final = 256

# RFC 3986 section 3.3 pchar and "/", without ";" (matrix parameters) and "\"; "%" must start a triplet.
_PATH = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,=:@/]|%[0-9A-Fa-f]{2})*\Z")
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]|^`{}\"<>\\]|%[0-9A-Fa-f]{2})*\Z")
# Encoded forms of "/", "\", ";", ".", "%" and of control characters are the material of parser
# differentials (Envoy CVE-2021-29492, Heimdall GHSA-3q34-rx83-r6mq): no honest client needs them.
_ENCODED_TROUBLE = re.compile(r"%(?:2[fFeE5]|5[cC]|3[bB]|[01][0-9A-Fa-f]|7[fF])")
_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?)*\Z|\[[0-9a-f:.]+\]\Z"
)
_PORT = re.compile(r":[0-9]{1,5}\Z")
_METHOD = re.compile(r"[A-Z]{1,32}\Z")


# Not frozen: that makes each of its fields cost a call, in every check. The type checker keeps them as they are.
@dataclass(slots=True, kw_only=True)
class AccessRequest:
    """One HTTP request as the policy enforcement point reports it, before anything is believed.

    `headers` maps a lower-case name to every value received under it, in order; nothing is joined.
    `path` and `query` are raw (still percent-encoded); `query` is without the `?`.
    `certificate_pem` is the client's leaf certificate as Envoy saw it in the TLS handshake (PEM text),
    never anything that a header said. `warehouse_hint` is what the PEP's route says it will connect
    to; a decision for any other warehouse is refused.
    """

    method: Final[str]
    host: Final[str]
    path: Final[str]
    query: Final[str] = ""
    scheme: Final[str] = "https"
    headers: Final[Mapping[str, tuple[str, ...]]] = field(default_factory=dict, repr=False)
    certificate_pem: Final[str | None] = None
    source_address: Final[str] = ""
    tls_sni: Final[str] = ""
    request_id: Final[str] = ""
    body: Final[bytes | None] = field(default=None, repr=False)
    warehouse_hint: Final[str | None] = None
    context: Final[Mapping[str, str]] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """The only value of header `name` (lower case), or None.

        Raises `Denied(request_ambiguous)` if the header came more than once.
        """
        values = self.headers.get(name)
        if not values:
            return None
        if len(values) > 1:
            raise Denied(Reason.REQUEST_AMBIGUOUS, f"header `{name}` was sent {len(values)} times")
        return values[0]


def split_target(target: str) -> tuple[str, str]:
    """Split a request target (RFC 9112 section 3.2.1, origin form) into raw path and raw query.

    Raises `Denied(request_malformed)` for everything that could be read in more than one way: dot
    segments, empty segments, encoded separators, control or non-ASCII characters, fragments,
    backslashes, matrix parameters, absolute and authority forms.
    """
    if len(target) > MAX_TARGET_CHARACTERS:
        raise Denied(Reason.REQUEST_TOO_LARGE, f"request target of {len(target)} characters")
    path, _, query = target.partition("?")
    if len(path) <= _SHORT_CHARACTERS:
        _check_short_path(path)
    else:
        _check_path(path)
    if query and not _QUERY.match(query):
        raise Denied(
            Reason.REQUEST_MALFORMED, "the query has a control or non-ASCII character, a `#`, or a lone `%`"
        )
    return path, query


def _check_path(path: str) -> None:
    if not _PATH.match(path):
        raise Denied(
            Reason.REQUEST_MALFORMED, "the path has a character that no path may have, or a lone `%`"
        )
    if "//" in path:
        raise Denied(Reason.REQUEST_MALFORMED, "the path has an empty segment (`//`)")
    if "%" in path and _ENCODED_TROUBLE.search(path):
        raise Denied(
            Reason.REQUEST_MALFORMED,
            "the path has a percent-encoded separator, dot, percent sign or control character",
        )
    if "/." in path and any(segment in {".", ".."} for segment in path.split("/")):
        raise Denied(Reason.REQUEST_MALFORMED, "the path has a dot segment")


# Without the query, which may hold what nobody should remember.
_check_short_path: Final = lru_cache(4_096)(_check_path)


def query_names(query: str) -> tuple[str, ...]:
    """Every parameter name of a raw query, percent-decoded the way a lenient server would, lower case.

    `;` counts as a separator, too, because some servers take it for one (RFC 1866 section 8.2.1).
    """
    if not query:
        return ()
    return tuple(
        unquote_to_bytes(part.partition("=")[0].replace("+", " ")).decode("latin-1").strip().lower()
        for part in re.split("[&;]", query)
        if part
    )


def normal_host(host: str) -> str:
    """The host in lower case without its port.

    Raises `Denied(request_malformed)` for anything but a DNS name, an IPv4 or a bracketed IPv6 address;
    a trailing dot is refused, because Envoy would match another virtual host than the warehouse.
    """
    name = _PORT.sub("", host.lower())
    if len(name) > 253 or not _HOST.match(name):
        raise Denied(Reason.REQUEST_MALFORMED, "the host is not a DNS name or an address")
    return name


def checked_method(method: str) -> str:
    """The method, if it is upper-case letters (RFC 9110 section 9.1 in the form all servers agree on)."""
    if not _METHOD.match(method):
        raise Denied(Reason.REQUEST_MALFORMED, "the method is not a word of upper-case letters")
    return method
