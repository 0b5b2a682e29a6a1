"""Real processes for integration tests: Envoy and `scopegate serve`, and what they need.

Everything listens on 127.0.0.1 at free ports or on sockets in a directory of its own, and is ended by its own
process id. Envoy asks the kernel to end it with the thread that started it, so start it from the main thread.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from cryptography import x509

from authz.edge.binary import find_envoy
from tests.edge_client import Reply, ask_socket
from tests.pki import SERVER_AUTH, Authority, Leaf, dns, make_authority

READY_SECONDS = 20.0


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


class ScopegateProcess:
    """`scopegate serve` as a process of its own."""

    def __init__(
        self,
        arguments: Sequence[str],
        directory: Path,
        name: str = "scopegate",
        program: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._arguments = [*(program or [str(Path(sys.executable).with_name("scopegate"))]), *arguments]
        self._environment = environment or {}
        self._log = directory / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._arguments,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment},
            )
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """End it at once, with no chance to finish anything (kill -9)."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def __exit__(self, *_: object) -> None:
        end_process(self.process)

    def running(self) -> bool:
        """True; fails with its log if it has ended by itself."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"scopegate ended with {self.process.returncode}: {self.log()}")
        return True

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of that event so far."""
        lines = [
            json.loads(line)
            for line in self.log().splitlines()
            if line.startswith("{") and line.endswith("}")
        ]
        return [line for line in lines if line["event"] == name]
