"""The whole configuration as a message: what must be in it, and what cannot be rendered."""

from dataclasses import replace
from typing import Any

import pytest

from authz.edge.bootstrap import build_bootstrap
from authz.edge.messages import EdgeError, to_dict
from authz.policy.policyset import CacheRule, EdgeSettings, FilterForm, FilterRule, RateLimit, Warehouse
from authz.rendering.owned import OWNED_HEADERS, OWNED_PREFIXES, REMOVED_HEADERS
from tests.edge_policies import edge_policy, edge_settings, edge_warehouse


def built(*warehouses: Warehouse, edge: EdgeSettings | None = None) -> dict[str, Any]:
    return to_dict(build_bootstrap(edge_policy(warehouses or [edge_warehouse()], edge)))


def connection_manager(configuration: dict[str, Any]) -> dict[str, Any]:
    (listener,) = configuration["static_resources"]["listeners"]
    manager: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return manager


def filters(*warehouses: Warehouse, edge: EdgeSettings | None = None) -> dict[str, dict[str, Any]]:
    """The HTTP filters by name, in order."""
    return {
        entry["name"]: entry for entry in connection_manager(built(*warehouses, edge=edge))["http_filters"]
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"admin": "0.0.0.0:9901"},
            "edge.admin: got `0.0.0.0:9901`, expected a UNIX socket or a loopback address",
        ),
        ({"admin": "localhost:9901"}, "edge.admin: got `localhost:9901`"),
        ({"require_client_certificate": True}, "edge.client_ca: got nothing"),
        ({"scopegate": ()}, "edge.scopegate: got no address"),
        ({"scopegate": ("unix:/a", "scopegate:1")}, "edge.scopegate: got DNS names beside UNIX sockets"),
        ({"scopegate": ("unix:/a", "nonsense")}, r"edge.scopegate\[1\]: got `nonsense`"),
        ({"listen": "8443"}, "edge.listen: got `8443`"),
    ],
)
def test_settings_that_cannot_be_safe_are_errors(changes: dict[str, Any], message: str) -> None:
    """The setting comes first, then what was got and expected."""
    with pytest.raises(EdgeError, match="^" + message):
        built(edge=edge_settings(**changes))


def test_the_admin_interface_may_be_on_loopback() -> None:
    """The neighbour of the refused addresses."""
    assert built(edge=edge_settings(admin="127.0.0.1:9901"))["admin"]["address"] == {
        "socket_address": {"address": "127.0.0.1", "port_value": 9901}
    }


def test_the_order_of_the_filters() -> None:
    """The flood guard, the decision, its guard, the principal's limit, then shared answers."""
    limited = edge_warehouse("sales", ttl=60, per_principal=RateLimit(requests=1, seconds=1))

    assert list(filters(limited)) == [
        "envoy.filters.http.local_ratelimit.address",
        "envoy.filters.http.ext_authz",
        "envoy.filters.http.rbac.guard",
        "envoy.filters.http.local_ratelimit.principal",
        "envoy.filters.http.header_mutation.client",
        "envoy.filters.http.cache_v2",
        "envoy.filters.http.router",
    ]


def test_no_filter_stands_there_for_nothing() -> None:
    """Without limits and caches neither filter is loaded."""
    assert not {"envoy.filters.http.cache_v2", "envoy.filters.http.local_ratelimit.principal"} & set(
        filters()
    )


def test_the_check_fails_closed() -> None:
    """`failure_mode_allow` is false, Envoy's default, so it does not stand in the text."""
    check = filters(edge=edge_settings(check_timeout_seconds=0.2))["envoy.filters.http.ext_authz"][
        "typed_config"
    ]

    assert "failure_mode_allow" not in check
    assert "clear_route_cache" not in check
    assert check["status_on_error"] == {"code": "ServiceUnavailable"}
    assert check["grpc_service"]["timeout"] == "0.200s"
    assert check["validate_mutations"] is True
    assert check["encode_raw_headers"] is True
    assert check["decoder_header_mutation_rules"]["disallow_all"] is True
    assert check["decoder_header_mutation_rules"]["disallow_is_error"] is True


def test_the_path_may_be_set_only_for_warehouses_with_plain_parameters() -> None:
    """What nobody needs is not opened."""

    def expression(*warehouses: Warehouse) -> str:
        rules = filters(*warehouses)["envoy.filters.http.ext_authz"]["typed_config"][
            "decoder_header_mutation_rules"
        ]
        return str(rules["allow_expression"]["regex"])

    assert ":path" not in expression(edge_warehouse(ttl=60))
    assert expression(edge_warehouse(query={"region": "r"})).endswith("|^:path$")
    assert expression(edge_warehouse(filter=FilterRule(form=FilterForm.ODATA))).endswith("|^:path$")


def test_every_owned_header_is_removed_before_anything_sees_it() -> None:
    """One list says what is owned; credentials stay until the decision."""
    (early,) = connection_manager(built())["early_header_mutation_extensions"]
    mutations = early["typed_config"]["mutations"]
    prefixes = {m["remove_on_match"]["key_matcher"]["prefix"] for m in mutations if "remove_on_match" in m}
    names = {m["remove"] for m in mutations if "remove" in m}

    assert prefixes == set(OWNED_PREFIXES)
    assert names == {*OWNED_HEADERS, "x-forwarded-for"}
    assert set(REMOVED_HEADERS) - names == {
        "authorization",
        "cf-access-jwt-assertion",
        "proxy-authorization",
        "cookie",
        "x-forwarded-client-cert",
    }


def guard_of(warehouse: Warehouse) -> list[dict[str, Any]]:
    virtual_host = connection_manager(built(warehouse))["route_config"]["virtual_hosts"][0]
    route = next(r for r in virtual_host["routes"] if "route" in r)
    rules = route["typed_per_filter_config"]["envoy.filters.http.rbac.guard"]["rbac"]["rules"]
    found: list[dict[str, Any]] = rules["policies"]["decided"]["permissions"][0]["and_rules"]["rules"]
    return found


def test_the_guard_asks_for_a_partition_where_answers_are_shared() -> None:
    """And for the decision everywhere."""
    assert len(guard_of(edge_warehouse())) == 3
    assert "__scope" in str(guard_of(edge_warehouse(ttl=60))[3])


def test_a_key_of_a_warehouse_stands_in_no_configuration() -> None:
    """Envoy reads the file itself."""
    configuration = built(edge_warehouse(upstream_api_key_file="/etc/key"), edge_warehouse("other"))

    assert configuration["static_resources"]["secrets"] == [
        {"name": "api-key.sales", "generic_secret": {"secret": {"filename": "/etc/key"}}}
    ]
    injecting = [
        "credential_injector" in str(cluster) for cluster in configuration["static_resources"]["clusters"]
    ]
    assert injecting == [False, True, False]


@pytest.mark.parametrize(
    ("upstream", "kind", "sni"),
    [
        ("https://warehouse.example", "DNS", "warehouse.example"),
        ("https://10.0.0.1", "IP_ADDRESS", None),
    ],
)
def test_tls_upstreams_are_verified_by_name(upstream: str, kind: str, sni: str | None) -> None:
    """A CA file is always named: `system_root_certs` is accepted by Envoy 1.40 and verifies nothing."""
    context = built(edge_warehouse(upstream=upstream))["static_resources"]["clusters"][1]["transport_socket"][
        "typed_config"
    ]
    validation = context["common_tls_context"]["validation_context"]

    assert validation["trusted_ca"] == {"filename": "/etc/ssl/certs/ca-certificates.crt"}
    assert validation["match_typed_subject_alt_names"][0]["san_type"] == kind
    assert context.get("sni") == sni


def test_workers_by_name_are_resolved() -> None:
    """Containers have names, processes beside Envoy have sockets."""
    by_name = built(edge=edge_settings(scopegate=("scopegate-1:50051", "scopegate-2:50051")))
    cluster = by_name["static_resources"]["clusters"][0]

    assert (cluster["type"], len(cluster["load_assignment"]["endpoints"][0]["lb_endpoints"])) == (
        "STRICT_DNS",
        2,
    )
    assert built()["static_resources"]["clusters"][0]["type"] == "STATIC"


def test_a_worker_that_hangs_stays_out_until_health_checks_have_found_it() -> None:
    """An ejection that ended before would send checks to it once more, and each of them would be a 503."""
    scopegate = built()["static_resources"]["clusters"][0]
    (health,) = scopegate["health_checks"]
    found_after = health["unhealthy_threshold"] * (_seconds(health["interval"]) + _seconds(health["timeout"]))
    assert _seconds(scopegate["outlier_detection"]["base_ejection_time"]) > found_after


def test_the_listener_of_clients_has_a_limit_of_its_own() -> None:
    """The one over all listeners does not hold where one of them ignores it; it must not bite before."""
    configuration = built()
    (listener,) = configuration["static_resources"]["listeners"]
    (layer,) = configuration["layered_runtime"]["layers"]
    limits = layer["static_layer"]["envoy"]["resource_limits"]["listener"]
    over_all = configuration["overload_manager"]["resource_monitors"][1]["typed_config"]
    limit = limits[listener["name"]]["connection_limit"]
    assert 0 < limit < int(over_all["max_active_downstream_connections"])


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_the_access_log_has_no_query_and_no_header_with_secrets() -> None:
    """Only the path without its query."""
    (log,) = connection_manager(built())["access_log"]
    fields = log["typed_config"]["log_format"]["json_format"]

    assert [field for field in fields.values() if "PATH" in field] == ["%PATH(NQ)%"]
    assert {field for field in fields.values() if "REQ(" in field} == {
        "%REQ(X-REQUEST-ID)%",
        "%REQ(:METHOD)%",
        "%REQ(:AUTHORITY)%",
    }


@pytest.mark.parametrize("name", ['x"] = true}; os.exit() --', "Accept", "x_y", ""])
def test_only_a_header_name_gets_into_a_script(name: str) -> None:
    """The names of a policy stand in the text of a program."""
    rule = CacheRule(ttl_seconds=60, vary=(name,))

    with pytest.raises(EdgeError, match=r"cache\.vary"):
        built(replace(edge_warehouse(), cache=rule))
