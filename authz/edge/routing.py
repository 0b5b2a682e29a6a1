"""Routes that choose the same warehouse as `authz.policy.routes` does.

A route that names the host first, then whole paths, then the longest prefix of whole segments. Methods are left
to Scopegate, so that a refused one is answered with a reason; only where several warehouses share a pattern does
Envoy tell them apart by method, too. What no route matches is asked about as well, and has nowhere to go.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from betterproto2 import Message
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.type.matcher import v3 as matcher
from envoy_data_plane.google import protobuf

from authz.edge import authorization, headers, sharedcache
from authz.edge.messages import pack, seconds
from authz.edge.names import CACHE, CLIENT_HEADERS, EXT_AUTHZ, GUARD, PRINCIPAL_LIMIT, warehouse_cluster
from authz.edge.trino import trino_routes
from authz.edge.upstreams import MAX_STREAM_SECONDS
from authz.policy.policyset import PolicySet, RateLimit, Route, Warehouse
from authz.policy.tables import WarehouseKind

HEALTH_PATH = "/healthz"


class _Pattern(NamedTuple):
    """Where a route leads from. In descending order the first that matches decides."""

    names_host: bool
    whole_path: bool
    length: int
    text: str


_Methods = frozenset[str]
_Claims = Mapping[_Pattern, Mapping[str, _Methods]]
"""Warehouse names and their methods, by pattern."""


def route_configuration(
    policy: PolicySet, own_answers: Mapping[str, str], address: RateLimit
) -> route.RouteConfiguration:
    """`own_answers` are JSON documents by path, public for everybody; `address` is the limit of each address."""
    limited = any(warehouse.per_principal for warehouse in policy.warehouses.values())
    own = [
        _own_answer(HEALTH_PATH, "ok\n", "text/plain", limited=limited),
        *(_own_answer(path, text, "application/json", limited=limited) for path, text in own_answers.items()),
    ]

    def virtual_host(name: str, domain: str, host: str | None) -> route.VirtualHost:
        claims = _claims(policy.warehouses.values(), host)
        routes = (
            made
            for pattern in sorted(claims, reverse=True)
            for made in _routes(pattern, claims[pattern], policy.warehouses, address, limited=limited)
        )
        return route.VirtualHost(name=name, domains=[domain], routes=[*own, *routes, _nowhere("nowhere")])

    hosts = {
        host for warehouse in policy.warehouses.values() for entry in warehouse.routes for host in entry.hosts
    }
    return route.RouteConfiguration(
        name="edge",
        # Scopegate decides by the name without the port, too.
        ignore_port_in_host_matching=True,
        virtual_hosts=[
            *(virtual_host(f"host.{host}", host, host) for host in sorted(hosts)),
            virtual_host("any", "*", None),
        ],
    )


def _claims(warehouses: Iterable[Warehouse], host: str | None) -> _Claims:
    """What the warehouses claim of the requests for `host`; None is every host that no route names."""
    claims: dict[_Pattern, dict[str, _Methods]] = {}
    for warehouse in warehouses:
        for entry in warehouse.routes:
            if entry.hosts and host not in entry.hosts:
                continue
            of_pattern = claims.setdefault(_pattern(entry), {})
            of_pattern[warehouse.name] = of_pattern.get(warehouse.name, frozenset()) | entry.methods
    return claims


def _pattern(entry: Route) -> _Pattern:
    text = entry.path if entry.path is not None else entry.prefix or "/"
    return _Pattern(bool(entry.hosts), entry.path is not None, len(text), text)


def _routes(
    pattern: _Pattern,
    methods: Mapping[str, _Methods],
    warehouses: Mapping[str, Warehouse],
    address: RateLimit,
    *,
    limited: bool,
) -> Iterator[route.Route]:
    shared = len(methods) > 1
    for name in sorted(methods):
        if warehouses[name].kind is WarehouseKind.TRINO:
            settings = _settings(warehouses[name], limited=limited)
            yield from trino_routes(name, settings, address, limited=limited)
            yield _nowhere(f"nowhere {pattern.text}", _match(pattern))
            continue
        match = _match(pattern)
        if shared:
            match.headers = [_one_of_methods(methods[name])]
        yield route.Route(
            name=f"{name} {pattern.text}",
            match=match,
            route=route.RouteAction(cluster=warehouse_cluster(name), timeout=seconds(MAX_STREAM_SECONDS)),
            typed_per_filter_config=_packed(_settings(warehouses[name], limited=limited)),
        )
    if shared:
        # A method that none of them takes must not fall to a wider pattern: Scopegate would not look there.
        yield _nowhere(f"nowhere {pattern.text}", _match(pattern))


def _settings(warehouse: Warehouse, *, limited: bool) -> dict[str, Message]:
    settings: dict[str, Message] = {
        EXT_AUTHZ: authorization.check_settings(warehouse),
        GUARD: authorization.guard_settings(warehouse),
    }
    if limited and warehouse.per_principal is None:
        settings[PRINCIPAL_LIMIT] = sharedcache.switched_off()
    if warehouse.cache is not None:
        settings[CLIENT_HEADERS] = headers.shared_answer_settings()
        settings[CACHE] = sharedcache.switched_on()
    return settings


def _match(pattern: _Pattern) -> route.RouteMatch:
    if pattern.whole_path:
        return route.RouteMatch(path=pattern.text)
    if pattern.text.endswith("/"):
        return route.RouteMatch(prefix=pattern.text)
    return route.RouteMatch(path_separated_prefix=pattern.text)


def _one_of_methods(methods: _Methods) -> route.HeaderMatcher:
    expression = "|".join(re.escape(method) for method in sorted(methods))
    return route.HeaderMatcher(
        name=":method",
        string_match=matcher.StringMatcher(safe_regex=matcher.RegexMatcher(regex=expression)),
    )


def _nowhere(name: str, match: route.RouteMatch | None = None) -> route.Route:
    """What belongs to no warehouse. Without a route Envoy would not ask, and the denial would be in no audit trail."""
    return route.Route(
        name=name,
        match=match or route.RouteMatch(prefix="/"),
        direct_response=route.DirectResponseAction(status=404),
        typed_per_filter_config=_packed({EXT_AUTHZ: authorization.without_body()}),
    )


def _own_answer(path: str, body: str, content_type: str, *, limited: bool) -> route.Route:
    """An answer that Envoy gives itself: nobody is asked, nothing is behind it."""
    settings: dict[str, Message] = {EXT_AUTHZ: authorization.no_check(), GUARD: sharedcache.switched_off()}
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
