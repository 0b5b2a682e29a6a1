"""Real processes and small counterparts for integration tests: Envoy, `scopegate serve`, a warehouse, a stub.

Everything listens on 127.0.0.1 at free ports or on sockets in a directory of its own, and is ended by its own
process id. Envoy asks the kernel to end it with the thread that started it, so start it from the main thread.
"""

import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import grpc
from cryptography import x509
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from authz.edge.binary import find_envoy
from tests.pki import SERVER_AUTH, Authority, Leaf, dns, make_authority

READY_SECONDS = 20.0
_METHOD = "/envoy.service.auth.v3.Authorization/Check"

Headers = Sequence[tuple[str, str]]


def wait_until(condition: Callable[[], object], what: str, seconds: float = READY_SECONDS) -> None:
    """Poll what cannot be awaited; fails with `what` when the time is over."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """A directory whose path is short enough for sockets in it."""
    path = Path(tempfile.mkdtemp(prefix="sg-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


# ---- certificates


def present_authority(name: str = "Edge Test CA") -> Authority:
    """A root that is valid by the real clock."""
    now = time.time()
    return make_authority(name, not_before=now - 3600, not_after=now + 86_400)


def server_leaf(authority: Authority, *names: str) -> Leaf:
    """A certificate for `localhost`, 127.0.0.1 and `names`, valid by the real clock."""
    now = time.time()
    return authority.issue(
        [*(dns(name) for name in ("localhost", *names)), x509.IPAddress(ip_address("127.0.0.1"))],
        not_before=now - 3600,
        not_after=now + 86_400,
        extended=(SERVER_AUTH,),
    )


def client_leaf(authority: Authority, *names: x509.GeneralName) -> Leaf:
    """A client certificate that is valid by the real clock."""
    now = time.time()
    return authority.issue(list(names), not_before=now - 3600, not_after=now + 86_400)


def write_leaf(directory: Path, name: str, leaf: Leaf) -> tuple[Path, Path]:
    """Write `name.crt` and `name.key`; returns their paths."""
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    certificate.write_text(leaf.pem)
    key.write_bytes(leaf.key_pem)
    return certificate, key


# ---- a client that sends what it is told


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The values under `name`, joined; None without one."""
        values = [value for key, value in self.headers if key.lower() == name]
        return ", ".join(values) if values else None

    def json(self) -> Any:
        return json.loads(self.body)


def client_context(
    roots: Path, *, certificate: tuple[Path, Path] | None = None, maximum: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(roots))
    if certificate is not None:
        context.load_cert_chain(*certificate)
    if maximum is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = maximum
    return context


def ask(
    port: int,
    context: ssl.SSLContext,
    target: str,
    *,
    method: str = "GET",
    headers: Headers = (),
    body: bytes | None = None,
    host: str = "localhost",
) -> Reply:
    """One HTTP/1.1 request in exactly these words: nothing is normalised, added (but the length) or joined."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=15)
    connection._validate_path = lambda _target: None  # type: ignore[attr-defined]  # hostile targets are the point
    with contextlib.closing(connection):
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("host", host)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Reply(answer.status, tuple(answer.getheaders()), answer.read())


# ---- Envoy


class EnvoyProcess:
    """The real Envoy with the configuration in `directory / "envoy.yaml"` and its admin socket in `directory`."""

    def __init__(self, configuration: str, directory: Path, admin: Path) -> None:
        self._directory = directory
        self._admin = admin
        self._log = directory / "access.log"
        self._messages = directory / "envoy.log"
        (directory / "envoy.yaml").write_text(configuration)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            raise AssertionError("Envoy ends with the thread that started it: start it from the main thread")
        with self._log.open("wb") as out, self._messages.open("wb") as err:
            self._process = subprocess.Popen(
                [
                    str(find_envoy()),
                    "-c",
                    str(self._directory / "envoy.yaml"),
                    "--use-dynamic-base-id",
                    "--concurrency",
                    "1",
                    "--log-level",
                    "warning",
                    "--file-flush-interval-msec",
                    "50",
                    "--drain-time-s",
                    "1",
                ],
                stdout=out,
                stderr=err,
            )
        try:
            wait_until(self._ready, "Envoy is ready")
            self.port = self._listening_port()
        except BaseException:
            self.__exit__()
            print(self.messages()[:4000], file=sys.stderr)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        end_process(self._process)

    def admin(self, path: str, method: str = "GET") -> Reply:
        """Ask the admin interface over its socket."""
        return ask_socket(self._admin, path, method)

    def stat(self, name: str) -> int:
        """The value of one counter or gauge; 0 if Envoy has not made it yet."""
        text = self.admin(f"/stats?filter=^{name}$").body.decode()
        return int(text.partition(": ")[2]) if ": " in text else 0

    def messages(self) -> str:
        """Envoy's own log."""
        return self._messages.read_text(errors="replace")

    def log_text(self) -> str:
        return self._log.read_text(errors="replace")

    def log_lines(self) -> list[dict[str, Any]]:
        """The access log so far."""
        return [json.loads(line) for line in self.log_text().splitlines() if line.endswith("}")]

    def wait_for_line(self, **wanted: object) -> dict[str, Any]:
        """The first line of the access log with these values."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [
                line
                for line in self.log_lines()
                if all(line.get(key) == value for key, value in wanted.items())
            ]
            return bool(found)

        wait_until(look, f"an access log line with {wanted}", 10)
        return found[0]

    def _ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"Envoy ended with {self._process.returncode}")
        try:
            return self.admin("/ready").status == 200
        except OSError:
            return False

    def _listening_port(self) -> int:
        statuses = self.admin("/listeners?format=json").json()["listener_statuses"]
        return int(statuses[0]["local_address"]["socket_address"]["port_value"])


def end_process(process: "subprocess.Popen[bytes] | None") -> None:
    """End a process that we started: first politely, then not."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def validate_configuration(path: Path) -> subprocess.CompletedProcess[str]:
    """`envoy --mode validate` with the real binary."""
    return subprocess.run(
        [
            str(find_envoy()),
            "--mode",
            "validate",
            "--use-dynamic-base-id",
            "--log-level",
            "warning",
            "-c",
            str(path),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask_socket(path: Path, target: str, method: str = "GET") -> Reply:
    """One HTTP request over a UNIX socket."""
    with contextlib.closing(_SocketConnection(path)) as connection:
        connection.request(method, target)
        answer = connection.getresponse()
        return Reply(answer.status, tuple(answer.getheaders()), answer.read())


# ---- a warehouse that remembers what reached it


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it reached the warehouse."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """Every value under `name`."""
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def names(self) -> set[str]:
        """Names of all headers, lower case."""
        return {key.lower() for key, _ in self.headers}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    headers: Headers = ()
    body: bytes = b"rows"


class Warehouse:
    """A small HTTP server; `answer` decides what comes back, and is exchanged by tests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answer: Callable[[Seen], Answer] = _count_rows()
        self.seen: list[Seen] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def take(self) -> list[Seen]:
        """What came since the last call."""
        taken, self.seen = self.seen, []
        return taken

    def reset(self) -> None:
        self.answer = _count_rows()
        self.seen = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _handler(warehouse: Warehouse) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                super().handle_one_request()

        def __getattr__(self, name: str) -> Callable[[], None]:
            """Every method is served."""
            if name.startswith("do_"):
                return self._serve
            raise AttributeError(name)

        def _serve(self) -> None:
            seen = Seen(self.command, self.path, tuple(self.headers.items()), self._body())
            warehouse.seen.append(seen)
            answer = warehouse.answer(seen)
            self.send_response(answer.status)
            for key, value in answer.headers:
                self.send_header(key, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                return b"".join(iter(self._chunk, b""))
            return self.rfile.read(int(self.headers.get("content-length", "0")))

        def _chunk(self) -> bytes:
            data = self.rfile.read(int(self.rfile.readline(), 16))
            self.rfile.readline()
            return data

        def log_message(self, *_: object) -> None:
            """Silence: what came is in `seen`."""

    return Handler


def _count_rows() -> Callable[[Seen], Answer]:
    """Every answer differs from the one before, so that a kept one is noticed."""
    count = iter(range(1, 1_000_000))
    return lambda _seen: Answer(body=b"rows %d" % next(count))


# ---- a stub in Scopegate's place


@dataclass
class AuthzStub:
    """An ext_authz server on a socket that answers with whatever bytes `answer` gives."""

    path: Path
    answer: Callable[[bytes], bytes]
    calls: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        self._server.add_generic_rpc_handlers((_RawHandler(self._check),))
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait(5)

    def _check(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        self.calls.append(request)
        return self.answer(request)


class _RawHandler(grpc.GenericRpcHandler):
    """Bytes in, bytes out: also bytes that are no message."""

    def __init__(self, check: Callable[[bytes, grpc.ServicerContext], bytes]) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(check)

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return self._handler if details.method == _METHOD else None


# ---- the real Scopegate


class ScopegateProcess:
    """`scopegate serve` as a process of its own."""

    def __init__(self, arguments: Sequence[str], directory: Path, name: str = "scopegate") -> None:
        self._arguments = [sys.executable, "-m", "authz.cli.main", *arguments]
        self._log = directory / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._arguments, stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )
        return self

    def __exit__(self, *_: object) -> None:
        end_process(self.process)

    def log(self) -> str:
        return self._log.read_text(errors="replace")


def free_port() -> int:
    """A port that was free a moment ago."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
