"""What every kind of warehouse needs in the same way."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from authz.errors import Denied, Reason
from authz.identity.principal import Principal
from authz.policy.decision import Allow
from authz.policy.policyset import Warehouse
from authz.rendering.circumstances import Circumstances
from authz.rendering.minting import mint
from authz.rendering.owned import TAKES_BEARER, is_owned, removed_headers
from authz.rendering.query import owned_parameters, refuse_owned
from authz.rendering.rewrites import NO_METADATA, NO_REWRITES, OWNED_PREFIX, Rewrites
from authz.request import AccessRequest

BEARER_TYPE: Final = "JWT"
"""Whoever reads these looks at no `typ`; the readers of our other tokens do, and refuse them (RFC 8725 section 3.11)."""

_SCOPE_PARAMETER_ONLY: Final = owned_parameters(())


def bearer(
    allow: Allow,
    principal: Principal,
    circumstances: Circumstances,
    claims: Mapping[str, object],
    *headers: tuple[str, str],
) -> Rewrites:
    """A token of Scopegate's own in `authorization`, in place of whatever the client sent, and further headers.

    Raises as `mint` does.
    """
    if allow.warehouse.kind not in TAKES_BEARER:
        raise ValueError(f"`authorization` is removed for kind `{allow.warehouse.kind}`")
    token = mint(claims, BEARER_TYPE, circumstances)
    return Rewrites(
        set_headers=(("authorization", f"Bearer {token.text}"), *headers),
        remove_headers=removed_headers(allow.warehouse),
        valid_until=token.valid_until,
        metadata=decision_metadata(allow, principal, circumstances.policy_version),
    )


def removals_only(warehouse: Warehouse, request: AccessRequest) -> Rewrites:
    """For a kind that is told everything in headers: what of the client's has to go beside. Raises `Denied`."""
    if request.query:
        refuse_owned(request.query, _SCOPE_PARAMETER_ONLY)
    remove = owned_removals(warehouse, request)
    return Rewrites(set_headers=(), remove_headers=remove, metadata=NO_METADATA) if remove else NO_REWRITES


def decision_metadata(allow: Allow, principal: Principal, policy_version: str) -> Mapping[str, str]:
    """For Envoy's guard, its rate limits and its access log."""
    return MappingProxyType(
        {
            "principal": principal.key,
            "scope_id": allow.scope.id,
            "warehouse": allow.warehouse.name,
            "policy_version": policy_version,
        }
    )


def owned_removals(
    warehouse: Warehouse, request: AccessRequest, kept: Callable[[], Collection[str]] = tuple
) -> tuple[str, ...]:
    """The `x-scope-` headers that the client sent and the answer does not set (Envoy removes last).

    `kept` says which it sets; hardly any request has such a header, so hardly any asks.
    Raises `Denied(request_ambiguous)` for an owned header written with underscores.
    """
    every = "\n".join(request.headers).lower()
    if "_" not in every and OWNED_PREFIX not in every:
        return ()
    names = every.split("\n")
    for name in names:
        if "_" in name and is_owned(name.replace("_", "-"), warehouse):
            # CGI and WSGI servers read `x_scope_region` and `x-scope-region` as one name (oauth2-proxy CVE-2025-64484).
            raise Denied(
                Reason.REQUEST_AMBIGUOUS, "a header that belongs to Scopegate, written with underscores"
            )
    set_anyway = kept()
    return tuple(name for name in names if name.startswith(OWNED_PREFIX) and name not in set_anyway)
