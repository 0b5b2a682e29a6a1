"""The question to Scopegate, and the guard behind it.

Envoy lets a request pass on any CheckResponse whose status code is 0, even on an empty one. So a second
filter asks what the first one found: only a request that carries the metadata of a decision for the
warehouse of its route passes, and where answers are shared, only with a cache partition in its query.
"""

from collections.abc import Collection

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
from authz.rendering.owned import mutable_headers_expression
from authz.rendering.rewrites import SCOPE_PARAMETER

MAX_DENIAL_BYTES = 8_192
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
    if any(warehouse.query for warehouse in warehouses):
        mutable += "|^:path$"
    return http_filter(
        EXT_AUTHZ,
        ext_authz.ExtAuthz(
            transport_api_version=core.ApiVersion.V3,
            grpc_service=core.GrpcService(
                envoy_grpc=core.GrpcServiceEnvoyGrpc(cluster_name=AUTHZ_CLUSTER),
                timeout=seconds(timeout_seconds),
            ),
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


def check_settings(warehouse: Warehouse) -> ext_authz.ExtAuthzPerRoute:
    """Tells Scopegate where this route leads, so that it can refuse a mismatch."""
    return ext_authz.ExtAuthzPerRoute(
        check_settings=ext_authz.CheckSettings(context_extensions={"warehouse": warehouse.name})
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
