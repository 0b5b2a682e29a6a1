"""Clusters: Scopegate's workers, and one for each warehouse.

What must hold for every request that leaves towards a warehouse stands in the cluster's own filters: filters
behind the cache, and settings of routes, are not applied when the cache itself fetches an answer.
"""

from collections.abc import Sequence

from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.envoy.extensions.filters.http.credential_injector import v3 as credential_injector
from envoy_data_plane.envoy.extensions.filters.http.header_mutation import v3 as header_mutation
from envoy_data_plane.envoy.extensions.filters.http.upstream_codec import v3 as upstream_codec
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.extensions.http.injected_credentials.generic import v3 as generic
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as upstreams_http
from envoy_data_plane.envoy.type import v3 as envoy_type
from envoy_data_plane.google import protobuf

from authz.edge.address import TcpAddress, UnixAddress, Upstream, parse_address, parse_upstream, to_message
from authz.edge.corrections import corrections_filter
from authz.edge.headers import remove, remove_prefix
from authz.edge.messages import EdgeError, extension, http_filter, pack, seconds
from authz.edge.names import AUTHZ_CLUSTER, statistics_name, warehouse_cluster
from authz.edge.tls import upstream_socket
from authz.policy.policyset import Warehouse
from authz.policy.tables import WarehouseKind
from authz.rendering.rewrites import OWNED_PREFIX

MAX_STREAM_SECONDS = 300
"""Longest exchange with a warehouse. The only time limit that holds for the cache's own fetches, too."""

API_KEY_HEADER = "x-api-key"
_API_KEY_HEADER_OF_KIND = {WarehouseKind.CLICKHOUSE: "x-clickhouse-key"}
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_MAX_CHECKS_IN_FLIGHT = 8_192
_HEALTH_SECONDS = 1.0
"""Between two health checks, and how long one may take: a worker that loads a large policy may be late once."""
_UNHEALTHY_AFTER = 2
_CHECKS_A_CONNECTION = 100
"""INVARIANT: fewer than the streams that a worker takes on one (128 on the engine zttp). Envoy does not wait for its
SETTINGS: what a burst brings beyond those would be refused, and the requests with it."""
_EJECTED_SECONDS = 2 * _HEALTH_SECONDS * _UNHEALTHY_AFTER + 1
"""INVARIANT: longer than health checks need to find a worker that hangs, or it would be asked again in between. One
that is back is asked at its first good health check, whatever is left of this."""


def authz_cluster(addresses: Sequence[str]) -> cluster.Cluster:
    """One endpoint a worker, chosen anew for each check; a worker that is not serving gets none.

    Raises `EdgeError`.
    """
    parsed = [parse_address(text, f"edge.scopegate[{place}]") for place, text in enumerate(addresses)]
    if not parsed:
        raise EdgeError("edge.scopegate: got no address, expected at least one")
    return cluster.Cluster(
        name=AUTHZ_CLUSTER,
        type=_discovery(parsed, "edge.scopegate"),
        dns_lookup_family=cluster.ClusterDnsLookupFamily.V4_PREFERRED,
        connect_timeout=seconds(0.25),
        common_lb_config=cluster.ClusterCommonLbConfig(
            # Rather no answer (503) than one from a worker that says that it cannot decide.
            healthy_panic_threshold=envoy_type.Percent(value=0),
            # Envoy gathers what changes about its endpoints for a second (`update_merge_window`): one that is ejected
            # in the second after another change would be asked, and people refused, until that is over.
            update_merge_window=seconds(0),
        ),
        load_assignment=_assignment(AUTHZ_CLUSTER, parsed),
        health_checks=[
            core.HealthCheck(
                timeout=seconds(_HEALTH_SECONDS),
                interval=seconds(_HEALTH_SECONDS),
                no_traffic_interval=seconds(_HEALTH_SECONDS),
                unhealthy_threshold=_UNHEALTHY_AFTER,
                healthy_threshold=1,
                grpc_health_check=core.HealthCheckGrpcHealthCheck(),
            )
        ],
        outlier_detection=cluster.OutlierDetection(
            split_external_local_origin_errors=True,
            consecutive_local_origin_failure=2,
            consecutive_5xx=5,
            interval=seconds(1),
            base_ejection_time=seconds(_EJECTED_SECONDS),
            max_ejection_percent=50,
        ),
        circuit_breakers=cluster.CircuitBreakers(
            thresholds=[
                cluster.CircuitBreakersThresholds(
                    max_requests=_MAX_CHECKS_IN_FLIGHT, max_pending_requests=_MAX_CHECKS_IN_FLIGHT
                )
            ]
        ),
        typed_extension_protocol_options=_http_options(
            upstreams_http.HttpProtocolOptions(
                explicit_http_config=upstreams_http.HttpProtocolOptionsExplicitHttpConfig(
                    http2_protocol_options=core.Http2ProtocolOptions(
                        max_concurrent_streams=_CHECKS_A_CONNECTION,
                        connection_keepalive=core.KeepaliveSettings(interval=seconds(10), timeout=seconds(5)),
                    )
                )
            )
        ),
    )


def warehouse_upstream(warehouse: Warehouse, trusted_roots: str) -> cluster.Cluster:
    """The cluster of a warehouse. Raises `EdgeError`."""
    setting = f"warehouses.{warehouse.name}.upstream"
    upstream = parse_upstream(warehouse.upstream, setting)
    name = warehouse_cluster(warehouse.name)
    return cluster.Cluster(
        name=name,
        alt_stat_name=statistics_name(warehouse.name),
        type=_discovery([upstream.address], setting),
        dns_lookup_family=cluster.ClusterDnsLookupFamily.V4_PREFERRED,
        connect_timeout=seconds(2),
        per_connection_buffer_limit_bytes=1_048_576,
        load_assignment=_assignment(name, [upstream.address]),
        transport_socket=upstream_socket(upstream.address.host, trusted_roots) if upstream.tls else None,
        typed_extension_protocol_options=_http_options(
            upstreams_http.HttpProtocolOptions(
                common_http_protocol_options=core.HttpProtocolOptions(
                    idle_timeout=seconds(60), max_stream_duration=seconds(MAX_STREAM_SECONDS)
                ),
                explicit_http_config=upstreams_http.HttpProtocolOptionsExplicitHttpConfig(
                    http_protocol_options=core.Http1ProtocolOptions()
                ),
                http_filters=_filters(warehouse, upstream),
            )
        ),
    )


def api_key_secrets(warehouses: Sequence[Warehouse]) -> list[tls.Secret]:
    """The files with the warehouses' API keys, by name: their content stands in no configuration."""
    return [
        tls.Secret(
            name=_secret_name(warehouse),
            generic_secret=tls.GenericSecret(
                secret=core.DataSource(filename=warehouse.upstream_api_key_file)
            ),
        )
        for warehouse in warehouses
        if warehouse.upstream_api_key_file is not None
    ]


def _filters(warehouse: Warehouse, upstream: Upstream) -> list[hcm.HttpFilter]:
    filters = [
        corrections_filter(
            upstream.authority, warehouse.cache, tells_host=warehouse.kind is WarehouseKind.TRINO
        ),
        http_filter("envoy.filters.http.header_mutation", _mutations(warehouse)),
    ]
    if warehouse.upstream_api_key_file is not None:
        filters.append(http_filter("envoy.filters.http.credential_injector", _api_key(warehouse)))
    return [*filters, http_filter("envoy.filters.http.upstream_codec", upstream_codec.UpstreamCodec())]


def _mutations(warehouse: Warehouse) -> header_mutation.HeaderMutation:
    # Envoy's own accounts of the request (x-envoy-internal, the cache's x-envoy-*) are nobody's business.
    request = [remove("x-forwarded-client-cert"), remove_prefix("x-envoy-")]
    # A session of the warehouse belongs to nobody here, and kept in the cache it would reach strangers.
    # What an echo of our headers says in an answer is not ours.
    # A gRPC status says what it likes, Envoy copies it into spans, and no warehouse is asked by gRPC.
    response = [remove("set-cookie"), remove("grpc-message"), remove_prefix(OWNED_PREFIX)]
    if warehouse.cache is not None:
        # The answer is everybody's: it comes in one form, and depends on the address of nobody who asked first.
        request += [remove("accept-encoding"), remove("origin"), remove("x-forwarded-for")]
    return header_mutation.HeaderMutation(
        mutations=header_mutation.Mutations(request_mutations=request, response_mutations=response)
    )


def _api_key(warehouse: Warehouse) -> credential_injector.CredentialInjector:
    return credential_injector.CredentialInjector(
        overwrite=True,
        allow_request_without_credential=False,
        credential=extension(
            "envoy.http.injected_credentials.generic",
            generic.Generic(
                header=_API_KEY_HEADER_OF_KIND.get(warehouse.kind, API_KEY_HEADER),
                credential=tls.SdsSecretConfig(name=_secret_name(warehouse)),
            ),
        ),
    )


def _secret_name(warehouse: Warehouse) -> str:
    return f"api-key.{warehouse.name}"


def _discovery(addresses: Sequence[UnixAddress | TcpAddress], setting: str) -> cluster.ClusterDiscoveryType:
    named = [address for address in addresses if isinstance(address, TcpAddress) and not address.is_ip]
    if not named:
        return cluster.ClusterDiscoveryType.STATIC
    if any(isinstance(address, UnixAddress) for address in addresses):
        raise EdgeError(f"{setting}: got DNS names beside UNIX sockets, expected only one of the two")
    return cluster.ClusterDiscoveryType.STRICT_DNS


def _assignment(name: str, addresses: Sequence[UnixAddress | TcpAddress]) -> endpoint.ClusterLoadAssignment:
    return endpoint.ClusterLoadAssignment(
        cluster_name=name,
        endpoints=[
            endpoint.LocalityLbEndpoints(
                lb_endpoints=[
                    endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=to_message(address)))
                    for address in addresses
                ]
            )
        ],
    )


def _http_options(options: upstreams_http.HttpProtocolOptions) -> dict[str, protobuf.Any]:
    return {_HTTP_OPTIONS: pack(options)}
