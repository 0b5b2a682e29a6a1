"""The whole path through one Envoy worker: a request comes in, is authorized, is answered.

The answer is a static one of Envoy's own router, so that what is compared is authorization and nothing else: Envoy
alone, Envoy's own `jwt_authn` filter (with and without its cache), and Envoy with ext_authz asking each target.
"""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from authz.edge.binary import find_envoy
from bench import generators
from bench.generators import LoadFailed
from bench.processes import Group, wait_for
from bench.targets import Running
from tests.ports import free_port
from tests.tokens import AUDIENCE, ISSUER

PATH: Final = "/api/sales?region=EU"
_TYPE: Final = "type.googleapis.com/envoy"
_EXT_AUTHZ: Final = "envoy.filters.http.ext_authz"
_JWT_AUTHN: Final = "envoy.filters.http.jwt_authn"
CONNECTIONS: Final = 4
MANY: Final = 1_000_000


def ext_authz(address: str, *, raw_headers: bool) -> dict[str, Any]:
    """The filter, its cluster and what it is told of the route."""
    path = address.removeprefix("unix:")
    cluster = {
        "name": "authz",
        "type": "STATIC",
        "connect_timeout": "1s",
        # An open loop that a busy machine holds up for a second has more in flight than the default lets through.
        "circuit_breakers": {"thresholds": [{"max_requests": MANY, "max_pending_requests": MANY}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
                # As `scopegate envoy render` writes it.
                "explicit_http_config": {"http2_protocol_options": {"max_concurrent_streams": 100}},
            }
        },
        "load_assignment": {
            "cluster_name": "authz",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": path}}}}]}],
        },
    }
    config = {
        "@type": f"{_TYPE}.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": "authz"}, "timeout": "30s"},
        # Not 403: what could not be asked is to be told from what was refused.
        "status_on_error": {"code": "ServiceUnavailable"},
        "encode_raw_headers": raw_headers,
    }
    route = {
        _EXT_AUTHZ: {
            "@type": f"{_TYPE}.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
            "check_settings": {"context_extensions": {"warehouse": "sales"}},
        }
    }
    return {"filter": {"name": _EXT_AUTHZ, "typed_config": config}, "cluster": cluster, "route": route}


def jwt_authn(jwks: Path, *, cached: bool) -> dict[str, Any]:
    """Envoy's own verification of tokens: no groups, no policy, no rewrites."""
    provider: dict[str, Any] = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": {"inline_string": jwks.read_text()},
        **({"jwt_cache_config": {"jwt_cache_size": 1_000}} if cached else {}),
    }
    config = {
        "@type": f"{_TYPE}.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"okta": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "okta"}}],
    }
    return {"filter": {"name": _JWT_AUTHN, "typed_config": config}}


def configuration(port: int, admin: int, part: Mapping[str, Any]) -> dict[str, Any]:
    """Envoy's whole configuration."""
    route = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": "rows"}},
        "typed_per_filter_config": part.get("route", {}),
    }
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_TYPE}.extensions.filters.http.router.v3.Router"},
    }
    manager = {
        "@type": f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [*([part["filter"]] if "filter" in part else []), router],
    }
    listener = {
        "name": "edge",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "static_resources": {
            "listeners": [listener],
            "clusters": [part["cluster"]] if "cluster" in part else [],
        },
    }


class Edge:
    """One Envoy with one worker, started by the command `before`, if there is one."""

    def __init__(
        self, directory: Path, name: str, part: Mapping[str, Any], *, before: Sequence[str] = ()
    ) -> None:
        self._port, self._admin = free_port(), free_port()
        self.address = f"127.0.0.1:{self._port}"
        path = directory / f"envoy-{name}.json"
        path.write_text(json.dumps(configuration(self._port, self._admin, part)))
        self._command = [
            *before,
            *(str(find_envoy()), "-c", str(path), "--use-dynamic-base-id"),
            *("--concurrency", "1", "--log-level", "error"),
        ]
        self._log = directory / f"envoy-{name}.log"
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        self.group = self._exits.enter_context(Group(self._command, self._log))
        try:
            wait_for(self._ready, self.group, "Envoy is ready")
        except BaseException:
            self._exits.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def part_of(running: Running) -> dict[str, Any]:
    """What makes Envoy ask this target."""
    return ext_authz(running.address, raw_headers=not running.target.by_map)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What is sent through Envoy: files with one token each, how long, and at which fixed rate."""

    load: Path
    good: Path
    forged: Path
    seconds: float
    rate: float

    def through(self, edge: Edge, *, decides: bool = True) -> dict[str, Any]:
        """Throughput at saturation, latency at the rate, Envoy's CPU for one request in microseconds.

        Raises `LoadFailed` if one is not let through, or if a forged token is although somebody `decides`.
        """
        if decides:
            heard = generators.http_loop(self.load, edge.address, PATH, self.forged, seconds=5, count=20)
            if heard.denied != heard.answers or heard.failed:
                raise LoadFailed(
                    f"through Envoy: {heard.allowed} of 20 forged tokens let in, {heard.failed} failed"
                )
        generators.http_loop(self.load, edge.address, PATH, self.good, seconds=min(0.5, self.seconds))
        before = edge.group.cpu_seconds()
        full = self._all_let_through(edge, connections=CONNECTIONS)
        cpu = (edge.group.cpu_seconds() - before) / full.answers * 1e6
        timed = self._all_let_through(edge, rate=self.rate)
        return {"per_second": full.per_second, "envoy_cpu": cpu, "milliseconds": timed.milliseconds}

    def _all_let_through(self, edge: Edge, **more: object) -> generators.Heard:
        heard = generators.http_loop(self.load, edge.address, PATH, self.good, seconds=self.seconds, **more)
        if heard.denied or heard.failed:
            raise LoadFailed(
                f"through Envoy: {heard.denied} denied, {heard.failed} failed of {heard.answers}"
            )
        return heard
