"""What a deployment adds: the operators' listener, limits for all Envoys together, and the order to drain."""

from typing import Any

import pytest
import yaml

from authz.edge.bootstrap import build_bootstrap
from authz.edge.deployment import PLAIN, Deployment
from authz.edge.globallimits import service_configuration
from authz.edge.messages import EdgeError, to_dict
from authz.policy.policyset import RateLimit
from tests.edge_policies import edge_policy, edge_settings, edge_warehouse

LIMITED = edge_warehouse("sales", per_principal=RateLimit(requests=120, seconds=60))


def built(deployment: Deployment, *warehouses: Any, **edge: Any) -> dict[str, Any]:
    policy = edge_policy(warehouses or [LIMITED], edge_settings(**edge))
    return to_dict(build_bootstrap(policy, None, deployment))


def clusters(configuration: dict[str, Any]) -> set[str]:
    return {cluster["name"] for cluster in configuration["static_resources"]["clusters"]}


def http_filters(configuration: dict[str, Any]) -> list[str]:
    manager = configuration["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
    return [entry["name"] for entry in manager["typed_config"]["http_filters"]]


def test_without_a_deployment_nothing_is_added() -> None:
    """No second listener, no way to the admin interface, no limit service."""
    configuration = built(PLAIN)

    assert [entry["name"] for entry in configuration["static_resources"]["listeners"]] == ["edge"]
    assert clusters(configuration) == {"scopegate", "warehouse.sales"}
    assert "envoy.filters.http.ratelimit" not in http_filters(configuration)


@pytest.mark.parametrize(
    ("deployment", "message"),
    [
        (Deployment(http="9901"), "http: got `9901`"),
        (
            Deployment(http="unix:/run/metrics.sock"),
            "http: got `unix:/run/metrics.sock`, expected `host:port`",
        ),
        (Deployment(limit_service="unix:/run/limits.sock"), "limit-service: got `unix:/run/limits.sock`"),
        (Deployment(limit_service="ratelimit"), "limit-service: got `ratelimit`"),
    ],
)
def test_addresses_that_cannot_be_are_refused(deployment: Deployment, message: str) -> None:
    """The option comes first."""
    with pytest.raises(EdgeError, match="^" + message):
        built(deployment)


def test_operators_ask_by_three_paths_and_only_read() -> None:
    """Nothing but GET of exactly these; everything else of the admin interface stays on its socket."""
    listener = built(Deployment(http="0.0.0.0:9901"))["static_resources"]["listeners"][1]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    (host,) = manager["route_config"]["virtual_hosts"]

    asked_by_get = {"name": ":method", "string_match": {"exact": "GET"}}

    assert {entry["match"]["path"] for entry in host["routes"]} == {"/metrics", "/healthz"}
    for entry in host["routes"]:
        assert entry["match"]["headers"] == [asked_by_get]
    ready = manager["http_filters"][0]["typed_config"]
    assert ready["headers"] == [{"name": ":path", "string_match": {"exact": "/readyz"}}, asked_by_get]
    assert ready["pass_through_mode"] is False
    assert list(ready["cluster_min_healthy_percentages"]) == ["scopegate"]
    assert listener["ignore_global_conn_limit"] is True


def test_the_order_to_drain_is_taken_on_a_socket_only() -> None:
    """Its mode says who may give it; a loopback address says nothing."""
    tcp = built(PLAIN, admin="127.0.0.1:9901")["admin"]["allow_paths"]
    socket = built(PLAIN)["admin"]["allow_paths"]

    assert {"prefix": "/healthcheck/fail"} not in tcp
    assert {"prefix": "/healthcheck/fail"} in socket


def test_the_limit_of_all_envoys_stands_behind_each_ones_own() -> None:
    """So the service's absence leaves a limit, and it is asked only about what this Envoy would let pass."""
    names = http_filters(built(Deployment(limit_service="limits:8081")))
    place = names.index("envoy.filters.http.ratelimit")

    assert names[place - 1] == "envoy.filters.http.local_ratelimit.principal"
    assert names.index("envoy.filters.http.rbac.guard") < place


def test_without_a_limit_in_the_policy_no_service_is_asked() -> None:
    """The neighbour: a deployment may have the service, and a policy nothing for it to count."""
    names = http_filters(built(Deployment(limit_service="limits:8081"), edge_warehouse("sales")))

    assert "envoy.filters.http.ratelimit" not in names


def test_the_service_counts_what_the_policy_says() -> None:
    """One figure, two configurations: warehouse, then principal."""
    hourly = edge_warehouse("ledger", per_principal=RateLimit(requests=7, seconds=3_600))
    policy = edge_policy([LIMITED, hourly, edge_warehouse("free")], edge_settings())

    assert yaml.safe_load(service_configuration(policy)) == {
        "domain": "scopegate",
        "descriptors": [
            {
                "key": "warehouse",
                "value": name,
                "descriptors": [
                    {"key": "principal", "rate_limit": {"unit": unit, "requests_per_unit": requests}}
                ],
            }
            for name, unit, requests in [("ledger", "hour", 7), ("sales", "minute", 120)]
        ],
    }


def test_a_period_that_the_service_does_not_know_is_an_error() -> None:
    """It has no word for it, and another figure would be another limit."""
    policy = edge_policy(
        [edge_warehouse("sales", per_principal=RateLimit(requests=7, seconds=90))], edge_settings()
    )
    with pytest.raises(EdgeError, match=r"^warehouses.sales.limits.per_principal: got 90 s"):
        service_configuration(policy)
