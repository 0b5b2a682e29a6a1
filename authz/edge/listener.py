"""The one way in: TLS, the strict reading of requests, and the order of the filters."""

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.listener import v3 as listener
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router
from envoy_data_plane.envoy.extensions.filters.listener.tls_inspector import v3 as tls_inspector
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm

from authz.edge.accesslog import access_log
from authz.edge.address import parse_address, to_message
from authz.edge.authorization import check_filter, guard_filter
from authz.edge.deployment import PLAIN, Deployment
from authz.edge.globallimits import global_limit
from authz.edge.headers import client_filter, early_removals
from authz.edge.localreplies import local_replies
from authz.edge.messages import http_filter, pack, seconds
from authz.edge.names import LISTENER
from authz.edge.ratelimits import address_limit, principal_limit
from authz.edge.sharedcache import cache_filter
from authz.edge.tls import client_socket
from authz.edge.tracing import HEADERS_IN_SPANS, tracing
from authz.edge.trino import binding_filter
from authz.policy.policyset import EdgeSettings, PolicySet
from authz.policy.tables import WarehouseKind

MAX_HEADERS = 100
MAX_HEADER_KILOBYTES = 60


def edge_listener(
    policy: PolicySet,
    edge: EdgeSettings,
    routes: route.RouteConfiguration,
    deployment: Deployment = PLAIN,
) -> listener.Listener:
    """Raises `EdgeError`."""
    return listener.Listener(
        name=LISTENER,
        address=to_message(parse_address(edge.listen, "edge.listen")),
        per_connection_buffer_limit_bytes=1_048_576,
        listener_filters=[
            listener.ListenerFilter(
                name="envoy.filters.listener.tls_inspector", typed_config=pack(tls_inspector.TlsInspector())
            )
        ],
        listener_filters_timeout=seconds(10),
        filter_chains=[
            listener.FilterChain(
                transport_socket=client_socket(edge, deployment.secrets),
                transport_socket_connect_timeout=seconds(10),
                filters=[
                    listener.Filter(
                        name="envoy.filters.network.http_connection_manager",
                        typed_config=pack(_connection_manager(policy, edge, routes, deployment)),
                    )
                ],
            )
        ],
    )


def _connection_manager(
    policy: PolicySet, edge: EdgeSettings, routes: route.RouteConfiguration, deployment: Deployment
) -> hcm.HttpConnectionManager:
    return hcm.HttpConnectionManager(
        stat_prefix=LISTENER,
        codec_type=hcm.HttpConnectionManagerCodecType.AUTO,
        route_config=routes,
        http_filters=http_filters(policy, edge, deployment),
        common_http_protocol_options=core.HttpProtocolOptions(
            idle_timeout=seconds(60),
            max_headers_count=MAX_HEADERS,
            # `x_scope_id` is `x-scope-id` to a CGI or WSGI server behind (oauth2-proxy CVE-2025-64484).
            headers_with_underscores_action=core.HttpProtocolOptionsHeadersWithUnderscoresAction.REJECT_REQUEST,
        ),
        http2_protocol_options=core.Http2ProtocolOptions(
            max_concurrent_streams=100,
            initial_stream_window_size=65_536,
            initial_connection_window_size=1_048_576,
        ),
        max_request_headers_kb=MAX_HEADER_KILOBYTES,
        request_headers_timeout=seconds(10),
        request_timeout=seconds(60),
        stream_idle_timeout=seconds(300),
        access_log=[access_log()],
        tracing=None if deployment.traces is None else tracing(deployment.traces, deployment.trace_percent),
        # The client's address is the peer's; what X-Forwarded-For says is not believed.
        use_remote_address=True,
        xff_num_trusted_hops=0,
        # `internal_address_config` stays unset: nobody is internal, so x-envoy-* of clients is dropped.
        early_header_mutation_extensions=[
            early_removals(
                (warehouse.kind for warehouse in policy.warehouses.values()),
                HEADERS_IN_SPANS if deployment.traces is not None else (),
            )
        ],
        forward_client_cert_details=hcm.HttpConnectionManagerForwardClientCertDetails.SANITIZE_SET,
        set_current_client_cert_details=_client_details(edge),
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action=hcm.HttpConnectionManagerPathWithEscapedSlashesAction.REJECT_REQUEST,
        local_reply_config=local_replies(),
    )


def _client_details(edge: EdgeSettings) -> hcm.HttpConnectionManagerSetCurrentClientCertDetails:
    """What Envoy writes into `x-forwarded-client-cert`, which the client cannot.

    A name stands there as the certificate has it, commas and all: where Scopegate reads the header, no name does.
    """
    if edge.forward_client_chain:
        return hcm.HttpConnectionManagerSetCurrentClientCertDetails(chain=True)
    return hcm.HttpConnectionManagerSetCurrentClientCertDetails(subject=True, uri=True)


def http_filters(
    policy: PolicySet, edge: EdgeSettings, deployment: Deployment = PLAIN
) -> list[hcm.HttpFilter]:
    """The order matters: flood guard, decision, guard of the decision, the principal's limit, shared answers."""
    warehouses = policy.warehouses.values()
    filters = [
        address_limit(edge.per_address),
        check_filter(edge.check_timeout_seconds, warehouses, client_chain=edge.forward_client_chain),
        guard_filter(),
    ]
    limit = principal_limit(warehouses)
    if limit is not None:
        filters.append(limit)
        if deployment.limit_service is not None:
            filters.append(global_limit())
    filters.append(client_filter())
    if any(warehouse.kind is WarehouseKind.TRINO for warehouse in warehouses):
        filters.append(binding_filter())
    if any(warehouse.cache for warehouse in warehouses):
        filters.append(cache_filter(edge.cache_directory))
    # No x-envoy-* header tells the client or the warehouse how the edge works.
    filters.append(http_filter("envoy.filters.http.router", router.Router(suppress_envoy_headers=True)))
    return filters
