"""Traces: Envoy begins them or continues a client's, and Scopegate's spans hang on to them.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/trace/v3/opentelemetry.proto
"""

from typing import Final
from urllib.parse import urlsplit

from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.envoy.config.trace import v3 as trace
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.extensions.tracers.opentelemetry.samplers import v3 as samplers
from envoy_data_plane.envoy.type import v3 as envoy_type
from envoy_data_plane.envoy.type.tracing import v3 as tags

from authz.edge.address import parse_upstream, to_message
from authz.edge.messages import EdgeError, extension, pack, seconds
from authz.edge.names import TRACES_CLUSTER
from authz.edge.tls import upstream_socket

_SETTING: Final = "traces"
_POST_SECONDS: Final = 1.0

HEADERS_IN_SPANS: Final = ("tracestate", "x-client-trace-id")
"""Headers that Envoy copies into spans, and that nothing here reads: they are removed before it could."""
_HUSHED_TAGS: Final = (
    "downstream_cluster",
    "grpc.path",
    "http.url",
    "peer.address",
    "user_agent",
)
"""Tags whose text a client or a warehouse chooses, or that tell a person's address; Envoy has no switch for them."""
_HUSHED: Final = "-"


def tracing(url: str, percent: float) -> hcm.HttpConnectionManagerTracing:
    """Spans to the collector at `url` (`http://host:4318/v1/traces`), of `percent` of the requests that come without a trace.

    Raises `EdgeError`.
    """
    if not 0 <= percent <= 100:
        raise EdgeError(f"trace-sample: got `{percent:g}`, expected a percentage, 0 to 100")
    _origin(url)
    configuration = trace.OpenTelemetryConfig(
        service_name="edge",
        # A trace that comes along is kept or not as whoever began it has said.
        sampler=extension(
            "envoy.tracers.opentelemetry.samplers.parent_based",
            samplers.ParentBasedSamplerConfig(
                wrapped_sampler=extension(
                    "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
                    samplers.TraceIdRatioBasedSamplerConfig(sampling_percentage=_fraction(percent)),
                )
            ),
        ),
        http_service=core.HttpService(
            http_uri=core.HttpUri(uri=url, cluster=TRACES_CLUSTER, timeout=seconds(_POST_SECONDS))
        ),
    )
    return hcm.HttpConnectionManagerTracing(
        # All come to the sampler.
        random_sampling=envoy_type.Percent(value=100),
        # The path and the query of a request, which may hold what somebody has asked for, stay out of spans: by
        # length, and where Envoy heeds none (`grpc.path`) by a constant that takes the tag's place.
        max_path_tag_length=0,
        custom_tags=[
            tags.CustomTag(tag=name, literal=tags.CustomTagLiteral(value=_HUSHED)) for name in _HUSHED_TAGS
        ],
        spawn_upstream_span=True,
        provider=trace.TracingHttp(name="envoy.tracers.opentelemetry", typed_config=pack(configuration)),
    )


def _fraction(percent: float) -> envoy_type.FractionalPercent:
    million = envoy_type.FractionalPercentDenominatorType.MILLION
    return envoy_type.FractionalPercent(numerator=round(percent * 10_000), denominator=million)


def traces_cluster(url: str, trusted_roots: str) -> cluster.Cluster:
    """The collector. Raises `EdgeError`."""
    upstream = parse_upstream(_origin(url), _SETTING)
    kind = cluster.ClusterDiscoveryType
    return cluster.Cluster(
        name=TRACES_CLUSTER,
        type=kind.STATIC if upstream.address.is_ip else kind.STRICT_DNS,
        dns_lookup_family=cluster.ClusterDnsLookupFamily.V4_PREFERRED,
        connect_timeout=seconds(_POST_SECONDS),
        transport_socket=upstream_socket(upstream.address.host, trusted_roots) if upstream.tls else None,
        load_assignment=endpoint.ClusterLoadAssignment(
            cluster_name=TRACES_CLUSTER,
            endpoints=[
                endpoint.LocalityLbEndpoints(
                    lb_endpoints=[
                        endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=to_message(upstream.address)))
                    ]
                )
            ],
        ),
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.netloc
        or "@" in parts.netloc
        or not parts.path.strip("/")
    ):
        raise EdgeError(f"{_SETTING}: expected the URL of an OTLP collector, `http://host:4318/v1/traces`")
    return f"{parts.scheme}://{parts.netloc}"
