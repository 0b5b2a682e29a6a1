"""Which warehouse a request belongs to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from authz.errors import Denied, Reason
from authz.policy.policyset import Route, Warehouse
from authz.request import AccessRequest

ANY_HOST = ""
"""Stands for every host in a route's place."""


@dataclass(frozen=True, slots=True)
class RouteConflict:
    """Two warehouses that claim the same requests. `host` is empty for every host."""

    warehouse: str
    other: str
    method: str
    host: str
    pattern: str

    @property
    def message(self) -> str:
        where = f"{self.host}{self.pattern}" if self.host else self.pattern
        return f"warehouses `{self.other}` and `{self.warehouse}` both claim {self.method} {where}"


_Methods = dict[str, Warehouse]


@dataclass(slots=True)
class _Site:
    """The routes of one host: whole paths, and prefixes with or without their trailing slash."""

    paths: dict[str, _Methods] = field(default_factory=dict)
    prefixes: dict[str, _Methods] = field(default_factory=dict)
    longest: int = 0

    def methods_for(self, path: str) -> _Methods | None:
        """The most specific route: the whole path, else the longest prefix that ends where a segment ends."""
        methods = self.paths.get(path) or self.prefixes.get(path)
        # A longer part of the path than the longest prefix is no prefix: what a hostile path of thousands of
        # segments costs is bounded by the policy.
        end = path.rfind("/", 0, self.longest + 1)
        while methods is None and end >= 0:
            methods = self.prefixes.get(path[: end + 1]) or self.prefixes.get(path[:end])
            end = path.rfind("/", 0, end)
        return methods


class RouteTable:
    """The routes of all warehouses, built once for each policy.

    A route that names the request's host beats every route that does not; then the whole path beats a prefix,
    and a longer prefix beats a shorter one. Prefixes match whole segments: `/api` is `/api`, `/api/` and
    `/api/x`, `/api/` is all of these but the first, and neither is `/apiary`. The most specific route decides
    alone: if it does not take the method, no wider one is asked.
    """

    __slots__ = ("_everywhere", "_sites")

    def __init__(self, warehouses: Iterable[Warehouse]) -> None:
        """Raises `ValueError` for the first of `route_conflicts(warehouses)`."""
        sites, conflicts = _sites(warehouses)
        if conflicts:
            raise ValueError(conflicts[0].message)
        self._everywhere = sites.pop(ANY_HOST, _Site())
        self._sites: Mapping[str, _Site] = sites

    def find(self, request: AccessRequest) -> Warehouse:
        """The warehouse of a request.

        Raises `Denied`: `route_unknown` if no route matches, `method_denied` if the route that matches does
        not take the method (OPTIONS like any other), `route_mismatch` if the PEP would connect elsewhere.
        """
        methods = None
        site = self._sites.get(request.host)
        if site is not None:
            methods = site.methods_for(request.path)
        if methods is None:
            methods = self._everywhere.methods_for(request.path)
        if methods is None:
            raise Denied(Reason.ROUTE_UNKNOWN, "no warehouse has a route for this host and path")
        warehouse = methods.get(request.method)
        if warehouse is None:
            names = ", ".join(sorted({known.name for known in methods.values()}))
            raise Denied(
                Reason.METHOD_DENIED,
                f"the route of {names} takes {', '.join(sorted(methods))} here, and no other",
            )
        if request.warehouse_hint is not None and request.warehouse_hint != warehouse.name:
            # Another warehouse would be asked with this one's scope: the PEP has another policy than we have.
            raise Denied(
                Reason.ROUTE_MISMATCH,
                f"the policy routes this to `{warehouse.name}`, the proxy to `{request.warehouse_hint}`",
            )
        return warehouse


def route_conflicts(warehouses: Iterable[Warehouse]) -> tuple[RouteConflict, ...]:
    """Every pair of routes that claim the same requests for two warehouses."""
    return tuple(_sites(warehouses)[1])


def _sites(warehouses: Iterable[Warehouse]) -> tuple[dict[str, _Site], list[RouteConflict]]:
    sites: dict[str, _Site] = {}
    conflicts: list[RouteConflict] = []
    for warehouse in warehouses:
        for route, host, method in _parts(warehouse):
            site = sites.setdefault(host, _Site())
            pattern = route.path if route.path is not None else route.prefix or "/"
            table = site.prefixes if route.path is None else site.paths
            known = table.setdefault(pattern, {}).setdefault(method, warehouse)
            if route.path is None:
                site.longest = max(site.longest, len(pattern))
            if known is not warehouse:
                conflicts.append(RouteConflict(warehouse.name, known.name, method, host, pattern))
    return sites, conflicts


def _parts(warehouse: Warehouse) -> Iterator[tuple[Route, str, str]]:
    for route in warehouse.routes:
        for host in sorted(route.hosts) or (ANY_HOST,):
            for method in sorted(route.methods):
                yield route, host, method
