"""Kind `http`: a warehouse that obeys generic headers, plain query parameters, or a filter in its own query language."""

import math
from functools import lru_cache
from typing import Final

from authz.errors import Denied, Reason
from authz.identity.principal import Principal
from authz.policy.decision import Allow
from authz.policy.policyset import Warehouse
from authz.rendering.assertion import assertion
from authz.rendering.circumstances import Circumstances
from authz.rendering.headers import check_dimensions, header_names, scope_headers
from authz.rendering.owned import removed_headers
from authz.rendering.query import (
    owned_parameters,
    partition,
    refuse_form,
    refuse_owned,
    rewritten_path,
    scope_parameters,
)
from authz.rendering.rewrites import NO_METADATA, NO_REWRITES, SCOPE_PARAMETER, Rewrites
from authz.rendering.targets import filtered
from authz.rendering.targets.common import decision_metadata, owned_removals
from authz.request import AccessRequest
from authz.scopes.rowfilter import Everything, RowFilter

_SCOPE_PARAMETER_ONLY: Final = owned_parameters(())


def render(allow: Allow, principal: Principal, circumstances: Circumstances) -> Rewrites:
    """What `authz.rendering.render.render` says, for this kind."""
    warehouse = allow.warehouse
    check_dimensions(warehouse, allow.scope.rows)
    check_told(warehouse, allow.scope.rows)
    # Written for each request by `render_request`; here, so that its denial is remembered with the decision.
    scope_parameters(warehouse, allow.scope.rows)
    if warehouse.filter is not None:
        filtered.own_filter(warehouse, warehouse.filter, allow.scope.rows)
        filtered.check_columns(warehouse.filter, allow.scope)
    signed = assertion(allow, principal, circumstances) if warehouse.takes_assertion else None
    version = circumstances.policy_version
    return Rewrites(
        set_headers=scope_headers(
            allow, principal, version, assertion=None if signed is None else signed.text
        ),
        remove_headers=removed_headers(warehouse),
        valid_until=math.inf if signed is None else signed.valid_until,
        metadata=decision_metadata(allow, principal, version),
    )


def render_request(allow: Allow, request: AccessRequest, policy_version: str) -> Rewrites:
    """What `authz.rendering.render.render_request` says, for this kind."""
    warehouse = allow.warehouse
    remove = owned_removals(warehouse, request, lambda: header_names(allow))
    if warehouse.filter is not None:
        return filtered.render_request(allow, warehouse.filter, request, policy_version, remove)
    if warehouse.query:
        return _with_parameters(allow, request, policy_version, remove)
    if request.query:
        refuse_owned(request.query, _SCOPE_PARAMETER_ONLY)
    if warehouse.cache is None:
        if not remove:
            return NO_REWRITES
        return Rewrites(set_headers=(), remove_headers=remove, metadata=NO_METADATA)
    return Rewrites(
        set_headers=(),
        remove_headers=remove,
        set_query=((SCOPE_PARAMETER, partition(allow, warehouse.cache, request, policy_version)),),
        metadata=NO_METADATA,
    )


def check_told(warehouse: Warehouse, rows: RowFilter) -> None:
    """Raise `Denied(scope_not_expressible)` if no form carries the row filter to the warehouse."""
    told = warehouse.headers or warehouse.query or warehouse.filter is not None
    if not (told or isinstance(rows, Everything)):
        raise Denied(
            Reason.SCOPE_NOT_EXPRESSIBLE, f"warehouse `{warehouse.name}` takes no form of a row filter"
        )


def _with_parameters(
    allow: Allow, request: AccessRequest, policy_version: str, remove: tuple[str, ...]
) -> Rewrites:
    parameters, owned = _parameters(allow)
    refuse_owned(request.query, owned)
    refuse_form(request)
    cache = allow.warehouse.cache
    if cache is not None:
        parameters = f"{parameters}&{SCOPE_PARAMETER}={partition(allow, cache, request, policy_version)}"
    return Rewrites(
        set_headers=(),
        remove_headers=remove,
        path=rewritten_path(request, parameters),
        metadata=NO_METADATA,
    )


@lru_cache(maxsize=4096)
def _parameters(allow: Allow) -> tuple[str, frozenset[str]]:
    """Remembered by the decision object, which is itself remembered and immutable."""
    return scope_parameters(allow.warehouse, allow.scope.rows), owned_parameters(
        allow.warehouse.query.values()
    )
