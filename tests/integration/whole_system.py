"""Everything real but the people: Envoy, two Scopegate workers, tokens and certificates, a warehouse that remembers."""

import contextlib
import json
import signal
import ssl
import time
import urllib.request
from collections.abc import Iterator, Sequence
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
    free_port,
    present_authority,
    server_leaf,
    short_directory,
    wait_until,
    write_leaf,
)
from tests.pki import TRUST_DOMAIN, Authority, uri
from tests.signingkeys import ec_pem, write_key
from tests.tokens import AUDIENCE, ISSUER, SigningKey, claims, ec_key, jwks, mint

WORKERS = 2
LIMIT = 6
"""Requests an hour of one principal at the warehouse `limited`."""

_POLICY = """\
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
        lines = [json.loads(line) for worker in self.workers for line in worker.log().splitlines()]
        found = []
        for address in (line["http"] for line in lines if line["event"] == "listening"):
            with urllib.request.urlopen(f"http://{address}/.well-known/jwks.json", timeout=10) as answer:
                found.append(json.loads(answer.read()))
        return found

    def healthy_workers(self) -> int:
        return self.envoy.stat("cluster.scopegate.membership_healthy")

    @contextlib.contextmanager
    def stopped(self, workers: Sequence[ScopegateProcess]) -> Iterator[None]:
        """Workers that hang: their sockets take calls, and nobody answers."""
        for worker in workers:
            assert worker.process is not None
            worker.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for worker in workers:
                assert worker.process is not None
                worker.process.send_signal(signal.SIGCONT)
            wait_until(lambda: self.healthy_workers() == WORKERS, "all workers are healthy again")


@contextlib.contextmanager
def whole_system(
    *,
    http: str | None = None,
    options: Sequence[str] = (),
    program: Sequence[str] | None = None,
    policy_text: str = _POLICY,
    **facts: str,
) -> Iterator[WholeSystem]:
    """Everything started and healthy, and ended again.

    `policy_text` is a policy in place of the usual one, with places for its facts and for `facts`.

    With `http`, Envoy has its port for operators there; `options` are further ones of `scopegate serve`,
    and `program` runs in place of `scopegate`.
    """
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        warehouse = stack.enter_context(Warehouse())
        clients, key = _write_files(directory), ec_key("system")
        (directory / "jwks.json").write_bytes(jwks(key))
        sockets = [directory / f"worker-{number}.sock" for number in range(WORKERS)]
        policy = directory / "scopegate.yaml"
        policy.write_text(
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
        workers = tuple(
            stack.enter_context(_worker(policy, path, directory, number, options=options, program=program))
            for number, path in enumerate(sockets)
        )
        loaded = load_policy(policy)
        configuration = render_envoy(
            loaded, replace(loaded.edge, listen="127.0.0.1:0"), deployment=Deployment(http=http)
        )
        envoy = EnvoyProcess(configuration, directory, directory / "admin.sock")
        context = client_context(directory / "ca.pem")
        system = WholeSystem(directory, clients, key, context, warehouse, workers, stack.enter_context(envoy))
        wait_until(
            lambda: all(worker.running() for worker in workers) and system.healthy_workers() == WORKERS,
            "all workers are healthy",
        )
        yield system


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
    directory: Path,
    number: int,
    *,
    options: Sequence[str],
    program: Sequence[str] | None,
) -> ScopegateProcess:
    return ScopegateProcess(
        [
            "serve",
            f"--policy={policy}",
            f"--listen=unix:{path}",
            f"--http=127.0.0.1:{free_port()}",
            f"--audit={directory / f'audit-{number}.jsonl'}",
            "--drain-notice-seconds=0",
            *options,
        ],
        directory,
        f"worker-{number}",
        program,
    )
