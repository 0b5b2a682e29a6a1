"""Policies for tests of the edge, made by hand: it reads the warehouses and the `edge:` section, and no rule."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.issuer import Issuer, KeyLocation, KeyOrigin
from authz.policy.index import RuleIndex
from authz.policy.policyset import (
    CacheRule,
    EdgeSettings,
    Place,
    PolicySet,
    RateLimit,
    Route,
    Warehouse,
)
from authz.policy.routes import RouteTable

ISSUER = "https://issuer.example/oauth2/default"
_PLACE = Place("scopegate.yaml", 1, "warehouses")


def edge_settings(directory: Path | None = None, **changes: Any) -> EdgeSettings:
    """Settings for an Envoy with everything in `directory`; limits that no test meets by accident."""
    base = "/run/scopegate" if directory is None else str(directory)
    settings: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "certificate": f"{base}/server.crt",
        "private_key": f"{base}/server.key",
        "scopegate": (f"unix:{base}/scopegate.sock",),
        "admin": f"unix:{base}/admin.sock",
        "per_address": RateLimit(requests=100_000, seconds=1),
    }
    return EdgeSettings(**{**settings, **changes})


def edge_warehouse(
    name: str = "sales",
    *routes: Route,
    upstream: str = "http://127.0.0.1:9",
    ttl: int | None = None,
    per_principal: RateLimit | None = None,
    **changes: Any,
) -> Warehouse:
    """A warehouse with the prefix `/<name>/` unless told otherwise."""
    return Warehouse(
        name=name,
        routes=routes or (Route(prefix=f"/{name}/"),),
        upstream=upstream,
        columns={"region": "region"},
        labels={},
        accepts=AcceptedCredentials(
            authentication=Authentication.ANY, issuers=frozenset({"okta"}), trusts=frozenset()
        ),
        cache=None if ttl is None else CacheRule(ttl_seconds=ttl),
        per_principal=per_principal,
        place=_PLACE,
        **changes,
    )


def edge_policy(warehouses: Sequence[Warehouse], edge: EdgeSettings | None = None) -> PolicySet:
    keys = KeyLocation(origin=KeyOrigin.FILE, place="jwks.json")
    issuer = Issuer(name="okta", issuer=ISSUER, audiences=frozenset({"api://warehouse"}), keys=keys)
    return PolicySet(
        version="test",
        issuers={"okta": issuer},
        trusts={},
        dimensions={},
        warehouses={warehouse.name: warehouse for warehouse in warehouses},
        grants=(),
        restrictions=(),
        denies=(),
        edge=edge or edge_settings(),
        routes=RouteTable(warehouses),
        index=RuleIndex(),
    )
