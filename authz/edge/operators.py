"""Envoy's side of the operators' port: the paths of `scopegate serve --http`, answered from the admin interface.

The admin interface itself can do much more than tell, so it stays on its socket.
"""

from typing import Final

from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.envoy.config.listener import v3 as listener
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.type.matcher import v3 as matcher

from authz.edge.address import TcpAddress, UnixAddress, parse_address, to_message
from authz.edge.messages import EdgeError, http_filter, pack, seconds
from authz.edge.names import ADMIN_CLUSTER

LISTENER: Final = "operators"
_ADMIN_PATHS: Final = {"/metrics": "/stats/prometheus", "/readyz": "/ready"}
_ALIVE_PATH: Final = "/healthz"


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
                    routes=[_alive(), *(_told(path, asked) for path, asked in _ADMIN_PATHS.items())],
                )
            ],
        ),
        http_filters=[
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


def _told(path: str, asked: str) -> route.Route:
    return route.Route(
        name=path,
        match=_get(path),
        route=route.RouteAction(cluster=ADMIN_CLUSTER, prefix_rewrite=asked, timeout=seconds(10)),
    )


def _get(path: str) -> route.RouteMatch:
    """GET only: whatever changes something in the admin interface wants POST."""
    return route.RouteMatch(
        path=path,
        headers=[route.HeaderMatcher(name=":method", string_match=matcher.StringMatcher(exact="GET"))],
    )
