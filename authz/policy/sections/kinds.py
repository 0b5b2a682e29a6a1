"""What one kind of warehouse alone is told: names in Trino, names in a database."""

import re
from dataclasses import replace
from typing import Final

from authz.identity.accepts import AcceptedCredentials
from authz.policy.document import WarehousePart
from authz.policy.policyset import Route
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken
from authz.policy.tables import Postgrest, Trino, WarehouseKind

_TRINO_METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE"})
_USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,62}\Z", re.ASCII)
_IDENTIFIER: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z", re.ASCII)


def trino_routes(
    context: Context, path: Path, part: WarehousePart, routes: tuple[Route, ...]
) -> tuple[Route, ...]:
    """The routes of a Trino: everything on its hosts, because the paths of its polls begin with whose they are."""
    for number, written in enumerate(part.routes):
        if written.prefix != "/":
            context.report.add(
                "value",
                (*path, "routes", number),
                "Trino is asked under `/v1/…`, and polled under paths that begin with a tag",
                "write `prefix: /`, and tell warehouses apart by `hosts`",
            )
        if "methods" in written.model_fields_set:
            context.report.add(
                "conflict",
                (*path, "routes", number, "methods"),
                "`methods`, with `kind: trino`",
                "leave it out",
                key=True,
            )
    if part.cache is not None and not is_broken(part.cache):
        context.report.add(
            "conflict",
            (*path, "cache"),
            "`cache`, with `kind: trino`",
            "a query's answers are polled once",
            key=True,
        )
    return tuple(replace(route, methods=_TRINO_METHODS) for route in routes)


def check_clickhouse(context: Context, path: Path, part: WarehousePart) -> None:
    """What a ClickHouse cannot be told: treatments of columns, and answers that several people share."""
    if part.kind != WarehouseKind.CLICKHOUSE.value:
        return
    if part.cache is not None and not is_broken(part.cache):
        context.report.add(
            "conflict",
            (*path, "cache"),
            "`cache`, with `kind: clickhouse`",
            "statements are posted, and such answers are not kept",
            key=True,
        )
    if is_broken(part.tables):
        return
    for name, table in part.tables.items():
        if not is_broken(table, table.labels) and table.labels:
            context.report.add(
                "conflict",
                (*path, "tables", name, "labels"),
                "`labels`, with `kind: clickhouse`",
                "its columns cannot be masked by scope: leave them out of a view, and name that as the table",
                key=True,
            )


def build_trino(
    context: Context, path: Path, part: WarehousePart, accepts: AcceptedCredentials | None
) -> Trino:
    """The names in Trino, and whether its OPA plugin is answered."""
    if part.trino is None or is_broken(part.trino, part.kind):
        return Trino()
    if part.kind != WarehouseKind.TRINO.value:
        context.report.add(
            "conflict", (*path, "trino"), f"`trino`, with `kind: {part.kind}`", "leave it out", key=True
        )
    if not _USER.match(part.trino.proxy):
        context.report.add(
            "value",
            (*path, "trino", "proxy"),
            f"got `{part.trino.proxy}`, expected letters, digits, `.`, `_` and `-`",
        )
    opa = part.trino.opa
    if opa is None or is_broken(opa, opa.issuer):
        return Trino(proxy=part.trino.proxy)
    place = (*path, "trino", "opa", "issuer")
    if opa.issuer not in context.names.issuers:
        context.report.unknown(place, "issuer", opa.issuer, tuple(context.names.issuers))
    elif accepts is not None and opa.issuer not in accepts.issuers:
        context.report.add(
            "conflict",
            place,
            f"the warehouse does not take tokens of `{opa.issuer}`",
            "whoever may not come with a token must not come without one",
        )
    return Trino(proxy=part.trino.proxy, opa_issuer=opa.issuer)


def build_postgrest(context: Context, path: Path, part: WarehousePart) -> Postgrest:
    """The names in the database, and whether each table has a view of its own."""
    if is_broken(part.postgrest, part.kind, part.tables):
        return Postgrest()
    if part.kind != WarehouseKind.POSTGREST.value:
        if part.postgrest is not None:
            context.report.add(
                "conflict",
                (*path, "postgrest"),
                f"`postgrest`, with `kind: {part.kind}`",
                "leave it out",
                key=True,
            )
        return Postgrest()
    views: dict[str, str] = {}
    for name in part.tables:
        view = name.rpartition(".")[2]
        if (first := views.setdefault(view, name)) != name:
            context.report.add(
                "conflict",
                (*path, "tables", name),
                f"`{first}` and `{name}` would both be the view `{view}`",
                "PostgREST shows one schema: give one of them its own warehouse",
                key=True,
            )
    if part.postgrest is None:
        return Postgrest()
    for key, text in part.postgrest.__dict__.items():
        if not _IDENTIFIER.match(text):
            context.report.add(
                "value",
                (*path, "postgrest", key),
                f"got `{text}`, expected a name of lower-case letters, digits and `_`",
            )
    if part.postgrest.role == part.postgrest.owner:
        context.report.add(
            "conflict",
            (*path, "postgrest", "owner"),
            "the role that asks would own the views",
            "it could read the tables behind them",
        )
    return Postgrest(schema=part.postgrest.view_schema, role=part.postgrest.role, owner=part.postgrest.owner)
