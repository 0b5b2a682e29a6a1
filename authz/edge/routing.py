"""Routes that choose the same warehouse as Scopegate does (`authz.policy.routes`).

Longest match first, whole segments. Methods are left to Scopegate, so that a refused one is answered with a
reason. What no route matches is asked about, too, and has nowhere to go.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from betterproto2 import Message
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.google import protobuf

from authz.edge import authorization, headers, sharedcache
from authz.edge.messages import pack, seconds
from authz.edge.names import (
    CACHE,
    CLIENT_HEADERS,
    EXT_AUTHZ,
    GUARD,
    PRINCIPAL_LIMIT,
    warehouse_cluster,
)
from authz.edge.upstreams import MAX_STREAM_SECONDS
from authz.policy.policyset import PolicySet, Route, Warehouse

HEALTH_PATH = "/healthz"


class _Candidate(NamedTuple):
    route: Route
    warehouse: Warehouse

    @property
    def rank(self) -> tuple[int, bool, bool]:
        """Greater wins, as in `authz.policy.routes`."""
        path = self.route.path or self.route.prefix or ""
        return len(path), self.route.path is not None, bool(self.route.hosts)


def route_configuration(policy: PolicySet, own_answers: Mapping[str, str]) -> route.RouteConfiguration:
    """`own_answers` are JSON documents by path, public for everybody."""
    candidates = [
        _Candidate(entry, warehouse) for warehouse in policy.warehouses.values() for entry in warehouse.routes
    ]
    candidates.sort(key=lambda candidate: candidate.rank, reverse=True)
    limited = any(warehouse.per_principal for warehouse in policy.warehouses.values())
    own = [
        _own_answer(HEALTH_PATH, "ok\n", "text/plain", limited=limited),
        *(
            _own_answer(path, document, "application/json", limited=limited)
            for path, document in own_answers.items()
        ),
    ]
    hosts = sorted({host for candidate in candidates for host in candidate.route.hosts})

    def virtual_host(name: str, domain: str, chosen: Iterable[_Candidate]) -> route.VirtualHost:
        return route.VirtualHost(
            name=name,
            domains=[domain],
            routes=[*own, *(_warehouse_route(entry, limited=limited) for entry in chosen), _nowhere()],
        )

    return route.RouteConfiguration(
        name="edge",
        # Scopegate decides by the name without the port, too.
        ignore_port_in_host_matching=True,
        virtual_hosts=[
            *(
                virtual_host(
                    f"host.{host}",
                    host,
                    (c for c in candidates if not c.route.hosts or host in c.route.hosts),
                )
                for host in hosts
            ),
            virtual_host("any", "*", (c for c in candidates if not c.route.hosts)),
        ],
    )


def _warehouse_route(candidate: _Candidate, *, limited: bool) -> route.Route:
    warehouse = candidate.warehouse
    settings: dict[str, Message] = {
        EXT_AUTHZ: authorization.check_settings(warehouse),
        GUARD: authorization.guard_settings(warehouse),
    }
    if limited and warehouse.per_principal is None:
        settings[PRINCIPAL_LIMIT] = sharedcache.switched_off()
    if warehouse.cache is not None:
        settings[CLIENT_HEADERS] = headers.shared_answer_settings()
        settings[CACHE] = sharedcache.switched_on()
    return route.Route(
        name=f"{warehouse.name} {candidate.route.path or candidate.route.prefix}",
        match=_match(candidate.route),
        route=route.RouteAction(
            cluster=warehouse_cluster(warehouse.name), timeout=seconds(MAX_STREAM_SECONDS)
        ),
        typed_per_filter_config=_packed(settings),
    )


def _nowhere() -> route.Route:
    """What belongs to no warehouse. Without a route Envoy would not ask, and the denial would be in no audit trail."""
    return route.Route(
        name="nowhere",
        match=route.RouteMatch(prefix="/"),
        direct_response=route.DirectResponseAction(status=404),
    )


def _match(entry: Route) -> route.RouteMatch:
    if entry.path is not None:
        return route.RouteMatch(path=entry.path)
    prefix = entry.prefix or "/"
    if prefix.endswith("/"):
        return route.RouteMatch(prefix=prefix)
    return route.RouteMatch(path_separated_prefix=prefix)


def _own_answer(path: str, body: str, content_type: str, *, limited: bool) -> route.Route:
    """An answer that Envoy gives itself: nobody is asked, nothing is behind it."""
    settings: dict[str, Message] = {
        EXT_AUTHZ: authorization.no_check(),
        GUARD: sharedcache.switched_off(),
    }
    if limited:
        settings[PRINCIPAL_LIMIT] = sharedcache.switched_off()
    return route.Route(
        name=f"edge {path}",
        match=route.RouteMatch(path=path),
        direct_response=route.DirectResponseAction(status=200, body=core.DataSource(inline_string=body)),
        typed_per_filter_config=_packed(settings),
        response_headers_to_add=[
            core.HeaderValueOption(
                header=core.HeaderValue(key="content-type", value=content_type),
                append_action=core.HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
            )
        ],
    )


def _packed(settings: Mapping[str, Message]) -> dict[str, protobuf.Any]:
    return {name: pack(message) for name, message in settings.items()}
