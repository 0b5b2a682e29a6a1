"""The real Envoy and a `scopegate serve` worker that takes tokens of every preset, in every place."""

import base64
import contextlib
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from authz.config.load import load_policy
from authz.edge.render import render_envoy
from tests.edge_client import Headers, Reply, ask, client_context
from tests.edge_counterparts import Seen, Warehouse
from tests.envoy_process import (
    EnvoyProcess,
    ScopegateProcess,
    present_authority,
    server_leaf,
    short_directory,
    wait_until,
    write_leaf,
)
from tests.ports import free_port
from tests.preset_tokens import Specimen, specimens

HEADER, COOKIE = "x-database-token", "__Host-token"
PLACES: dict[str, list[Any] | None] = {
    "presets": None,
    "bearer": ["bearer"],
    "basic": ["basic"],
    "mail": [{"basic": "email"}],
    "header": [{"header": "X-Database-Token"}],
    "cookie": [{"cookie": COOKIE}],
    "every": ["bearer", "basic", {"header": HEADER}, {"cookie": COOKIE}],
}
"""Warehouse to its `credentials`."""


def specimen_of_each_preset() -> dict[str, Specimen]:
    """The first specimen of each preset: two issuers of one name cannot be configured together."""
    found: dict[str, Specimen] = {}
    for each in specimens().values():
        found.setdefault(each.preset, each)
    return found


def basic(user: str, token: str) -> tuple[str, str]:
    return "authorization", "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode("ascii")


@dataclass(frozen=True, slots=True)
class IdentitySystem:
    directory: Path
    context: ssl.SSLContext
    warehouse: Warehouse
    envoy: EnvoyProcess

    def ask(self, target: str, *headers: tuple[str, str], **request: Any) -> Reply:
        return ask(self.envoy.port, self.context, target, headers=headers, **request)

    def reached(self, target: str, *headers: tuple[str, str], **request: Any) -> Seen:
        """One allowed request: what reached the warehouse."""
        self.warehouse.reset()
        reply = self.ask(target, *headers, **request)
        assert reply.status == 200, reply
        (seen,) = self.warehouse.take()
        return seen

    def refused(self, target: str, *headers: tuple[str, str], **request: Any) -> str:
        """One denied request: its reason; the warehouse has not been asked."""
        self.warehouse.reset()
        reply = self.ask(target, *headers, **request)
        assert reply.status >= 400, reply
        assert self.warehouse.take() == []
        return str(reply.json()["reason"])

    def reload(self) -> None:
        """Another policy, of the same meaning, is in force."""
        policy = self.directory / "scopegate.yaml"
        text = json.loads(policy.read_text())
        text["grants"][0]["id"] = "all-again"
        other = policy.with_suffix(".new")
        other.write_text(json.dumps(text))
        other.rename(policy)
        wait_until(lambda: "policy_reloaded" in self.written(), "the policy is reloaded")

    def written(self) -> str:
        """All that Scopegate and Envoy have written."""
        files = [path for path in self.directory.iterdir() if path.suffix in {".log", ".jsonl"}]
        return "\n".join([*(path.read_text(errors="replace") for path in files), self.envoy.log_text()])


def token_headers(each: Specimen, token: str) -> Headers:
    """The token where its preset puts it."""
    if each.place is not None:
        return [(each.place["header"], token)]
    return [("authorization", f"Bearer {token}")]


def now() -> float:
    return time.time()


@contextlib.contextmanager
def identity_system() -> Iterator[IdentitySystem]:
    """Everything started and healthy, and ended again."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        warehouse = stack.enter_context(Warehouse())
        servers = present_authority("Servers CA")
        (directory / "ca.pem").write_bytes(servers.pem)
        write_leaf(directory, "server", server_leaf(servers))
        policy = directory / "scopegate.yaml"
        policy.write_text(json.dumps(_policy(directory, f"http://127.0.0.1:{warehouse.port}")))
        worker = stack.enter_context(
            ScopegateProcess(
                [
                    "serve",
                    f"--policy={policy}",
                    f"--listen=unix:{directory}/worker.sock",
                    f"--http=127.0.0.1:{free_port()}",
                    f"--audit={directory}/audit.jsonl",
                    "--drain-notice-seconds=0",
                ],
                directory,
                "worker",
            )
        )
        loaded = load_policy(policy)
        configuration = render_envoy(loaded, replace(loaded.edge, listen="127.0.0.1:0"))
        envoy = stack.enter_context(EnvoyProcess(configuration, directory, directory / "admin.sock"))
        wait_until(
            lambda: worker.running() and envoy.stat("cluster.scopegate.membership_healthy") == 1,
            "the worker is healthy",
        )
        yield IdentitySystem(directory, client_context(directory / "ca.pem"), warehouse, envoy)


def _policy(directory: Path, upstream: str) -> dict[str, Any]:
    issuers = {}
    for name, each in specimen_of_each_preset().items():
        each.write_keys(directory / name)
        issuers[name] = each.issuer(str(directory / name))
    return {
        "version": 1,
        "edge": {
            "public_url": "https://edge.example",
            "certificate": f"{directory}/server.crt",
            "private_key": f"{directory}/server.key",
            "scopegate": [f"unix:{directory}/worker.sock"],
            "admin": f"unix:{directory}/admin.sock",
            "per_address": "100000/s",
            "check_timeout": "2s",
        },
        "issuers": issuers,
        "dimensions": {"region": {"type": "string"}},
        "warehouses": {
            name: {
                "routes": [{"prefix": f"/{name}/"}],
                "upstream": upstream,
                "columns": {"region": "region"},
                **({} if places is None else {"credentials": places}),
            }
            for name, places in PLACES.items()
        },
        "grants": [{"id": "all", "to": {"issuers": [*issuers]}, "on": "all", "scope": {"region": "all"}}],
    }
