"""A row filter in the query language of an API: what may be open beside it, so that nothing gets round it.

A filter in the query holds for the collection that the path names. So every path is written out: keys, functions and
what hangs on a row (`/Orders(1)`, `/Orders(1)/Customer`, `/rpc/…`, `/$batch`) are closed for being no path of the policy.
"""

import re
from dataclasses import replace
from typing import Final

from authz.policy.document import RoutePart, WarehousePart
from authz.policy.policyset import FilterForm, FilterRule, Route
from authz.policy.report import Path
from authz.policy.sections.context import Context, is_broken
from authz.policy.tables import WarehouseKind

_METHODS: Final = frozenset({"GET", "HEAD"})
_COLLECTION: Final = r"(?:/[A-Za-z0-9_~\-][A-Za-z0-9._~\-]*)+"
_COLLECTION_PATH: Final = re.compile(rf"{_COLLECTION}\Z", re.ASCII)
_METADATA: Final = "$metadata"
_METADATA_PATH: Final = re.compile(rf"(?:{_COLLECTION})?/\$metadata\Z", re.ASCII)
# ODataIdentifier of the ABNF: what else stands in an expression could be read as something else than a name.
_PROPERTY: Final = re.compile(r"[^\W\d]\w{0,127}\Z")
_COLUMN: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\"\\*]{1,63}\Z")


def build_filter(context: Context, path: Path, part: WarehousePart) -> FilterRule | None:
    """The rule, after everything that would let a client get round it has been reported."""
    rule = part.filter
    # For another kind it is reported with the other keys that it does not have.
    if rule is None or is_broken(rule, part.kind) or part.kind != WarehouseKind.HTTP.value:
        return None
    _check_beside(context, path, part, FilterForm(rule.form))
    if not is_broken(part.routes):
        _check_routes(context, path, part, FilterForm(rule.form))
    if rule.next_links and rule.form != FilterForm.ODATA.value:
        context.report.add(
            "conflict",
            (*path, "filter", "next_links"),
            f"`next_links`, with `form: {rule.form}`",
            "it has none: clients page by `limit` and `offset`",
            key=True,
        )
    return FilterRule(form=FilterForm(rule.form), next_links=rule.next_links)


def filter_routes(part: WarehousePart, routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """The routes of a warehouse with such a filter: reading alone is open, also where the policy does not say so."""
    if is_broken(part.kind, part.filter) or part.filter is None or part.kind != WarehouseKind.HTTP.value:
        return routes
    return tuple(replace(route, methods=route.methods & _METHODS) for route in routes)


def _check_beside(context: Context, path: Path, part: WarehousePart, form: FilterForm) -> None:
    add = context.report.add
    if part.query and not is_broken(part.query):
        add("conflict", (*path, "query"), "`query` beside `filter`", "the scope is told once", key=True)
    if part.tables and not is_broken(part.tables):
        add(
            "conflict",
            (*path, "tables"),
            "`tables` beside `filter`",
            "one filter is that of one collection: write a warehouse for each, with `columns`",
            key=True,
        )
    if form is FilterForm.POSTGREST and part.labels and not is_broken(part.labels):
        # `select=row_to_json` is the whole row, because PostgreSQL reads a name as a function of it, too.
        add(
            "conflict",
            (*path, "labels"),
            f"`labels`, with `filter: {{form: {form}}}`",
            "a parameter hides no column: leave them out of a view, or use `kind: postgrest`, which makes the views",
            key=True,
        )
    if is_broken(part.columns):
        return
    pattern, expected = (
        (_PROPERTY, "the name of a property: letters, digits and `_`")
        if form is FilterForm.ODATA
        else (_COLUMN, 'the name of a column of at most 63 characters, without `"`, `\\` and `*`')
    )
    for dimension, column in part.columns.items():
        if not pattern.match(column):
            add("value", (*path, "columns", dimension), f"got `{column}`, expected {expected}")


def _check_routes(context: Context, path: Path, part: WarehousePart, form: FilterForm) -> None:
    roots = {
        route.path.removesuffix(_METADATA)
        for route in part.routes
        if form is FilterForm.ODATA and isinstance(route.path, str) and _METADATA_PATH.match(route.path)
    }
    for number, route in enumerate(part.routes):
        place = (*path, "routes", number)
        if is_broken(route, route.path, route.prefix, route.methods):
            continue
        _check_path(context, place, route, form, roots)
        if "methods" in route.model_fields_set and not set(route.methods) <= _METHODS:
            context.report.add(
                "value",
                (*place, "methods"),
                f"with `filter` only {', '.join(sorted(_METHODS))} can be open",
                "a filter in the query says nothing of what is written",
            )


def _check_path(context: Context, place: Path, route: RoutePart, form: FilterForm, roots: set[str]) -> None:
    add = context.report.add
    if route.prefix is not None:
        add(
            "value",
            (*place, "prefix"),
            "`prefix`, with `filter`",
            "write each collection out, as `path`: under a prefix there is more that the filter would not hold for",
            key=True,
        )
    elif route.path is not None and not (
        _COLLECTION_PATH.match(route.path)
        or (form is FilterForm.ODATA and (route.path in roots or _METADATA_PATH.match(route.path)))
    ):
        add(
            "value",
            (*place, "path"),
            f"got `{route.path}`, expected the plain path of a collection",
            "beside collections only `…/$metadata` can be open, and the root that it stands under"
            if form is FilterForm.ODATA
            else None,
        )
    elif form is FilterForm.POSTGREST and route.path is not None and "rpc" in route.path.split("/"):
        add(
            "value",
            (*place, "path"),
            "`/rpc/…` is a function, with `filter`",
            "it does as whoever wrote it pleases: name tables and views",
        )
