"""What kind of warehouse it is, its tables, and what it is told of people."""

import re
from collections.abc import Mapping
from typing import Final

from authz.identity.accepts import AcceptedCredentials
from authz.policy.document import TablePart, WarehousePart
from authz.policy.names import COLUMN_NAME
from authz.policy.problems import listed
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken
from authz.policy.tables import OWN_DIALECT, TABLED, PersonName, Table, WarehouseKind

_WORD: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_$\-]{0,126}[A-Za-z0-9_$])?"
_NAMES: Final[Mapping[WarehouseKind, tuple[str, re.Pattern[str]]]] = {
    # Trino folds names to lower case: another spelling in the policy would name a table that nobody asks for.
    WarehouseKind.TRINO: (
        "`catalog.schema.table` in lower case",
        re.compile(r"[a-z0-9_$\-]{1,128}(?:\.[a-z0-9_$\-]{1,128}){2}\Z", re.ASCII),
    ),
    WarehouseKind.CLICKHOUSE: ("`database.table`", re.compile(rf"{_WORD}\.{_WORD}\Z", re.ASCII)),
    WarehouseKind.POSTGREST: ("`schema.table`", re.compile(rf"{_WORD}\.{_WORD}\Z", re.ASCII)),
    WarehouseKind.CUBE: (
        "the name of a cube or a view",
        re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z", re.ASCII),
    ),
}
_ANY_NAME: Final = ("a name of up to three parts", re.compile(rf"{_WORD}(?:\.{_WORD}){{0,2}}\Z", re.ASCII))
_CLAIM: Final = re.compile(r"[^\x00-\x20\x7f-\x9f]{1,128}\Z")

_NO_DIMENSION: Final = "without a dimension nobody's rows can be told from anybody else's"


def check_shape(context: Context, path: Path, part: WarehousePart) -> None:
    """One table or several, and the keys that belong to another kind."""
    if is_broken(part.kind, part.columns, part.tables):
        return
    kind = WarehouseKind(part.kind)
    add = context.report.add
    if part.columns and part.tables:
        add("conflict", (*path, "columns"), "`columns` beside `tables`", "each table has its own", key=True)
    elif not part.columns and not part.tables:
        _say_missing(context, path, part, kind)
    elif part.tables and not any(table.columns for table in part.tables.values()):
        add("empty", (*path, "tables"), "no table has a dimension", _NO_DIMENSION)
    elif part.columns and kind in TABLED:
        add("conflict", (*path, "columns"), f"`columns`, with `kind: {kind}`", "name the `tables`", key=True)
    if part.tables and part.labels and not is_broken(part.labels):
        add("conflict", (*path, "labels"), "`labels` beside `tables`", "each table has its own", key=True)
    _check_foreign_keys(context, path, part, kind)


def _say_missing(context: Context, path: Path, part: WarehousePart, kind: WarehouseKind) -> None:
    key = "tables" if kind in TABLED else "columns"
    if key in part.model_fields_set:
        context.report.add("empty", (*path, key), "the mapping is empty", _NO_DIMENSION)
        return
    what = "name the tables that may be seen" if key == "tables" else "say in which column each dimension is"
    context.report.add("missing", path, f"`{key}` is missing", what)


def _check_foreign_keys(context: Context, path: Path, part: WarehousePart, kind: WarehouseKind) -> None:
    given = part.model_fields_set
    own = OWN_DIALECT.get(kind)
    if own is not None and "dialect" in given and not is_broken(part.dialect) and part.dialect != own:
        context.report.add(
            "conflict", (*path, "dialect"), f"`dialect: {part.dialect}`, with `kind: {kind}`", "leave it out"
        )
    foreign = {"user"} if kind is WarehouseKind.HTTP else {"filter", "headers", "query", "identity_headers"}
    for key in sorted(foreign & given):
        context.report.add(
            "conflict",
            (*path, key),
            f"`{key}`, with `kind: {kind}`",
            "this kind is told who asks by `identity_headers`"
            if key == "user"
            else "this kind takes its scope in a way of its own",
            key=True,
        )
    if part.tables and "headers" in given and not is_broken(part.headers) and "sql" in part.headers:
        context.report.add(
            "conflict",
            (*path, "headers"),
            "the form `sql`, with `tables`",
            "one predicate cannot be that of several",
        )


def build_tables(context: Context, path: Path, part: WarehousePart) -> dict[str, Table]:
    """The tables, as far as they are whole."""
    if is_broken(part.kind, part.tables):
        return {}
    expected, pattern = _NAMES.get(WarehouseKind(part.kind), _ANY_NAME)
    dimensions = _dimensions(part)
    tables: dict[str, Table] = {}
    for name, table in part.tables.items():
        place = (*path, "tables", name)
        if not pattern.match(name):
            context.report.add("value", place, f"got `{name}`, expected {expected}", key=True)
        _check_columns(context, place, table, WarehouseKind(part.kind))
        _check_complete(context, place, table, dimensions)
        tables[name] = Table(
            name=name,
            columns=dict(table.columns),
            unfiltered=frozenset(table.unfiltered),
            labels=dict(table.labels),
        )
    return tables


def _dimensions(part: WarehousePart) -> dict[str, str]:
    """The dimensions that any table has, each with the first that has it."""
    return {dimension: name for name, table in reversed(part.tables.items()) for dimension in table.columns}


def _check_columns(context: Context, path: Path, table: TablePart, kind: WarehouseKind) -> None:
    known = context.names.dimensions
    for dimension in table.columns:
        if dimension not in known:
            context.report.unknown(
                (*path, "columns", dimension), "dimension", dimension, tuple(known), key=True
            )
    for number, dimension in enumerate(table.unfiltered):
        if dimension not in known:
            context.report.unknown((*path, "unfiltered", number), "dimension", dimension, tuple(known))
    for column_path, column in (
        *(((*path, "columns", dimension), column) for dimension, column in table.columns.items()),
        *(((*path, "labels", column), column) for column in table.labels),
    ):
        if not COLUMN_NAME.match(column):
            context.report.add(
                "value",
                column_path,
                "a column name has 1 to 128 characters, none of them a control character",
            )
        elif kind is WarehouseKind.TRINO and column != column.lower():
            # Trino folds these, too: a label on `Email` would never meet a column, and `email` would be shown.
            context.report.add(
                "value",
                column_path,
                f"got `{column}`, expected the name in lower case",
                f"Trino knows it as `{column.lower()}`",
                key=column_path[-2] == "labels",
            )


def _check_complete(context: Context, path: Path, table: TablePart, dimensions: Mapping[str, str]) -> None:
    """A dimension that got lost must never be a table that nobody filters."""
    for number, dimension in enumerate(table.unfiltered):
        if dimension in table.columns:
            context.report.add(
                "conflict",
                (*path, "unfiltered", number),
                f"dimension `{dimension}` has a column in this table",
            )
    missing = [name for name in dimensions if name not in table.columns and name not in table.unfiltered]
    if missing:
        first = dimensions[missing[0]]
        context.report.add(
            "missing_dimension",
            path,
            f"no column for dimension {listed(missing)}, which table `{first}` has",
            "name the column, or say `unfiltered` if the rows of this table are not told apart by it",
            key=True,
        )


def build_user(
    context: Context, path: Path, part: WarehousePart, accepts: AcceptedCredentials | None
) -> PersonName:
    """What the warehouse calls people."""
    if is_broken(part.user, part.kind) or accepts is None or part.kind == WarehouseKind.HTTP.value:
        return PersonName()
    user = (
        PersonName()
        if part.user is None
        else PersonName(claim=part.user.claim, qualified=part.user.qualified)
    )
    if user.claim is not None and not _CLAIM.match(user.claim):
        context.report.add("value", (*path, "user", "claim"), "expected the name of a claim")
    sources = len(accepts.issuers) + len(accepts.trusts)
    if sources > 1 and not user.qualified:
        # One issuer's people could take the names of another's (nOAuth, oauth2-proxy CVE-2026-40574).
        context.report.add(
            "ambiguous",
            (*path, "user") if part.user is not None else path,
            f"people of {sources} issuers and trusts could have one name at this warehouse",
            "write `user: {qualified: true}`, or accept one issuer",
        )
    return user
