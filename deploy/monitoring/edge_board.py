"""The dashboard of Envoy: clients in front, Scopegate beside, the warehouses behind."""

from typing import Final

from deploy.monitoring.panels import RANGE, Board, Panel, one_number, quantiles
from deploy.monitoring.slo import EDGE

_WAREHOUSES: Final = 'envoy_cluster_name=~"warehouse-.*"'
_WAREHOUSE_LEGEND: Final = "{{envoy_cluster_name}}"

EDGE_BOARD: Final = Board(
    uid="scopegate-edge",
    title="Scopegate: edge",
    note="What Envoy sees: clients in front, Scopegate beside, the warehouses behind.",
    rows={
        "Now": [
            one_number("requests", f"sum(rate(envoy_http_downstream_rq_total{{{EDGE}}}[5m]))", "reqps"),
            one_number("connections", f"sum(envoy_http_downstream_cx_active{{{EDGE}}})"),
            one_number("Envoys", "sum(envoy_server_live)"),
            one_number(
                "healthy workers", 'min(envoy_cluster_membership_healthy{envoy_cluster_name="scopegate"})'
            ),
            one_number(
                "certificate ends in", "min(envoy_server_days_until_first_cert_expiring) * 86400", "s"
            ),
            one_number("memory", "max(envoy_server_memory_physical_size)", "bytes"),
        ],
        "Clients": [
            Panel(
                title="answers, by class",
                unit="reqps",
                queries=[
                    (
                        f"sum by (envoy_response_code_class) (rate(envoy_http_downstream_rq_xx{{{EDGE}}}{RANGE}))",
                        "{{envoy_response_code_class}}xx",
                    )
                ],
            ),
            Panel(
                title="time of a request",
                unit="ms",
                queries=quantiles(
                    "envoy_http_downstream_rq_time", "envoy_http_conn_manager_prefix", 0.5, 0.99
                ),
            ),
            Panel(
                title="handshakes that failed",
                unit="reqps",
                queries=[
                    (f"sum(rate(envoy_listener_ssl_connection_error{RANGE}))", "protocol"),
                    (f"sum(rate(envoy_listener_ssl_fail_verify_error{RANGE}))", "client certificate"),
                ],
            ),
            Panel(
                title="refused before a check",
                unit="reqps",
                note="Headers or paths that nobody honest sends, too many connections, too much memory.",
                queries=[
                    (
                        f"sum(rate(envoy_http_downstream_rq_failed_path_normalization{{{EDGE}}}{RANGE}))",
                        "path",
                    ),
                    (f"sum(rate(envoy_http_downstream_rq_too_large{{{EDGE}}}{RANGE}))", "body"),
                    (f"sum(rate(envoy_listener_downstream_cx_overload_reject{RANGE}))", "connections"),
                    (f"sum(rate(envoy_http_rq_overload_local_reply{{{EDGE}}}{RANGE}))", "overload"),
                ],
            ),
        ],
        "Checks": [
            Panel(
                title="by outcome",
                unit="reqps",
                queries=[
                    (f"sum(rate(envoy_http_ext_authz_{outcome}{{{EDGE}}}{RANGE}))", outcome)
                    for outcome in ("ok", "denied", "error", "invalid", "failure_mode_allowed")
                ],
            ),
            Panel(
                title="time of a check, as Envoy sees it",
                unit="ms",
                queries=[
                    (
                        (
                            f"histogram_quantile({share}, sum by (le) (rate("
                            f'envoy_cluster_upstream_rq_time_bucket{{envoy_cluster_name="scopegate"}}{RANGE})))'
                        ),
                        f"p{share * 100:g}",
                    )
                    for share in (0.5, 0.99)
                ],
            ),
            Panel(
                title="workers",
                queries=[
                    (f'sum(envoy_cluster_membership_{which}{{envoy_cluster_name="scopegate"}})', which)
                    for which in ("healthy", "total")
                ],
            ),
        ],
        "Limits": [
            Panel(
                title="requests over a limit",
                unit="reqps",
                queries=[
                    (
                        (
                            "sum by (envoy_local_http_ratelimit_prefix)"
                            f" (rate(envoy_http_local_rate_limit_rate_limited{RANGE}))"
                        ),
                        "{{envoy_local_http_ratelimit_prefix}}",
                    )
                ],
            ),
            Panel(
                title="requests within their limit",
                unit="reqps",
                queries=[
                    (
                        f"sum by (envoy_local_http_ratelimit_prefix) (rate(envoy_http_local_rate_limit_ok{RANGE}))",
                        "{{envoy_local_http_ratelimit_prefix}}",
                    )
                ],
            ),
        ],
        "Shared answers": [
            Panel(
                title="by what the cache said",
                unit="reqps",
                queries=[(f"sum by (event_type) (rate(envoy_cache_event{RANGE}))", "{{event_type}}")],
            ),
            Panel(
                title="served without asking the warehouse",
                unit="percentunit",
                queries=[
                    (
                        (
                            f'sum(rate(envoy_cache_event{{event_type="hit"}}{RANGE}))'
                            f' / sum(rate(envoy_cache_event{{event_type=~"hit|miss|validate|uncacheable"}}{RANGE}))'
                        ),
                        "share",
                    )
                ],
            ),
        ],
        "Warehouses": [
            Panel(
                title="requests",
                unit="reqps",
                queries=[
                    (
                        f"sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_total{{{_WAREHOUSES}}}{RANGE}))",
                        _WAREHOUSE_LEGEND,
                    )
                ],
            ),
            Panel(
                title="errors",
                unit="reqps",
                queries=[
                    (
                        (
                            "sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_rq_xx"
                            f'{{{_WAREHOUSES},envoy_response_code_class="5"}}{RANGE}))'
                        ),
                        _WAREHOUSE_LEGEND,
                    )
                ],
            ),
            Panel(
                title="time of an answer",
                unit="ms",
                queries=[
                    (
                        (
                            "histogram_quantile(0.99, sum by (le, envoy_cluster_name)"
                            f" (rate(envoy_cluster_upstream_rq_time_bucket{{{_WAREHOUSES}}}{RANGE})))"
                        ),
                        f"p99 {_WAREHOUSE_LEGEND}",
                    )
                ],
            ),
            Panel(
                title="connections that failed",
                unit="reqps",
                queries=[
                    (
                        (
                            "sum by (envoy_cluster_name)"
                            f" (rate(envoy_cluster_upstream_cx_connect_fail{{{_WAREHOUSES}}}{RANGE}))"
                        ),
                        _WAREHOUSE_LEGEND,
                    )
                ],
            ),
        ],
    },
)
