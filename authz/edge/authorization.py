"""The question to Scopegate, and the guard behind it.

Envoy lets a request pass on any CheckResponse whose status code is 0, even on an empty one. So a second
filter asks what the first one found: only a request that carries the metadata of a decision for the
warehouse of its route passes, and where answers are shared, only with a cache partition in its query.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from envoy_data_plane.envoy.config.common.mutation_rules import v3 as mutation_rules
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.rbac import v3 as rbac
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.filters.http.ext_authz import v3 as ext_authz
from envoy_data_plane.envoy.extensions.filters.http.rbac import v3 as rbac_filter
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.type import v3 as envoy_type
from envoy_data_plane.envoy.type.matcher import v3 as matcher

from authz.edge.messages import http_filter, seconds
from authz.edge.names import AUTHZ_CLUSTER, EXT_AUTHZ, GUARD
from authz.policy.policyset import Warehouse
from authz.policy.tables import WarehouseKind
from authz.rendering.owned import mutable_headers_expression
from authz.rendering.rewrites import SCOPE_PARAMETER
from authz.request import BODY_EXTENSION, WHOLE_BODY

MAX_DENIAL_BYTES = 8_192
MAX_BODY_BYTES = 262_144
"""More than the longest statement that a policy can allow: one that is too long for it is refused with a record."""
_PARTITION = rf".*[?&]{SCOPE_PARAMETER}=[A-Za-z0-9._\-]+(&.*)?"


def check_filter(
    timeout_seconds: float, warehouses: Collection[Warehouse], *, client_chain: bool
) -> hcm.HttpFilter:
    """ext_authz that fails closed: no answer in time, no readable answer, no permitted answer → 503.

    Scopegate may remove and set its own headers and those that tokens stand in, and nothing else; it may replace the
    target where a warehouse takes its scope in the query. With `client_chain` it is told what a client has sent along
    with its certificate.
    """
    mutable = mutable_headers_expression(warehouses)
    if any(map(_target_is_replaced, warehouses)):
        mutable += "|^:path$"
    return http_filter(
        EXT_AUTHZ,
        ext_authz.ExtAuthz(
            transport_api_version=core.ApiVersion.V3,
            grpc_service=core.GrpcService(
                envoy_grpc=core.GrpcServiceEnvoyGrpc(cluster_name=AUTHZ_CLUSTER),
                timeout=seconds(timeout_seconds),
            ),
            with_request_body=_body_settings(warehouses),
            failure_mode_allow=False,
            # 403 would tell a person that they may not; 503 says that nobody could be asked.
            status_on_error=envoy_type.HttpStatus(code=envoy_type.StatusCode.ServiceUnavailable),
            include_peer_certificate=True,
            include_tls_session=True,
            # Joined duplicates and bytes turned into `!` would hide from Scopegate what the warehouse sees.
            encode_raw_headers=True,
            # The route, and with it the warehouse, stays the one that Scopegate was told of.
            clear_route_cache=False,
            validate_mutations=True,
            decoder_header_mutation_rules=mutation_rules.HeaderMutationRules(
                disallow_all=True,
                allow_expression=matcher.RegexMatcher(regex=mutable),
                disallow_is_error=True,
            ),
            # The certificate comes in `source.certificate`, from the handshake.
            disallowed_headers=None
            if client_chain
            else matcher.ListStringMatcher(
                patterns=[matcher.StringMatcher(exact="x-forwarded-client-cert", ignore_case=True)]
            ),
            max_denied_response_body_bytes=MAX_DENIAL_BYTES,
            enforce_response_header_limits=True,
        ),
    )


def _target_is_replaced(warehouse: Warehouse) -> bool:
    return bool(warehouse.query) or warehouse.filter is not None or warehouse.kind is WarehouseKind.CLICKHOUSE


def check_settings(warehouse: Warehouse) -> ext_authz.ExtAuthzPerRoute:
    """Tells Scopegate where this route leads, so that it can refuse a mismatch; and the body, if guardrails need it."""
    extensions = {"warehouse": warehouse.name}
    buffer = _body_settings([warehouse])
    if buffer is None:
        return without_body(extensions)
    return ext_authz.ExtAuthzPerRoute(
        check_settings=ext_authz.CheckSettings(
            # In one message with what it says, so that neither is there without the other.
            context_extensions={**extensions, BODY_EXTENSION: WHOLE_BODY},
            with_request_body=buffer,
        )
    )


def without_body(extensions: Mapping[str, str] = MappingProxyType({})) -> ext_authz.ExtAuthzPerRoute:
    """Asks before the body is there, however long it may be."""
    return ext_authz.ExtAuthzPerRoute(
        check_settings=ext_authz.CheckSettings(
            context_extensions=dict(extensions), disable_request_body_buffering=True
        )
    )


def _body_settings(warehouses: Collection[Warehouse]) -> ext_authz.BufferSettings | None:
    """How Scopegate is shown the bodies that the guardrails of `warehouses` need; None if none of them has any.

    A longer body is refused by Envoy (413), and nobody is asked. Envoy 1.40 takes `pack_as_bytes` from the filter
    alone, whatever a route says, and bounds by `max_request_bytes` what it keeps of an answer, too.
    """
    if all(warehouse.guardrails is None for warehouse in warehouses):
        return None
    # A part of a statement decides nothing, and a text with bytes replaced is another one.
    return ext_authz.BufferSettings(
        max_request_bytes=MAX_BODY_BYTES, allow_partial_message=False, pack_as_bytes=True
    )


def no_check() -> ext_authz.ExtAuthzPerRoute:
    """For answers that Envoy gives itself and that reveal nothing."""
    return ext_authz.ExtAuthzPerRoute(disabled=True)


def guard_filter() -> hcm.HttpFilter:
    """Refuses everything; each warehouse's routes say what passes."""
    return http_filter(GUARD, rbac_filter.Rbac(rules=rbac.Rbac(action=rbac.RbacAction.ALLOW)))


def guard_settings(warehouse: Warehouse) -> rbac_filter.RbacPerRoute:
    conditions = [
        _metadata("warehouse", matcher.StringMatcher(exact=warehouse.name)),
        _present("decision_id"),
        _present("principal"),
    ]
    if warehouse.cache is not None:
        conditions.append(_partitioned())
    policy = rbac.Policy(
        permissions=[rbac.Permission(and_rules=rbac.PermissionSet(rules=conditions))],
        principals=[rbac.Principal(any=True)],
    )
    rules = rbac.Rbac(action=rbac.RbacAction.ALLOW, policies={"decided": policy})
    return rbac_filter.RbacPerRoute(rbac=rbac_filter.Rbac(rules=rules))


def _metadata(key: str, text: matcher.StringMatcher) -> rbac.Permission:
    return rbac.Permission(
        sourced_metadata=rbac.SourcedMetadata(
            metadata_matcher=matcher.MetadataMatcher(
                filter=EXT_AUTHZ,
                path=[matcher.MetadataMatcherPathSegment(key=key)],
                value=matcher.ValueMatcher(string_match=text),
            )
        )
    )


def _present(key: str) -> rbac.Permission:
    return _metadata(key, matcher.StringMatcher(safe_regex=matcher.RegexMatcher(regex=".+")))


def _partitioned() -> rbac.Permission:
    return rbac.Permission(
        header=route.HeaderMatcher(
            name=":path",
            string_match=matcher.StringMatcher(safe_regex=matcher.RegexMatcher(regex=_PARTITION)),
        )
    )
