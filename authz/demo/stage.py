"""Starts the system, part by part, and asks when each is ready."""

import http.client
import json
import secrets
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit

from authz.demo.ca import DevelopmentCA
from authz.demo.cast import EXTRACT_JOB
from authz.demo.client import EdgeClient, Question
from authz.demo.places import COMPOSE_DIRECTORY, TlsFiles, relocate, write_tls
from authz.demo.processes import Children
from authz.demo.report import Report
from authz.demo.sales import generate
from authz.demo.wallet import Wallet
from authz.edge.binary import find_envoy
from authz.edge.render import render_envoy
from authz.policy.parse import SourceText, parse_policy
from authz.policy.policyset import PolicySet

WORKERS = 2
HOSTS = ("localhost", "127.0.0.1")
READY_SECONDS = 60.0

# Port 0: nobody scrapes the demo. Nothing to drain: when it ends, nobody asks any more.
_WORKER_OPTIONS = (
    "--http=127.0.0.1:0",
    "--log-format=console",
    "--drain-notice-seconds=0",
    "--drain-grace-seconds=1",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The running system, and what is needed to ask it."""

    policy: Path
    database: Path
    today: date
    tls: TlsFiles
    wallet: Wallet
    client: EdgeClient
    edge_port: int
    warehouse: str
    """`host:port`"""

    def queries(self) -> int:
        """The warehouse's own count, asked past Envoy."""
        connection = http.client.HTTPConnection(self.warehouse, timeout=5)
        try:
            connection.request("GET", "/stats")
            return int(json.loads(connection.getresponse().read())["queries"])
        finally:
            connection.close()


def start(directory: Path, children: Children, report: Report, *, policy: str, rows: int) -> Stage:
    """Start everything in `directory`; returns once a request through Envoy is answered by Scopegate.

    Raises `StepFailedError`, `PolicyError`, `EdgeError`, `PlaceMissingError`.
    """
    today = datetime.now(UTC).date()
    database, key = directory / "sales.duckdb", directory / "warehouse.key"
    with report.step("certificates of a development CA"):
        tls = write_tls(directory / "tls", HOSTS)
        impostor = DevelopmentCA("Somebody else").issue_client(directory / "tls", "impostor", EXTRACT_JOB)
        key.touch(mode=0o600)
        key.write_text(secrets.token_urlsafe(24))
    with report.step(f"{rows:,} generated sales in DuckDB, and the issuer of tokens"):
        _service(children, directory, "issuer")
        generate(database, rows=rows, today=today)
        _service(children, directory, "warehouse", f"--database={database}", f"--api-key-file={key}")
        issuer_url = _announced(children, directory, "issuer")
        warehouse_url = _announced(children, directory, "warehouse")
    sockets = [directory / f"scopegate-{number}.sock" for number in range(1, WORKERS + 1)]
    with _reserved_port() as edge_port:
        path = directory / "scopegate.yaml"
        path.write_text(
            relocate(
                policy,
                {
                    "http://issuer:8090": issuer_url,
                    "http://warehouse:8080": warehouse_url,
                    COMPOSE_DIRECTORY: str(directory),
                    "/run/scopegate": str(directory),
                    "0.0.0.0:8443": f"127.0.0.1:{edge_port}",
                    "https://localhost:8443": f"https://localhost:{edge_port}",
                    "scopegate-1:9001": f"unix:{sockets[0]}",
                    "scopegate-2:9001": f"unix:{sockets[1]}",
                },
            )
        )
        with report.step(f"{WORKERS} Scopegate workers"):
            for number, worker in enumerate(sockets, 1):
                _worker(children, f"scopegate-{number}", path, worker)
            configuration = directory / "envoy.yaml"
            policy_set = read_policy(path)
            configuration.write_text(render_envoy(policy_set))
            children.wait_for(
                "Scopegate", lambda: all(worker.exists() for worker in sockets), seconds=READY_SECONDS
            )
        client = EdgeClient(edge_port, tls.edge_root_pem)
        with report.step(f"Envoy on https://localhost:{edge_port}"):
            children.start("envoy", _envoy_command(configuration))
            # 401 is Scopegate's word: Envoy alone says 503, and a port that nobody listens at says nothing.
            children.wait_for("Envoy", lambda: client.ask(Question()).status == 401, seconds=READY_SECONDS)
    return Stage(
        policy=path,
        database=database,
        today=today,
        tls=tls,
        wallet=Wallet(
            issuer_url=f"{issuer_url}/oauth2/default", extract_job=tls.extract_job, impostor=impostor
        ),
        client=client,
        edge_port=edge_port,
        warehouse=urlsplit(warehouse_url).netloc,
    )


def read_policy(path: Path) -> PolicySet:
    """Raises `PolicyError`."""
    return parse_policy([SourceText(name=path.name, text=path.read_text())])


def scopegate_command(*arguments: str) -> list[str]:
    """Scopegate's own command line, as a process that ends when the demo does."""
    return [sys.executable, "-m", "authz.cli.tethered", *arguments]


def _service(children: Children, directory: Path, name: str, *options: str) -> None:
    announce = directory / f"{name}.url"
    children.start(
        name, scopegate_command("demo", name, "--listen=127.0.0.1:0", f"--announce={announce}", *options)
    )


def _announced(children: Children, directory: Path, name: str) -> str:
    announce = directory / f"{name}.url"
    children.wait_for(name, announce.exists, seconds=READY_SECONDS)
    return announce.read_text()


def _envoy_command(configuration: Path) -> Sequence[str]:
    return [
        str(find_envoy()),
        *("--config-path", str(configuration)),
        # Several Envoys on one machine would else share (and fight over) memory.
        "--use-dynamic-base-id",
        *("--concurrency", "2"),
        *("--log-level", "warning"),
        *("--file-flush-interval-msec", "500"),
    ]


def _worker(children: Children, name: str, policy: Path, listen: Path) -> None:
    children.start(
        name,
        scopegate_command("serve", f"--policy={policy}", f"--listen=unix:{listen}", *_WORKER_OPTIONS),
    )


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A free loopback port that nobody else is given before Envoy has it.

    The socket is bound but does not listen, so it takes no connection; SO_REUSEPORT, which Envoy sets, too, lets
    Envoy bind beside it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
