"""The whole Envoy configuration of a policy, as one message."""

from envoy_data_plane.envoy.config.bootstrap import v3 as bootstrap
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.overload import v3 as overload
from envoy_data_plane.envoy.extensions.resource_monitors.downstream_connections import v3 as connections
from envoy_data_plane.envoy.extensions.resource_monitors.fixed_heap import v3 as fixed_heap
from envoy_data_plane.envoy.type.matcher import v3 as matcher
from envoy_data_plane.google import protobuf

from authz.edge.address import TcpAddress, parse_address, to_message
from authz.edge.deployment import PLAIN, Deployment
from authz.edge.globallimits import limits_cluster
from authz.edge.listener import edge_listener
from authz.edge.messages import EdgeError, pack, seconds
from authz.edge.metadata import metadata_documents
from authz.edge.names import LISTENER
from authz.edge.operators import admin_cluster, operators_listener
from authz.edge.routing import route_configuration
from authz.edge.tracing import traces_cluster
from authz.edge.upstreams import api_key_secrets, authz_cluster, warehouse_upstream
from authz.policy.policyset import EdgeSettings, PolicySet

MAX_CONNECTIONS = 5_000
"""Of clients; what comes beyond is closed at once."""
MAX_HEAP_BYTES = 1024 * 1024 * 1024
MAX_EXPRESSION = 4_096
"""Size of a compiled regular expression, in RE2's own measure."""

_SOCKET_MODE = 0o600
# /quitquitquit and /config_dump are nobody's business; these are what an operator and a scraper read.
_ADMIN_PATHS = ("/ready", "/listeners", "/clusters", "/server_info", "/stats")
# What `scopegate envoy drain` asks for. A socket has a mode; on a loopback address every process could ask for it.
_SOCKET_ONLY_PATHS = ("/healthcheck/fail",)


def build_bootstrap(
    policy: PolicySet, edge: EdgeSettings | None = None, deployment: Deployment = PLAIN
) -> bootstrap.Bootstrap:
    """The configuration for `policy`; `edge` in place of the policy's own section.

    Raises `EdgeError` for settings that no safe configuration can be made of.
    """
    edge = policy.edge if edge is None else edge
    warehouses = list(policy.warehouses.values())
    routes = route_configuration(policy, metadata_documents(policy, edge.public_url), edge.per_address)
    return bootstrap.Bootstrap(
        node=core.Node(id="edge", cluster="edge"),
        static_resources=bootstrap.BootstrapStaticResources(
            listeners=[
                edge_listener(policy, edge, routes, deployment),
                *([] if deployment.http is None else [operators_listener(deployment.http)]),
            ],
            clusters=[
                authz_cluster(edge.scopegate),
                *(warehouse_upstream(warehouse, edge.upstream_ca) for warehouse in warehouses),
                *([] if deployment.limit_service is None else [limits_cluster(deployment.limit_service)]),
                *([] if deployment.traces is None else [traces_cluster(deployment.traces, edge.upstream_ca)]),
                *(
                    []
                    if deployment.http is None
                    else [admin_cluster(parse_address(edge.admin, "edge.admin"))]
                ),
            ],
            secrets=api_key_secrets(warehouses),
        ),
        admin=_admin(edge.admin),
        overload_manager=_overload_manager(),
        layered_runtime=_runtime(),
    )


def _admin(text: str) -> bootstrap.Admin:
    address = parse_address(text, "edge.admin")
    if isinstance(address, TcpAddress) and not address.is_loopback:
        raise EdgeError(
            f"edge.admin: got `{text}`, expected a UNIX socket or a loopback address: whoever reaches it reads everything"
        )
    paths = _ADMIN_PATHS if isinstance(address, TcpAddress) else (*_ADMIN_PATHS, *_SOCKET_ONLY_PATHS)
    return bootstrap.Admin(
        address=to_message(address, mode=_SOCKET_MODE),
        ignore_global_conn_limit=True,
        allow_paths=[matcher.StringMatcher(prefix=path) for path in paths],
    )


def _runtime() -> bootstrap.LayeredRuntime:
    """Longer regular expressions than Envoy takes by default, for the list of headers that an answer may touch; and the
    limit of the clients' listener itself.

    The limit over all listeners (in the overload manager) is a second net only: it does not hold (measured with 1.40).
    Each connection of a listener that ignores it, the operators', frees a place at its end that it has never taken,
    so each scrape would let one more client in.
    """
    values = {
        "re2": {"max_program_size": {"error_level": MAX_EXPRESSION, "warn_level": MAX_EXPRESSION}},
        "envoy": {"resource_limits": {"listener": {LISTENER: {"connection_limit": MAX_CONNECTIONS}}}},
    }
    return bootstrap.LayeredRuntime(
        layers=[bootstrap.RuntimeLayer(name="static", static_layer=protobuf.Struct.from_dict(values))]
    )


def _overload_manager() -> overload.OverloadManager:
    heap, downstream = (
        "envoy.resource_monitors.fixed_heap",
        "envoy.resource_monitors.global_downstream_max_connections",
    )
    return overload.OverloadManager(
        refresh_interval=seconds(0.25),
        resource_monitors=[
            overload.ResourceMonitor(
                name=heap, typed_config=pack(fixed_heap.FixedHeapConfig(max_heap_size_bytes=MAX_HEAP_BYTES))
            ),
            overload.ResourceMonitor(
                name=downstream,
                typed_config=pack(
                    connections.DownstreamConnectionsConfig(
                        max_active_downstream_connections=2 * MAX_CONNECTIONS
                    )
                ),
            ),
        ],
        actions=[
            _when_heap_is(heap, 0.95, "envoy.overload_actions.shrink_heap"),
            _when_heap_is(heap, 0.98, "envoy.overload_actions.stop_accepting_requests"),
        ],
    )


def _when_heap_is(heap: str, share: float, action: str) -> overload.OverloadAction:
    return overload.OverloadAction(
        name=action,
        triggers=[overload.Trigger(name=heap, threshold=overload.ThresholdTrigger(value=share))],
    )
