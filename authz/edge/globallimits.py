"""Limits that all Envoys count together, through the rate limit service of the Envoy project.

Each Envoy's own limit stays in front of it: where the service cannot be asked, that one still holds, so a lost
Redis makes limits wider by the number of Envoys and takes nobody's data away.
"""

from typing import Any, Final

import yaml
from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.envoy.config.ratelimit import v3 as ratelimit
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.filters.http.ratelimit import v3 as global_ratelimit
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as upstreams_http

from authz.edge.address import TcpAddress, parse_address, to_message
from authz.edge.messages import EdgeError, http_filter, pack, seconds
from authz.edge.names import GLOBAL_LIMIT, LIMITS_CLUSTER
from authz.edge.ratelimits import from_decision
from authz.policy.policyset import PolicySet, RateLimit

DOMAIN: Final = "scopegate"
_UNITS: Final = {1: "second", 60: "minute", 3_600: "hour", 86_400: "day"}
_ANSWER_SECONDS: Final = 0.05
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def global_limit() -> hcm.HttpFilter:
    """Asks about the same two facts as the local limit of a principal, and lets pass what nobody answers in time."""
    return http_filter(
        GLOBAL_LIMIT,
        global_ratelimit.RateLimit(
            domain=DOMAIN,
            failure_mode_deny=False,
            timeout=seconds(_ANSWER_SECONDS),
            disable_x_envoy_ratelimited_header=True,
            rate_limit_service=ratelimit.RateLimitServiceConfig(
                grpc_service=core.GrpcService(
                    envoy_grpc=core.GrpcServiceEnvoyGrpc(cluster_name=LIMITS_CLUSTER)
                ),
                transport_api_version=core.ApiVersion.V3,
            ),
            rate_limits=[route.RateLimit(actions=[from_decision("warehouse"), from_decision("principal")])],
        ),
    )


def limits_cluster(address: str) -> cluster.Cluster:
    """The rate limit service. Raises `EdgeError`."""
    parsed = parse_address(address, "limit-service")
    if not isinstance(parsed, TcpAddress):
        raise EdgeError(f"limit-service: got `{address}`, expected `host:port`")
    kind = cluster.ClusterDiscoveryType
    return cluster.Cluster(
        name=LIMITS_CLUSTER,
        type=kind.STATIC if parsed.is_ip else kind.STRICT_DNS,
        dns_lookup_family=cluster.ClusterDnsLookupFamily.V4_PREFERRED,
        connect_timeout=seconds(0.25),
        load_assignment=endpoint.ClusterLoadAssignment(
            cluster_name=LIMITS_CLUSTER,
            endpoints=[
                endpoint.LocalityLbEndpoints(
                    lb_endpoints=[endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=to_message(parsed)))]
                )
            ],
        ),
        typed_extension_protocol_options={
            _HTTP_OPTIONS: pack(
                upstreams_http.HttpProtocolOptions(
                    explicit_http_config=upstreams_http.HttpProtocolOptionsExplicitHttpConfig(
                        http2_protocol_options=core.Http2ProtocolOptions(
                            connection_keepalive=core.KeepaliveSettings(
                                interval=seconds(10), timeout=seconds(5)
                            )
                        )
                    )
                )
            )
        },
    )


def service_configuration(policy: PolicySet) -> str:
    """The service's own configuration file: the policy's `limits`, each per warehouse and principal.

    https://github.com/envoyproxy/ratelimit#configuration. Raises `EdgeError`.
    """
    limits = [(w.name, w.per_principal) for w in policy.warehouses.values() if w.per_principal is not None]
    document = {
        "domain": DOMAIN,
        "descriptors": [
            {
                "key": "warehouse",
                "value": name,
                "descriptors": [{"key": "principal", "rate_limit": _rate(name, limit)}],
            }
            for name, limit in sorted(limits)
        ],
    }
    return yaml.safe_dump(document, sort_keys=False)


def _rate(warehouse: str, limit: RateLimit) -> dict[str, Any]:
    unit = _UNITS.get(limit.seconds)
    if unit is None:
        raise EdgeError(
            f"warehouses.{warehouse}.limits.per_principal: got {limit.seconds} s, expected one of {list(_UNITS)}"
        )
    return {"unit": unit, "requests_per_unit": limit.requests}
