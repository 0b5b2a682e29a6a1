"""Warehouses: the requests that belong to them, who may ask, and how they take a scope."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from authz.identity.accepts import BEARER, AcceptedCredentials, Authentication, TokenPlace
from authz.policy.document import WarehousePart
from authz.policy.names import COLUMN_NAME, DIALECTS
from authz.policy.policyset import CacheRule, HeaderForm, Warehouse
from authz.policy.problems import did_you_mean
from authz.policy.report import Path
from authz.policy.sections.context import Context, dimensions_named, is_broken
from authz.policy.sections.filters import build_filter, filter_routes
from authz.policy.sections.guardrails import build_guardrails
from authz.policy.sections.introspection import check_one_asks
from authz.policy.sections.kinds import build_postgrest, build_trino, check_clickhouse, trino_routes
from authz.policy.sections.places import build_places
from authz.policy.sections.routing import build_routes
from authz.policy.sections.tables import build_tables, build_user, check_shape
from authz.policy.tables import OWN_DIALECT, WarehouseKind

_TTL = (timedelta(seconds=1), timedelta(days=7))
_HEADER_NAME = re.compile(r"[a-z0-9][a-z0-9\-]{0,63}\Z", re.ASCII)
_PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._\-]{0,63}\Z", re.ASCII)
_CREDENTIAL_HEADERS = {"authorization", "cookie", "proxy-authorization", "x-forwarded-client-cert"}
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9._\-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])\Z", re.ASCII)


def build_warehouse(context: Context, name: str, part: WarehousePart) -> Warehouse | None:
    path: Path = ("warehouses", name)
    before = len(context.report.problems)
    routes = build_routes(context, (*path, "routes"), part.routes)
    accepts = _accepts(context, path, part)
    _check_upstream(context, (*path, "upstream"), part.upstream)
    check_shape(context, path, part)
    _check_columns(context, path, part)
    tables = build_tables(context, path, part)
    user = build_user(context, path, part, accepts)
    postgrest = build_postgrest(context, path, part)
    trino = build_trino(context, path, part, accepts)
    check_clickhouse(context, path, part)
    if not is_broken(part.kind, part.routes) and part.kind == WarehouseKind.TRINO.value:
        routes = trino_routes(context, path, part, routes)
    filter_ = build_filter(context, path, part)
    routes = filter_routes(part, routes)
    guardrails = build_guardrails(context, path, part)
    _check_forms(context, path, part)
    tokens = frozenset() if accepts is None else accepts.headers
    cache = _cache(context, (*path, "cache"), part.cache, tokens)
    if not is_broken(part.identity_headers, part.cache) and part.identity_headers and part.cache is not None:
        context.report.add(
            "conflict",
            (*path, "identity_headers"),
            "identity headers with a shared cache",
            "an answer that was made for one person would be given to another; turn one of the two off",
        )
    if len(context.report.problems) != before or accepts is None or is_broken(*part.__dict__.values()):
        return None
    return Warehouse(
        name=name,
        routes=routes,
        upstream=part.upstream.rstrip("/"),
        columns=dict(part.columns),
        labels=dict(part.labels),
        accepts=accepts,
        kind=WarehouseKind(part.kind),
        tables=tables,
        user=user,
        postgrest=postgrest,
        trino=trino,
        guardrails=guardrails,
        dialect=OWN_DIALECT.get(WarehouseKind(part.kind), part.dialect),
        headers=_forms(part),
        query=dict(part.query),
        filter=filter_,
        identity_headers=part.identity_headers if part.identity_headers is not None else cache is None,
        cache=cache,
        per_principal=part.limits.per_principal,
        upstream_api_key_file=None
        if part.upstream_api_key_file is None
        else context.file((*path, "upstream_api_key_file"), part.upstream_api_key_file),
        place=context.report.place(path),
    )


def _forms(part: WarehousePart) -> tuple[HeaderForm, ...]:
    if part.kind != WarehouseKind.HTTP.value:
        return ()
    if part.tables and "headers" not in part.model_fields_set:
        return (HeaderForm.JSON,)
    return tuple(HeaderForm(form) for form in dict.fromkeys(part.headers))


def _accepts(context: Context, path: Path, part: WarehousePart) -> AcceptedCredentials | None:
    if is_broken(part.authentication, part.issuers, part.certificates, part.credentials):
        return None
    names, report = context.names, context.report
    before = len(report.problems)
    authentication = _authentication(context, part)
    for key, kind, named, known, unused in (
        ("issuers", "issuer", part.issuers, names.issuers, Authentication.CERTIFICATE),
        ("certificates", "client certificates entry", part.certificates, names.trusts, Authentication.TOKEN),
    ):
        if named is None:
            if not known and names.somebody and authentication not in {unused, Authentication.ANY}:
                report.add(
                    "missing",
                    (*path, "authentication"),
                    f"`authentication: {authentication.value}`, and no {kind} is configured",
                    f"add one under `{'issuers' if key == 'issuers' else 'client_certificates'}`",
                )
        elif authentication is unused:
            report.add(
                "conflict",
                (*path, key),
                f"`{key}`, with `authentication: {authentication.value}`",
                "they would never be asked",
                key=True,
            )
        else:
            context.known((*path, key), kind, named, known)
    issuers = part.issuers or tuple(names.issuers)
    places = _places(context, path, part, issuers, authentication)
    if authentication is not Authentication.CERTIFICATE:
        check_one_asks(context, path if part.issuers is None else (*path, "issuers"), frozenset(issuers))
    if len(report.problems) != before:
        return None
    takes_tokens = authentication is not Authentication.CERTIFICATE
    takes_certificates = authentication is not Authentication.TOKEN
    return AcceptedCredentials(
        authentication=authentication,
        issuers=frozenset(issuers) if takes_tokens else frozenset(),
        trusts=frozenset(part.certificates or names.trusts) if takes_certificates else frozenset(),
        places=places,
    )


def _places(
    context: Context,
    path: Path,
    part: WarehousePart,
    issuers: Sequence[str],
    authentication: Authentication,
) -> tuple[TokenPlace, ...]:
    if authentication is not Authentication.CERTIFICATE:
        parts = [context.names.issuers.get(name) for name in issuers]
        return build_places(context, (*path, "credentials"), part.credentials, parts)
    if part.credentials is not None:
        context.report.add(
            "conflict",
            (*path, "credentials"),
            "`credentials`, with `authentication: certificate`",
            "they would never be looked at",
            key=True,
        )
    return (BEARER,)


def _authentication(context: Context, part: WarehousePart) -> Authentication:
    if part.authentication is not None:
        return Authentication(part.authentication)
    if not context.names.trusts:
        return Authentication.TOKEN
    return Authentication.ANY if context.names.issuers else Authentication.CERTIFICATE


def _check_upstream(context: Context, path: Path, text: Any) -> None:
    if is_broken(text):
        return
    add = context.report.add
    expected = "expected `http://host:port` or `https://host:port`"
    if "@" in text:
        # The text is not repeated: what stands before the `@` is a password.
        add(
            "credentials",
            path,
            "the URL carries credentials",
            "put them into a file, named by `upstream_api_key_file`",
        )
        return
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        add("value", path, f"got `{text}`, {expected}")
        return
    if parts.scheme not in {"http", "https"}:
        hint = f"write `http://{text}`" if re.match(r"[A-Za-z0-9.\-]+(?::[0-9]+)?\Z", text) else None
        add("value", path, f"got `{text}`, {expected}", hint)
    elif parts.path not in {"", "/"} or parts.query or parts.fragment:
        add(
            "value",
            path,
            f"got `{text}`, {expected}",
            "paths are passed on as they are; rewriting them is the warehouse's",
        )
    elif not _HOST.match(parts.netloc.lower().removesuffix(f":{port}")) or port == 0:
        add("value", path, f"got `{text}`, {expected}")


def _check_columns(context: Context, path: Path, part: WarehousePart) -> None:
    if not is_broken(part.columns):
        for dimension, column in part.columns.items():
            if dimension not in context.names.dimensions:
                context.report.unknown(
                    (*path, "columns", dimension),
                    "dimension",
                    dimension,
                    tuple(context.names.dimensions),
                    key=True,
                )
            if not COLUMN_NAME.match(column):
                _bad_column(context, (*path, "columns", dimension))
    if not is_broken(part.labels):
        for column in part.labels:
            if not COLUMN_NAME.match(column):
                _bad_column(context, (*path, "labels", column))


def _bad_column(context: Context, path: Path) -> None:
    context.report.add(
        "value", path, "a column name has 1 to 128 characters, none of them a control character"
    )


def _check_forms(context: Context, path: Path, part: WarehousePart) -> None:
    if not is_broken(part.dialect) and part.dialect not in DIALECTS:
        context.report.add(
            "unknown_name",
            (*path, "dialect"),
            f"unknown dialect `{part.dialect}`",
            did_you_mean(part.dialect, DIALECTS),
        )
    if is_broken(part.headers, part.query, part.filter):
        return
    if not part.headers and not part.query and part.filter is None:
        context.report.add(
            "empty",
            (*path, "headers"),
            "neither headers nor query nor filter: nothing would tell the warehouse the scope",
            "and it would answer with every row",
        )
    taken: dict[str, str] = {}
    for dimension, parameter in part.query.items():
        _check_parameter(context, (*path, "query", dimension), dimension, parameter, part)
        # Compared as the request's own parameters will be: some servers ignore case, and read dots as underscores.
        known = taken.setdefault(parameter.casefold().replace(".", "_"), dimension)
        if known != dimension:
            context.report.add(
                "conflict",
                (*path, "query", dimension),
                f"the parameter `{parameter}` is that of `{known}`, too",
            )


def _check_parameter(
    context: Context, path: Path, dimension: str, parameter: str, part: WarehousePart
) -> None:
    known = dimensions_named(part)
    if known is not None and dimension not in known:
        context.report.unknown(path, "dimension", dimension, tuple(sorted(known)), key=True)
    if parameter.startswith("__"):
        context.report.add(
            "owned_name",
            path,
            f"the parameter `{parameter}` belongs to Scopegate",
            "names that begin with `__` are its own",
        )
    elif not _PARAMETER_NAME.match(parameter):
        context.report.add(
            "value",
            path,
            f"got `{parameter}`, expected letters, digits, `.`, `-` and `_` that begin with a letter",
        )


def _cache(context: Context, path: Path, part: Any, tokens: frozenset[str]) -> CacheRule | None:
    if part is None or is_broken(part):
        return None
    if not _TTL[0] <= part.ttl <= _TTL[1] or part.ttl % timedelta(seconds=1):
        context.report.add("value", (*path, "ttl"), "expected whole seconds, `1s` to `7d`")
    names = [name.lower() for name in part.vary]
    for number, name in enumerate(names):
        place = (*path, "vary", number)
        if name in _CREDENTIAL_HEADERS | tokens or name.startswith("x-scope-"):
            context.report.add(
                "owned_name",
                place,
                f"the header `{name}` belongs to Scopegate",
                "who asks is in the scope already, which every shared answer is kept apart by",
            )
        elif not _HEADER_NAME.match(name):
            context.report.add("value", place, f"got `{name}`, expected the name of a header")
    return CacheRule(ttl_seconds=int(part.ttl.total_seconds()), vary=tuple(dict.fromkeys(names)))
