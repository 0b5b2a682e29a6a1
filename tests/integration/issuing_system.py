"""The real Envoy and two `scopegate serve` workers with keys and answers of a real issuer over HTTP."""

import contextlib
import http.client
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

from prometheus_client.parser import text_string_to_metric_families

from authz.config.load import load_policy
from authz.edge.render import render_envoy
from tests.edge_client import Reply, ask, client_context
from tests.edge_counterparts import Warehouse
from tests.envoy_process import (
    EnvoyProcess,
    ScopegateProcess,
    present_authority,
    server_leaf,
    short_directory,
    wait_until,
    write_leaf,
)
from tests.issuing_server import CLIENT_ID, CLIENT_SECRET, IssuingServer
from tests.ports import free_port
from tests.tokens import AUDIENCE

WORKERS = 2
INTROSPECTION = (
    f'{{url: "$url/introspect", client_id: "{CLIENT_ID}", client_secret_file: "$secret", cache: 2s}}'
)

_POLICY = """\
version: 1
edge:
  certificate: {directory}/server.crt
  private_key: {directory}/server.key
  scopegate: [{sockets}]
  admin: unix:{directory}/admin.sock
  per_address: 100000/s
  check_timeout: 2s
issuers:
{issuer}
dimensions:
  region: {{type: string}}
warehouses:
  sales: {{routes: [{{prefix: /api/}}], upstream: "{upstream}", columns: {{region: region}}}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: all, scope: {{region: [EU, UK]}}}}
"""


_ISSUER = """\
  corp:
    issuer: "$url"
    audiences: ["$audience"]
    groups_claim: groups
    allow_http: true
    allow_private_addresses: true
    $more
"""


@dataclass(frozen=True, slots=True)
class Gateway:
    directory: Path
    context: ssl.SSLContext
    envoy: EnvoyProcess
    metrics_ports: tuple[int, ...]

    def ask(self, token: str | None) -> Reply:
        """One request on a connection of its own."""
        headers = [] if token is None else [("authorization", f"Bearer {token}")]
        return ask(self.envoy.port, self.context, "/api/rows", headers=headers)

    def connection(self) -> http.client.HTTPSConnection:
        """A connection for many requests, one after the other."""
        return http.client.HTTPSConnection("127.0.0.1", self.envoy.port, context=self.context, timeout=15)

    def texts(self, path: str) -> list[str]:
        """What the operator's port of each worker says."""
        found = []
        for port in self.metrics_ports:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", path)
                found.append(connection.getresponse().read().decode())
        return found

    def text(self, path: str) -> str:
        """What the operator's port of each worker says, all in one."""
        return "\n".join(self.texts(path))

    def allowed(self) -> list[float]:
        """How many checks each worker has allowed."""
        return [
            sum(
                sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name == "scopegate_decisions_total" and sample.labels["outcome"] == "allow"
            )
            for text in self.texts("/metrics")
        ]

    def everything_written(self) -> str:
        """Every log, audit record and metric."""
        files = [path for path in self.directory.iterdir() if path.suffix in {".log", ".jsonl"}]
        return "\n".join([*(path.read_text(errors="replace") for path in files), self.text("/metrics")])


@dataclass(frozen=True, slots=True)
class IssuingSystem(Gateway):
    issuer: IssuingServer


def reason_of(reply: Reply) -> str:
    """The reason of a denial."""
    return str(reply.json()["reason"])


def send(connection: http.client.HTTPSConnection, token: str) -> tuple[int, bytes]:
    """One request of many on a connection."""
    connection.request("GET", "/api/rows", headers={"host": "localhost", "authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    return answer.status, answer.read()


@contextlib.contextmanager
def issuing_system(more: str = "refresh: 1h") -> Iterator[IssuingSystem]:
    """Everything started and healthy, and ended again. `more` is a line for the issuer, with `$url` and `$secret`."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        issuer = stack.enter_context(IssuingServer())
        secret = directory / "client-secret"
        secret.write_text(CLIENT_SECRET + "\n")
        secret.chmod(0o600)
        lines = Template(_ISSUER).substitute(url=issuer.url, audience=AUDIENCE, more=more)
        filled = Template(lines).substitute(url=issuer.url, secret=secret)
        made = stack.enter_context(gateway(directory, filled))
        yield IssuingSystem(made.directory, made.context, made.envoy, made.metrics_ports, issuer)


@contextlib.contextmanager
def gateway(directory: Path, issuer: str) -> Iterator[Gateway]:
    """Envoy, two workers and a warehouse, with these lines under `issuers:`; healthy, and ended again."""
    with contextlib.ExitStack() as stack:
        warehouse = stack.enter_context(Warehouse())
        authority = present_authority("Servers CA")
        (directory / "ca.pem").write_bytes(authority.pem)
        write_leaf(directory, "server", server_leaf(authority))
        sockets = [directory / f"worker-{number}.sock" for number in range(WORKERS)]
        policy = directory / "scopegate.yaml"
        policy.write_text(
            _POLICY.format(
                directory=directory,
                sockets=", ".join(f'"unix:{path}"' for path in sockets),
                issuer=issuer,
                upstream=f"http://127.0.0.1:{warehouse.port}",
            )
        )
        ports = tuple(free_port() for _ in sockets)
        workers = [
            stack.enter_context(
                ScopegateProcess(
                    [
                        "serve",
                        f"--policy={policy}",
                        f"--listen=unix:{path}",
                        f"--http=127.0.0.1:{port}",
                        f"--audit={directory / f'audit-{number}.jsonl'}",
                        "--drain-notice-seconds=0",
                    ],
                    directory,
                    f"worker-{number}",
                )
            )
            for number, (path, port) in enumerate(zip(sockets, ports, strict=True))
        ]
        loaded = load_policy(policy)
        configuration = render_envoy(loaded, replace(loaded.edge, listen="127.0.0.1:0"))
        envoy = stack.enter_context(EnvoyProcess(configuration, directory, directory / "admin.sock"))
        wait_until(
            lambda: (
                all(worker.running() for worker in workers)
                and envoy.stat("cluster.scopegate.membership_healthy") == WORKERS
            ),
            "all workers are healthy",
        )
        yield Gateway(directory, client_context(directory / "ca.pem"), envoy, ports)
