"""Envoy's side of the operators' port: the paths of `scopegate serve --http`.

What the admin interface knows comes from there; it can do much more than tell, so it stays on its socket.
"""

from typing import Final

from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.envoy.config.listener import v3 as listener
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.filters.http.health_check import v3 as health_check
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.type import v3 as types
from envoy_data_plane.envoy.type.matcher import v3 as matcher

from authz.edge.address import TcpAddress, UnixAddress, parse_address, to_message
from authz.edge.messages import EdgeError, http_filter, pack, seconds
from authz.edge.names import ADMIN_CLUSTER, AUTHZ_CLUSTER

LISTENER: Final = "operators"
_METRICS_PATH: Final = "/metrics"
_METRICS_OF_ADMIN: Final = "/stats/prometheus"
_ALIVE_PATH: Final = "/healthz"
_READY_PATH: Final = "/readyz"


def operators_listener(address: str) -> listener.Listener:
    """Raises `EdgeError`."""
    parsed = parse_address(address, "http")
    if not isinstance(parsed, TcpAddress):
        raise EdgeError(f"http: got `{address}`, expected `host:port`")
    return listener.Listener(
        name=LISTENER,
        address=to_message(parsed),
        # A flood that takes all connections must not look like a death: the probes and the alarm come this way.
        ignore_global_conn_limit=True,
        per_connection_buffer_limit_bytes=1_048_576,
        filter_chains=[
            listener.FilterChain(
                filters=[
                    listener.Filter(
                        name="envoy.filters.network.http_connection_manager", typed_config=pack(_manager())
                    )
                ]
            )
        ],
    )


def admin_cluster(address: UnixAddress | TcpAddress) -> cluster.Cluster:
    """The admin interface, for the routes of this listener only."""
    return cluster.Cluster(
        name=ADMIN_CLUSTER,
        type=cluster.ClusterDiscoveryType.STATIC,
        connect_timeout=seconds(1),
        load_assignment=endpoint.ClusterLoadAssignment(
            cluster_name=ADMIN_CLUSTER,
            endpoints=[
                endpoint.LocalityLbEndpoints(
                    lb_endpoints=[
                        endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=to_message(address)))
                    ]
                )
            ],
        ),
    )


def _manager() -> hcm.HttpConnectionManager:
    return hcm.HttpConnectionManager(
        stat_prefix=LISTENER,
        codec_type=hcm.HttpConnectionManagerCodecType.AUTO,
        route_config=route.RouteConfiguration(
            name=LISTENER,
            virtual_hosts=[
                route.VirtualHost(
                    name=LISTENER,
                    domains=["*"],
                    routes=[_alive(), _metrics()],
                )
            ],
        ),
        http_filters=[
            _ready(),
            http_filter("envoy.filters.http.router", router.Router(suppress_envoy_headers=True)),
        ],
        common_http_protocol_options=core.HttpProtocolOptions(idle_timeout=seconds(60)),
        request_headers_timeout=seconds(10),
        request_timeout=seconds(30),
        stream_idle_timeout=seconds(30),
        use_remote_address=True,
        normalize_path=True,
    )


def _alive() -> route.Route:
    """Answered by the event loop alone, whatever else is wrong."""
    return route.Route(
        name=_ALIVE_PATH,
        match=_get(_ALIVE_PATH),
        direct_response=route.DirectResponseAction(status=200, body=core.DataSource(inline_string="alive\n")),
    )


def _ready() -> hcm.HttpFilter:
    """Not while it drains, nor before its health checks have seen one of Scopegate's workers serve.

    Until then it refuses whatever it is asked, though the workers may be ready. The admin interface's `/ready` knows nothing
    of that. https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/health_check_filter
    """
    return http_filter(
        "envoy.filters.http.health_check",
        health_check.HealthCheck(
            pass_through_mode=False,
            headers=[_is(":path", _READY_PATH), _is(":method", "GET")],
            cluster_min_healthy_percentages={AUTHZ_CLUSTER: types.Percent(value=1)},
        ),
    )


def _metrics() -> route.Route:
    return route.Route(
        name=_METRICS_PATH,
        match=_get(_METRICS_PATH),
        route=route.RouteAction(cluster=ADMIN_CLUSTER, prefix_rewrite=_METRICS_OF_ADMIN, timeout=seconds(10)),
    )


def _get(path: str) -> route.RouteMatch:
    """GET only: whatever changes something in the admin interface wants POST."""
    return route.RouteMatch(
        path=path,
        headers=[_is(":method", "GET")],
    )


def _is(header: str, value: str) -> route.HeaderMatcher:
    return route.HeaderMatcher(name=header, string_match=matcher.StringMatcher(exact=value))
