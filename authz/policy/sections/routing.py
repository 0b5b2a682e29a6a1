"""Routes of warehouses, written as the requests will be read."""

from collections.abc import Iterable
from typing import Any

from authz.errors import Denied
from authz.policy.document import RoutePart
from authz.policy.policyset import Route, Warehouse
from authz.policy.report import Path, path_text
from authz.policy.routes import route_conflicts
from authz.policy.sections.context import Context, is_broken
from authz.request import checked_method, normal_host, split_target

_REFUSED_METHODS = {
    "CONNECT": "it would open a tunnel past every later decision",
    "TRACE": "it would send headers that Scopegate set back to the client",
}


def build_routes(context: Context, path: Path, parts: Any) -> tuple[Route, ...]:
    """The routes at `path`; those with a problem are left out."""
    if is_broken(parts):
        return ()
    routes = (_route(context, (*path, number), part) for number, part in enumerate(parts))
    return tuple(route for route in routes if route is not None)


def _route(context: Context, path: Path, part: RoutePart) -> Route | None:
    before = len(context.report.problems)
    if (part.prefix is None) == (part.path is None):
        message = "neither `prefix` nor `path`" if part.prefix is None else "`prefix` and `path` in one route"
        context.report.add(
            "conflict", path, message, "write `{prefix: /…}` or `{path: /…}`; two routes, if you mean both"
        )
    for key, text in (("prefix", part.prefix), ("path", part.path)):
        if text is not None:
            _check_path(context, (*path, key), text, prefix=key == "prefix")
    hosts = [_host(context, (*path, "hosts", number), host) for number, host in enumerate(part.hosts or ())]
    for number, method in enumerate(part.methods):
        _check_method(context, (*path, "methods", number), method)
    if len(context.report.problems) != before:
        return None
    return Route(prefix=part.prefix, path=part.path, hosts=frozenset(hosts), methods=frozenset(part.methods))


def _check_path(context: Context, path: Path, text: str, *, prefix: bool) -> None:
    add = context.report.add
    if not text.startswith("/"):
        better = f"/{text.partition('*')[0]}"
        add("value", path, f"got `{text}`, expected a path that begins with `/`", f"write `{better}`")
        return
    if "?" in text:
        add("value", path, f"got `{text}`, expected a path without query", "a query never decides on a route")
        return
    if "*" in text:
        plain = text.partition("*")[0]
        add(
            "value",
            path,
            f"got `{text}`: there are no wildcards",
            f"write `prefix: {plain}`, it is everything below",
        )
        return
    try:
        split_target(text)
    except Denied as denied:
        add("value", path, f"got `{text}`, which no request can have: {denied.detail}")
        return
    if "%" in text:
        # Envoy and the policy compare undecoded: `/caf%C3%A9` and `/caf%c3%a9` are two prefixes of one place.
        add(
            "value",
            path,
            f"got `{text}`, expected a path without percent-encoding",
            "use a shorter prefix" if prefix else None,
        )


def _host(context: Context, path: Path, text: str) -> str:
    try:
        host = normal_host(text)
    except Denied as denied:
        hint = "hosts are exact; leave `hosts` out for every host" if "*" in text else None
        if "://" in text:
            hint = "write the host name alone"
        context.report.add("value", path, f"got `{text}`: {denied.detail}", hint)
        return ""
    if host != text.lower():
        context.report.add("value", path, f"got `{text}`, expected a host without port", f"write `{host}`")
    return host


def _check_method(context: Context, path: Path, method: str) -> None:
    try:
        checked_method(method)
    except Denied as denied:
        upper = method.upper()
        hint = f"write `{upper}`" if upper != method and upper.isalpha() and upper.isascii() else None
        context.report.add("value", path, f"got `{method}`: {denied.detail}", hint)
        return
    if method in _REFUSED_METHODS:
        context.report.add(
            "value", path, f"got `{method}`, which is never let through", _REFUSED_METHODS[method]
        )


def check_conflicts(context: Context, warehouses: Iterable[Warehouse]) -> None:
    """Two warehouses with the same route: which one is asked must not depend on their order."""
    known = {warehouse.name: warehouse for warehouse in warehouses}
    seen: set[tuple[str, str, str, str]] = set()
    for conflict in route_conflicts(known.values()):
        key = (conflict.warehouse, conflict.other, conflict.host, conflict.pattern)
        if key in seen:
            continue
        seen.add(key)
        path = _route_path(known[conflict.warehouse], conflict.pattern)
        other = context.report.place(_route_path(known[conflict.other], conflict.pattern))
        where = f"{conflict.host}{conflict.pattern}"
        context.report.add(
            "conflict",
            path,
            f"warehouse `{conflict.other}` claims `{where}` with {conflict.method}, too",
            f"{path_text(_route_path(known[conflict.other], conflict.pattern))} in {other.file}:{other.line}",
        )


def _route_path(warehouse: Warehouse, pattern: str) -> Path:
    number = next((n for n, route in enumerate(warehouse.routes) if pattern in {route.prefix, route.path}), 0)
    return ("warehouses", warehouse.name, "routes", number)
