"""The `introspection:` of an issuer, and which issuer of a warehouse may be asked."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from authz.identity.introspectionrules import Introspection
from authz.policy.document import EdgePart
from authz.policy.identityparts import IssuerPart
from authz.policy.introspectionpart import IntrospectionPart
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken

_CACHE = (timedelta(seconds=1), timedelta(seconds=60))
_LEAST_TIMEOUT = timedelta(milliseconds=10)


def build_introspection(
    context: Context, path: Path, issuer: IssuerPart, *, single_use: bool
) -> Introspection | None:
    """How to ask an issuer; None if it is not asked, or after a problem."""
    part = issuer.introspection
    if part is None or is_broken(part):
        return None
    path = (*path, "introspection")
    before = len(context.report.problems)
    if single_use:
        context.report.add(
            "conflict",
            path,
            "`introspection`, for tokens that open one request only",
            "an answer about a token is kept for a while, and a used token with it",
            key=True,
        )
    _check_url(context, (*path, "url"), part.url, issuer)
    _check_durations(context, path, part)
    _check_proof(context, path, part)
    if len(context.report.problems) != before:
        return None
    key = part.private_key_jwt
    return Introspection(
        url=part.url,
        client_id=part.client_id,
        secret_file=None
        if part.client_secret_file is None
        else context.file((*path, "client_secret_file"), part.client_secret_file),
        key_file=None if key is None else context.file((*path, "private_key_jwt", "key_file"), key.key_file),
        key_id=None if key is None else key.kid,
        cache_seconds=part.cache.total_seconds(),
        timeout_seconds=part.timeout.total_seconds(),
    )


def check_one_asks(context: Context, path: Path, issuers: frozenset[str]) -> None:
    """An opaque token does not say whose it is, and must not be shown to everybody to find out."""
    asked = sorted(
        name
        for name in issuers
        if (part := context.names.issuers.get(name)) is not None
        and not is_broken(part.introspection)
        and part.introspection is not None
    )
    if len(asked) > 1:
        context.report.add(
            "conflict",
            path,
            f"{' and '.join(f'`{name}`' for name in asked)} have `introspection`, and an opaque token does not say whose it is",
            "a token would be shown to an issuer that is not its own: name one of them in the warehouse's `issuers`",
        )


def check_patience(context: Context, name: str, issuer: IssuerPart | None, edge: EdgePart | None) -> None:
    """A wait that is longer than Envoy's is a denial without a reason."""
    part = None if issuer is None else issuer.introspection
    if part is None or edge is None or is_broken(part) or is_broken(part.timeout, edge.check_timeout):
        return
    if part.timeout >= edge.check_timeout:
        context.report.add(
            "conflict",
            ("issuers", name, "introspection", "timeout"),
            "not less than the edge's `check_timeout`",
            "Envoy would answer 503 before the issuer has: shorten the one or lengthen the other",
        )


def _check_url(context: Context, path: Path, url: Any, issuer: IssuerPart) -> None:
    add = context.report.add
    if "@" in url.partition("://")[2].partition("/")[0]:
        # The text is not repeated: what stands before the `@` is a password.
        add("credentials", path, "the URL carries credentials", "use `client_id` and `client_secret_file`")
        return
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    else:
        good = good and not parts.fragment
    if not good:
        add("value", path, f"got `{url}`, expected a URL to ask at", "write `https://…`")
    elif url.startswith("http:") and not is_broken(issuer.allow_http) and not issuer.allow_http:
        add(
            "insecure",
            path,
            "tokens sent without TLS can be anybody's",
            "use `https://`, or `allow_http: true` in development",
        )


def _check_durations(context: Context, path: Path, part: IntrospectionPart) -> None:
    if not _CACHE[0] <= part.cache <= _CACHE[1]:
        context.report.add("value", (*path, "cache"), "expected `1s` to `60s`")
    if part.timeout < _LEAST_TIMEOUT:
        context.report.add("value", (*path, "timeout"), "expected at least `10ms`")


def _check_proof(context: Context, path: Path, part: IntrospectionPart) -> None:
    if part.client_secret_file is not None and part.private_key_jwt is not None:
        context.report.add(
            "conflict",
            (*path, "private_key_jwt"),
            "`client_secret_file` and `private_key_jwt` are two ways to say who asks",
            "keep one of them",
            key=True,
        )
    elif part.client_secret_file is None and part.private_key_jwt is None:
        context.report.add(
            "missing",
            path,
            "`client_secret_file` or `private_key_jwt` is missing",
            "an endpoint that anybody may ask tells anybody what tokens are worth",
            key=True,
        )
