"""A real Envoy between a client, a stub in Scopegate's place and a warehouse: for what Envoy itself must do."""

import contextlib
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authz.edge.deployment import PLAIN, Deployment
from authz.edge.render import render_envoy
from authz.edge.secrets import secret_files
from authz.policy import policyset
from tests.edge_client import Reply, ask, client_context
from tests.edge_counterparts import AuthzStub, Warehouse, allow
from tests.edge_policies import edge_policy, edge_settings
from tests.envoy_process import (
    EnvoyProcess,
    client_leaf,
    present_authority,
    server_leaf,
    short_directory,
    wait_until,
    write_leaf,
)
from tests.pki import Authority, uri

Warehouses = Callable[[str, Path], Sequence[policyset.Warehouse]]
"""The warehouses of a policy, from the URL of the upstream and the directory of the system."""


@dataclass(frozen=True, slots=True)
class StubbedEdge:
    directory: Path
    authority: Authority
    context: ssl.SSLContext
    warehouse: Warehouse
    stub: AuthzStub
    envoy: EnvoyProcess

    def ask(self, target: str, answer: bytes | None = None, **request: Any) -> Reply:
        """One request; `answer` is what Scopegate's stub says to it and to all after it."""
        if answer is not None:
            self.stub.answer = lambda _call: answer
        return ask(self.envoy.port, request.pop("context", self.context), target, **request)

    def reset(self) -> None:
        """As at the beginning: a warehouse without memory, a stub that allows the warehouse `sales`."""
        self.warehouse.reset()
        self.stub.calls = []
        self.stub.fail = None
        self.stub.answer = lambda _call: allow()

    def client(self, name: str, *identities: str, authority: Authority | None = None) -> ssl.SSLContext:
        """A context with a client certificate for these URIs."""
        leaf = client_leaf(authority or self.authority, *(uri(identity) for identity in identities))
        return client_context(self.directory / "ca.pem", certificate=write_leaf(self.directory, name, leaf))

    def client_of(self, name: str) -> ssl.SSLContext:
        """A fresh context with the certificate that `client` has written."""
        pair = (self.directory / f"{name}.crt", self.directory / f"{name}.key")
        return client_context(self.directory / "ca.pem", certificate=pair)

    @contextlib.contextmanager
    def without_scopegate(self) -> Iterator[None]:
        """Scopegate's stub is gone, then back and known to be healthy."""
        self.stub.stop()
        try:
            yield
        finally:
            self.stub.start()
            wait_until(
                lambda: self.envoy.stat("cluster.scopegate.membership_healthy") == 1,
                "Scopegate is healthy again",
            )


@contextlib.contextmanager
def stubbed_edge(
    warehouses: Warehouses,
    *,
    followed: bool = False,
    prepare: Callable[[Path], None] = lambda _: None,
    **edge: Any,
) -> Iterator[StubbedEdge]:
    """Everything started, and ended again. `edge` changes the settings of the edge; `{directory}` is filled in.

    `followed`: Envoy follows its certificates. `prepare` is called with the directory before anything starts.
    """
    with short_directory() as directory, Warehouse() as warehouse:
        authority = present_authority()
        (directory / "ca.pem").write_bytes(authority.pem)
        write_leaf(directory, "server", server_leaf(authority, "edge.example"))
        prepare(directory)
        filled = {
            key: value.replace("{directory}", str(directory)) if isinstance(value, str) else value
            for key, value in edge.items()
        }
        policy = edge_policy(
            warehouses(f"http://127.0.0.1:{warehouse.port}", directory), edge_settings(directory, **filled)
        )
        stub = AuthzStub(directory / "scopegate.sock", lambda _call: allow())
        deployment = Deployment(secrets=str(_write_secrets(directory, policy))) if followed else PLAIN
        configuration = render_envoy(policy, deployment=deployment)
        with stub, EnvoyProcess(configuration, directory, directory / "admin.sock") as envoy:
            context = client_context(directory / "ca.pem")
            yield StubbedEdge(directory, authority, context, warehouse, stub, envoy)


def _write_secrets(directory: Path, policy: policyset.PolicySet) -> Path:
    made = directory / "secrets"
    made.mkdir()
    for name, text in secret_files(policy.edge).items():
        (made / name).write_text(text)
    return made
