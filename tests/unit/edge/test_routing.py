"""Envoy's choice of a route is the policy's."""

import itertools
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from authz.edge.messages import to_dict
from authz.edge.routing import route_configuration
from authz.errors import Denied
from authz.policy.policyset import PolicySet, RateLimit, Route, Warehouse
from authz.policy.routes import route_conflicts
from authz.request import AccessRequest
from tests.edge_policies import edge_policy, edge_warehouse

HOSTS = ("a.example", "b.example", "c.example")
METHODS = ("GET", "POST", "PUT")


def chosen(configuration: dict[str, Any], host: str, path: str, method: str) -> str | None:
    """The warehouse of the first route that matches, by Envoy's rules; None if it leads nowhere."""
    hosts = {domain: virtual for virtual in configuration["virtual_hosts"] for domain in virtual["domains"]}
    for route in hosts.get(host, hosts["*"])["routes"]:
        if matches(route["match"], path, method):
            cluster = route.get("route", {}).get("cluster")
            return None if cluster is None else cluster.removeprefix("warehouse.")
    return None


def matches(match: dict[str, Any], path: str, method: str) -> bool:
    """https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routematch"""
    for header in match.get("headers", ()):
        if not re.fullmatch(header["string_match"]["safe_regex"]["regex"], method):
            return False
    if "path" in match:
        return bool(path == match["path"])
    if "prefix" in match:
        return bool(path.startswith(match["prefix"]))
    separated = match["path_separated_prefix"]
    return bool(path == separated or path.startswith(separated + "/"))


def expected(policy: PolicySet, host: str, path: str, method: str) -> str | None:
    """What the policy says; None if it denies."""
    request = AccessRequest(method=method, host=host, path=path)
    try:
        return policy.routes.find(request).name
    except Denied:
        return None


PATHS = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3).map(lambda parts: "/" + "/".join(parts))
ROUTES = st.builds(
    lambda path, slash, whole, hosts, methods: Route(
        path=path if whole else None,
        prefix=None if whole else path.rstrip("/") + "/" if slash else path,
        hosts=hosts,
        methods=methods,
    ),
    PATHS,
    st.booleans(),
    st.booleans(),
    st.frozensets(st.sampled_from(HOSTS[:2]), max_size=2),
    st.frozensets(st.sampled_from(METHODS), min_size=1),
)
WAREHOUSES = (
    st.lists(st.lists(ROUTES, min_size=1, max_size=3), min_size=1, max_size=3)
    .map(lambda found: [edge_warehouse(f"w{number}", *routes) for number, routes in enumerate(found)])
    .filter(lambda warehouses: not route_conflicts(warehouses))
)


TARGETS = [
    "/" + "/".join(parts) + slash
    for size in range(4)
    for parts in itertools.product(["a", "b", "ab"], repeat=size)
    for slash in (("", "/") if size else ("",))
]


@settings(
    deadline=None, max_examples=10
)  # building messages is slow, choosing is not: few policies, all requests
@given(WAREHOUSES)
def test_envoy_connects_where_scopegate_decides(warehouses: list[Warehouse]) -> None:
    """For every allowed request the two agree; where the policy refuses a method, Envoy may still ask."""
    configuration = to_dict(
        route_configuration(edge_policy(warehouses), {}, RateLimit(requests=200, seconds=1))
    )
    policy = edge_policy(warehouses)
    for host, target in itertools.product(HOSTS, TARGETS):
        wanted = {method: expected(policy, host, target, method) for method in METHODS}
        for method, warehouse in wanted.items():
            if warehouse is not None or not any(wanted.values()):
                assert chosen(configuration, host, target, method) == warehouse


def routes_by_name(*warehouses: Warehouse) -> dict[str, dict[str, Any]]:
    configuration = to_dict(
        route_configuration(edge_policy(warehouses), {"/doc": "{}"}, RateLimit(requests=200, seconds=1))
    )
    return {route["name"]: route for route in configuration["virtual_hosts"][-1]["routes"]}


def test_only_envoys_own_answers_are_not_asked_about() -> None:
    """Every other route keeps the check and the guard."""
    routes = routes_by_name(edge_warehouse("sales", ttl=60), edge_warehouse("free"))

    off = {
        name
        for name, route in routes.items()
        if any(setting.get("disabled") for setting in route.get("typed_per_filter_config", {}).values())
    }
    assert off == {"edge /healthz", "edge /doc"}
    assert all("direct_response" in routes[name] for name in off)


def test_the_cache_is_on_where_the_policy_says_and_nowhere_else() -> None:
    """It is off by default, so a route has to switch it on."""
    routes = routes_by_name(edge_warehouse("sales", ttl=60), edge_warehouse("free"))

    cached = {
        name
        for name, route in routes.items()
        if "envoy.filters.http.cache_v2" in route.get("typed_per_filter_config", {})
    }
    assert cached == {"sales /sales/"}
