"""Everything real but the people: Envoy, two Scopegate workers, tokens and certificates, a warehouse that remembers."""

import contextlib
import json
import os
import signal
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from authz.config.load import load_policy
from authz.edge.deployment import Deployment
from authz.edge.render import render_envoy
from tests.edge_client import Headers, Reply, ask, client_context
from tests.edge_counterparts import Seen, Warehouse
from tests.envoy_process import (
    EnvoyProcess,
    ScopegateProcess,
    client_leaf,
    present_authority,
    server_leaf,
    short_directory,
    wait_until,
    write_leaf,
)
from tests.pki import TRUST_DOMAIN, Authority, uri
from tests.ports import free_port
from tests.reading import policy_read_by
from tests.signingkeys import ec_pem, write_key
from tests.tokens import AUDIENCE, ISSUER, SigningKey, claims, ec_key, jwks, mint

WORKERS = 2
LIMIT = 6
"""Requests an hour of one principal at the warehouse `limited`."""

POLICY = """\
version: 1
edge:
  public_url: https://edge.example
  certificate: {directory}/server.crt
  private_key: {directory}/server.key
  client_ca: {directory}/clients.pem
  scopegate: [{sockets}]
  admin: unix:{directory}/admin.sock
  per_address: 100000/s
issuers:
  okta: {{issuer: "{issuer}", audiences: ["{audience}"], groups_claim: groups, jwks_file: "{directory}/jwks.json"}}
client_certificates:
  extracts: {{roots: "{directory}/clients.pem", identity: spiffe, trust_domain: {trust_domain}}}
dimensions:
  region: {{type: string}}
warehouses:
  sales: {{routes: [{{prefix: /api/}}], upstream: "{upstream}", columns: {{region: region}}, cache: {{ttl: 60s}}}}
  ledger: {{routes: [{{prefix: /ledger/}}], upstream: "{upstream}", columns: {{region: region}}}}
  plain:
    routes: [{{prefix: /plain/}}]
    upstream: "{upstream}"
    columns: {{region: region}}
    headers: []
    query: {{region: region}}
    cache: {{ttl: 60s}}
  signed: {{routes: [{{prefix: /signed/}}], upstream: "{upstream}", columns: {{region: region}}, headers: [assertion]}}
  limited:
    routes: [{{prefix: /limited/}}]
    upstream: "{upstream}"
    columns: {{region: region}}
    limits: {{per_principal: {limit}/h}}
assertion: {{keys: ["{directory}/assertion.pem"]}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: all, scope: {{region: [EU, UK]}}}}
  - {{id: us, to: {{groups: [analysts-us]}}, on: all, scope: {{region: [US]}}}}
  - {{id: extracts, to: {{spiffe: ["spiffe://{trust_domain}/tableau/extract"]}}, on: [sales], scope: {{region: all}}}}
"""


@dataclass(frozen=True, slots=True)
class WholeSystem:
    directory: Path
    clients: Authority
    key: SigningKey
    context: ssl.SSLContext
    warehouse: Warehouse
    workers: tuple[ScopegateProcess, ...]
    operators: tuple[int, ...]
    """The workers' HTTP ports."""
    envoy: EnvoyProcess

    def token(self, subject: str = "ann", *groups: str, **changes: Any) -> str:
        """A token that is valid by the real clock, from the real issuer unless told otherwise."""
        now = int(time.time())
        made = claims(
            sub=subject, groups=list(groups or ("analysts-emea",)), iat=now - 5, nbf=now - 5, exp=now + 600
        )
        return mint({**made, **changes}, self.key)

    def ask(self, target: str, token: str | None = None, *, headers: Headers = (), **request: Any) -> Reply:
        bearer = [] if token is None else [("authorization", f"Bearer {token}")]
        context = request.pop("context", self.context)
        return ask(self.envoy.port, context, target, headers=[*bearer, *headers], **request)

    def reached(self, target: str, token: str | None = None, **request: Any) -> tuple[Reply, Seen]:
        """One allowed request: its answer, and what reached the warehouse."""
        self.warehouse.reset()
        reply = self.ask(target, token, **request)
        assert reply.status == 200, reply
        (seen,) = self.warehouse.take()
        return reply, seen

    def client(self, name: str, identity: str, authority: Authority | None = None) -> ssl.SSLContext:
        leaf = client_leaf(authority or self.clients, uri(identity))
        return client_context(self.directory / "ca.pem", certificate=write_leaf(self.directory, name, leaf))

    def audit(self) -> list[dict[str, Any]]:
        """The audit records of all workers so far."""
        lines = [
            line for path in self.directory.glob("audit-*.jsonl") for line in path.read_text().splitlines()
        ]
        return [json.loads(line) for line in lines]

    def published_keys(self) -> list[dict[str, Any]]:
        """The key set that each worker publishes."""
        found = []
        for address in self.operators_ports():
            with urllib.request.urlopen(f"http://{address}/.well-known/jwks.json", timeout=10) as answer:
                found.append(json.loads(answer.read()))
        return found

    def operators_ports(self) -> list[str]:
        """Where each worker tells its metrics."""
        return [str(worker.events("listening")[-1]["http"]) for worker in self.workers]

    def healthy_workers(self) -> int:
        return self.envoy.stat("cluster.scopegate.membership_healthy")

    def wait_until_healthy(self) -> None:
        """All workers run, and Envoy knows that they can be asked."""
        wait_until(
            lambda: all(worker.running() for worker in self.workers) and self.healthy_workers() == WORKERS,
            "all workers are healthy",
        )

    @contextlib.contextmanager
    def stopped(self, workers: Sequence[ScopegateProcess]) -> Iterator[None]:
        """Workers that hang: their sockets take calls, and nobody answers."""
        processes = [pid for worker in workers for pid in with_children(worker)]
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in processes:
                os.kill(pid, signal.SIGCONT)
            self.wait_until_healthy()


def deciding(worker: ScopegateProcess) -> int:
    """The process that decides, and writes the trail."""
    return with_children(worker)[-1]


def with_children(worker: ScopegateProcess) -> list[int]:
    """On the engine pyvoy a worker is a process that another one started."""
    assert worker.process is not None
    pid = worker.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    # Not those that read a policy, and end by themselves.
    return [pid, *(child for child in map(int, children) if policy_read_by(child) is None)]


@contextlib.contextmanager
def whole_system(
    *,
    http: str | None = None,
    traces: str | None = None,
    trace_percent: float = 0.0,
    listen: str = "127.0.0.1:0",
    policy_text: str = POLICY,
    options: Sequence[str] = (),
    program: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    prepare: Callable[[Path, Authority], None] = lambda _directory, _clients: None,
    **facts: str,
) -> Iterator[WholeSystem]:
    """Everything started and healthy, and ended again.

    With `http`, Envoy has its port for operators there; with `traces`, spans go there; `listen` is where clients ask. `policy_text` is a policy with
    the places of `POLICY` and those for `facts`. `options` are further ones of `scopegate serve`, `program` runs in
    place of `scopegate`, `environment` is added to the workers'; `{directory}` and `{number}` of the worker are filled
    into all three. `prepare` is called before anything starts, with the authority of clients.
    """
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        warehouse = stack.enter_context(Warehouse())
        clients, key = _write_files(directory), ec_key("system")
        prepare(directory, clients)
        (directory / "jwks.json").write_bytes(jwks(key))
        sockets = [directory / f"worker-{number}.sock" for number in range(WORKERS)]
        place = directory / "scopegate.yaml"
        place.write_text(
            policy_text.format(
                directory=directory,
                sockets=", ".join(f'"unix:{path}"' for path in sockets),
                issuer=ISSUER,
                audience=AUDIENCE,
                trust_domain=TRUST_DOMAIN,
                upstream=f"http://127.0.0.1:{warehouse.port}",
                limit=LIMIT,
                **facts,
            )
        )
        operators = tuple(free_port() for _ in sockets)
        workers = tuple(
            stack.enter_context(
                _worker(
                    place,
                    path,
                    number,
                    operators[number],
                    options=_filled(options, directory, number),
                    program=_filled(program, directory, number) if program else None,
                    environment={
                        name: _filled([value], directory, number)[0]
                        for name, value in (environment or {}).items()
                    },
                )
            )
            for number, path in enumerate(sockets)
        )
        loaded = load_policy(place)
        configuration = render_envoy(
            loaded,
            replace(loaded.edge, listen=listen),
            deployment=Deployment(http=http, traces=traces, trace_percent=trace_percent),
        )
        envoy = stack.enter_context(EnvoyProcess(configuration, directory, directory / "admin.sock"))
        context = client_context(directory / "ca.pem")
        system = WholeSystem(directory, clients, key, context, warehouse, workers, operators, envoy)
        system.wait_until_healthy()
        yield system


def _filled(texts: Sequence[str], directory: Path, number: int) -> list[str]:
    return [text.format(directory=directory, number=number) for text in texts]


def _write_files(directory: Path) -> Authority:
    servers, clients = present_authority("Servers CA"), present_authority("Clients CA")
    (directory / "ca.pem").write_bytes(servers.pem)
    (directory / "clients.pem").write_bytes(clients.pem)
    write_leaf(directory, "server", server_leaf(servers))
    write_key(directory / "assertion.pem", ec_pem("system"))
    return clients


def _worker(
    policy: Path,
    path: Path,
    number: int,
    port: int,
    *,
    options: Sequence[str],
    program: Sequence[str] | None,
    environment: Mapping[str, str],
) -> ScopegateProcess:
    return ScopegateProcess(
        [
            "serve",
            f"--policy={policy}",
            f"--listen=unix:{path}",
            f"--http=127.0.0.1:{port}",
            f"--audit={path.parent / f'audit-{number}.jsonl'}",
            "--drain-notice-seconds=0",
            *options,
        ],
        path.parent,
        f"worker-{number}",
        program,
        environment,
    )
