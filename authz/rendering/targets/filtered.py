"""Kind `http`, for an API that takes its row filter in a query language of its own: PostgREST's or OData's.

The whole query is Scopegate's: what of the client's goes on was read, found harmless and written anew. Only reading is
open, and only the paths that the policy writes out, because a filter in the query holds for the collection in the path.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, assert_never

from authz.errors import Denied, Reason
from authz.policy.decision import Allow
from authz.policy.policyset import FilterForm, FilterRule, Warehouse
from authz.rendering.filters import odata, postgrest
from authz.rendering.filters.parameters import Parameter, read_parameters, written
from authz.rendering.query import owned_parameters, partition, refuse_form, refuse_owned
from authz.rendering.rewrites import NO_METADATA, SCOPE_PARAMETER, Rewrites
from authz.request import AccessRequest
from authz.scopes.datascope import DataScope
from authz.scopes.rowfilter import RowFilter

METHODS: Final = frozenset({"GET", "HEAD"})

PREFERENCES: Final[Mapping[FilterForm, frozenset[str]]] = {
    # Not `timezone`: it moves what a day is.
    FilterForm.POSTGREST: frozenset({"count", "handling", "return"}),
    # Not `respond-async`, `callback` and `odata.track-changes`: the answer is elsewhere, or goes elsewhere.
    FilterForm.ODATA: frozenset({"maxpagesize", "odata.maxpagesize", "return"}),
}
"""What a client may prefer (RFC 7240) without getting at other rows."""

PLAN: Final = "vnd.pgrst.plan"
"""PostgREST's media type for the plan of a query, which counts the rows that its filter removes."""

_SCOPE_PARAMETER_ONLY: Final = owned_parameters(())
_PREFERENCE: Final = re.compile(
    r"[ \t]*([A-Za-z0-9.\-]+)[ \t]*(?:=[ \t]*(?:[A-Za-z0-9\-]+|\"[A-Za-z0-9\-]*\"))?[ \t]*\Z"
)


def own_filter(warehouse: Warehouse, rule: FilterRule, rows: RowFilter) -> tuple[str, ...]:
    """A row filter in the language of an API; nothing for every row.

    Raises `Denied`: `scope_not_expressible`, `scope_too_large`.
    """
    match rule.form:
        case FilterForm.POSTGREST:
            return postgrest.row_conditions(rows, warehouse.columns)
        case FilterForm.ODATA:
            return (odata.row_filter(rows, warehouse.columns),)
        case form:
            assert_never(form)


def check_columns(rule: FilterRule, scope: DataScope) -> None:
    """Raise `Denied(scope_not_expressible)` for columns that the form cannot close."""
    if rule.form is FilterForm.POSTGREST and scope.columns:
        raise Denied(
            Reason.SCOPE_NOT_EXPRESSIBLE, "a column that is not clear, which a parameter cannot hide"
        )


def render_request(
    allow: Allow, rule: FilterRule, request: AccessRequest, policy_version: str, remove: tuple[str, ...]
) -> Rewrites:
    """What `authz.rendering.render.render_request` says, for such a warehouse."""
    warehouse = allow.warehouse
    if request.method not in METHODS:
        raise Denied(Reason.METHOD_DENIED, f"`{request.method}`, where only reading is open")
    if not any(route.path == request.path for route in warehouse.routes):
        raise Denied(Reason.ROUTE_UNKNOWN, "the path is no collection of the policy")
    refuse_owned(request.query, _SCOPE_PARAMETER_ONLY)
    refuse_form(request)
    _refuse_preferences(request, rule.form)
    parameters = [*_parameters(allow, rule, request)]
    if warehouse.cache is not None:
        parameters.append((SCOPE_PARAMETER, partition(allow, warehouse.cache, request, policy_version)))
    query = written(parameters)
    return Rewrites(
        set_headers=(),
        remove_headers=remove,
        path=f"{request.path}?{query}" if query else request.path,
        metadata=NO_METADATA,
    )


def _parameters(allow: Allow, rule: FilterRule, request: AccessRequest) -> tuple[Parameter, ...]:
    warehouse, scope = allow.warehouse, allow.scope
    asked = read_parameters(request.query)
    check_columns(rule, scope)
    match rule.form:
        case FilterForm.POSTGREST:
            return postgrest.query(_own(allow, rule), asked)
        case FilterForm.ODATA if _is_description(warehouse, request.path):
            return odata.description(asked)
        case FilterForm.ODATA:
            opened = odata.Open(closed_properties=tuple(scope.columns), next_links=rule.next_links)
            (own,) = _own(allow, rule)
            return odata.query(own, asked, opened)
        case form:
            assert_never(form)


@lru_cache(maxsize=4096)
def _own(allow: Allow, rule: FilterRule) -> tuple[str, ...]:
    """Remembered by the decision object, which is itself remembered and immutable."""
    return own_filter(allow.warehouse, rule, allow.scope.rows)


def _is_description(warehouse: Warehouse, path: str) -> bool:
    """Whether a path is that of the metadata, or of the root beside it: `/odata/`, where `/odata/$metadata` is open."""
    metadata = f"/{odata.METADATA}"
    if path.endswith(metadata):
        return True
    return path.endswith("/") and any(route.path == path[:-1] + metadata for route in warehouse.routes)


def _refuse_preferences(request: AccessRequest, form: FilterForm) -> None:
    for value in request.headers.get("prefer", ()):
        for part in value.split(","):
            found = _PREFERENCE.match(part)
            if found is None or found[1].lower() not in PREFERENCES[form]:
                raise Denied(Reason.PARAMETER_DENIED, "a preference (header `prefer`) that is not open")
    if form is FilterForm.POSTGREST and any(
        PLAN in value.lower() for value in request.headers.get("accept", ())
    ):
        raise Denied(
            Reason.PARAMETER_DENIED, f"the media type `{PLAN}`, which tells of rows that are filtered out"
        )
