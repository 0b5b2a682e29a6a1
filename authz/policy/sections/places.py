"""Where in a request a token may stand."""

import re
from collections.abc import Iterable
from typing import Any

from authz.identity.accepts import BEARER, Basic, Cookie, Header, TokenPlace
from authz.identity.presets.catalog import PRESETS
from authz.policy.identityparts import IssuerPart, PlacePart
from authz.policy.names import RESERVED_HEADERS
from authz.policy.problems import listed
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken

_HEADER = re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,62}[a-z0-9])?\Z", re.ASCII)
# RFC 6265 section 4.1.1: a token of RFC 2616; the prefixes `__Host-` and `__Secure-` are part of a name.
_COOKIE = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,64}\Z", re.ASCII)
_PREFIXES = ("x-scope-", "x-envoy-", "x-forwarded-", "content-", "sec-", "proxy-", "accept", "if-", "grpc-")
# What HTTP, Envoy or a browser means something by.
_TAKEN = frozenset(
    {
        "host", "connection", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "expect", "range",
        "origin", "referer", "user-agent", "via", "forwarded", "date", "cache-control", "pragma", "cookie",
        "x-request-id", "traceparent", "tracestate", "baggage",
    }
)  # fmt: skip


def build_places(
    context: Context, path: Path, raw: Any, issuers: Iterable[IssuerPart | None]
) -> tuple[TokenPlace, ...]:
    """The places of a warehouse, in the order in which they are written; those of its issuers, if none are."""
    if raw is None:
        return _of_issuers(issuers)
    found: list[TokenPlace] = []
    for number, item in enumerate(raw):
        place = _place(context, (*path, number), item)
        if place is None:
            continue
        if any(_same(place, other) for other in found):
            context.report.add("conflict", (*path, number), "the same place twice", "keep one of the two")
        found.append(place)
    return tuple(found)


def _of_issuers(issuers: Iterable[IssuerPart | None]) -> tuple[TokenPlace, ...]:
    known = [part.preset for part in issuers if part is not None and not is_broken(part.preset)]
    places = dict.fromkeys(place for name in known for place in PRESETS[name].places)
    return tuple(places) or (BEARER,)


def _same(one: TokenPlace, other: TokenPlace) -> bool:
    """Two claims for one user name are two rules for one place."""
    return one == other or (isinstance(one, Basic) and isinstance(other, Basic))


def _place(context: Context, path: Path, item: Any) -> TokenPlace | None:
    if item == "bearer":
        return BEARER
    if item == "basic":
        return Basic()
    if not isinstance(item, PlacePart):
        return None
    named = [key for key in ("header", "cookie", "basic") if getattr(item, key) is not None]
    if len(named) != 1:
        got = f"{listed(named)} in one place" if named else "a place without a name"
        context.report.add("value", path, f"got {got}, expected one of `header`, `cookie` and `basic`")
        return None
    if item.basic is not None:
        return Basic(user_claim=item.basic)
    return (
        _header(context, path, item.header)
        if item.header is not None
        else _cookie(context, path, item.cookie)
    )


def _header(context: Context, path: Path, text: str) -> Header | None:
    name = text.lower()
    if name == "authorization":
        context.report.add(
            "value", (*path, "header"), "`authorization` is no header of one's own", "write `bearer`"
        )
    elif name in RESERVED_HEADERS or name in _TAKEN or name.startswith(_PREFIXES):
        context.report.add(
            "owned_name",
            (*path, "header"),
            f"the header `{name}` means something else",
            "Scopegate, Envoy or HTTP uses or removes it; choose another name",
        )
    elif not _HEADER.match(name):
        context.report.add("value", (*path, "header"), f"got `{text}`, expected the name of a header")
    else:
        return Header(name)
    return None


def _cookie(context: Context, path: Path, text: str | None) -> Cookie | None:
    if text is None or not _COOKIE.match(text):
        context.report.add("value", (*path, "cookie"), f"got `{text}`, expected the name of a cookie")
        return None
    return Cookie(text)
