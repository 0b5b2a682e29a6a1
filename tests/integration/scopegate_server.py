"""A real `scopegate serve` in a process of its own, asked by a real gRPC client."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from tests.tokens import SigningKey, claims, jwks, mint, rsa_key
from tests.unit.transport.questions import question

CHECK = "/envoy.service.auth.v3.Authorization/Check"
PATIENCE_SECONDS = 20.0

POLICY = """\
version: 1
issuers:
  okta: {{issuer: https://issuer.example/oauth2/default, audiences: [api://warehouse], groups_claim: groups,
          jwks_file: {jwks}}}
dimensions:
  region: {{type: string}}
warehouses:
  sales:
    routes: [{{prefix: /api/}}]
    upstream: http://warehouse:8080
    columns: {{region: region}}
grants:
  - id: emea
    to: {{groups: [analysts-emea]}}
    on: [sales]
    scope: {{region: [{regions}]}}
"""


def write_policy(directory: Path, *, regions: str = "EU, UK", more: str = "") -> Path:
    """A policy and the key set that it names, replaced by renaming as an editor does."""
    keys = directory / "jwks.json"
    if not keys.exists():
        keys.write_bytes(jwks(rsa_key()))
    replace(directory / "scopegate.yaml", POLICY.format(jwks=keys, regions=regions) + more)
    return directory / "scopegate.yaml"


def replace(path: Path, text: str | bytes) -> None:
    """Write beside, then rename over."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(text.encode() if isinstance(text, str) else text)
    fresh.rename(path)


def token(key: SigningKey | None = None, **changes: object) -> str:
    """A token that is good now."""
    now = int(time.time())
    return mint(claims(**{"iat": now, "nbf": now - 10, "exp": now + 600, **changes}), key or rsa_key())


def ask_for_sales(bearer: str | None = None, **changes: Any) -> bytes:
    """The bytes of a question; without `bearer` the one of somebody who sends no credentials."""
    message = question(**changes)
    headers = message.attributes.request.http.header_map.headers
    kept = [header for header in headers if header.key != "authorization"]
    del headers[:]
    headers.extend(kept)
    if bearer is not None:
        headers.add(key="authorization", raw_value=f"Bearer {bearer}".encode())
    return bytes(message.SerializeToString())


def plain_environment() -> dict[str, str]:
    """That of the tests without options of the server's, but for the engine that is tested."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SCOPEGATE_")}
    return {**kept, "SCOPEGATE_ENGINE": os.environ.get("SCOPEGATE_ENGINE", "auto")}


class Answer:
    """What came back, in the words of the tests."""

    def __init__(self, data: bytes) -> None:
        self.message = CheckResponse.FromString(data)
        self.allowed = self.message.status.code == 0 and self.message.HasField("status")
        metadata = self.message.dynamic_metadata
        self.reason = metadata["reason"]
        self.decision_id = metadata["decision_id"]
        self.policy_version = metadata["policy_version"]

    @property
    def status(self) -> int:
        return int(self.message.denied_response.status.code)

    @property
    def headers(self) -> dict[str, str]:
        """What the warehouse will get on an allow, the client on a denial."""
        options = self.message.ok_response.headers or self.message.denied_response.headers
        return {option.header.key: option.header.value for option in options}

    @property
    def scope(self) -> str:
        """The scope as the warehouse is told it."""
        return self.headers["x-scope-json"]


class Scopegate:
    """The process. Its log is read all the time, so that an event can be waited for."""

    def __init__(self, policy: Path, *options: str, listen: str = "127.0.0.1:0") -> None:
        self._process = subprocess.Popen(
            [
                *(str(Path(sys.executable).with_name("scopegate")), "serve", f"--policy={policy}"),
                *(f"--listen={listen}", "--http=127.0.0.1:0", "--drain-notice-seconds=0", *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=plain_environment(),
        )
        self.lines: list[dict[str, Any]] = []
        self.raw: list[str] = []
        self._news = Condition()
        self._channel: grpc.Channel | None = None
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        try:
            listening = self.wait_for("listening")
        except AssertionError:
            self.close()
            raise
        self.address: str = listening["listen"][0]
        self.addresses: list[str] = listening["listen"]
        self.http: str = listening["http"]
        self._channel = grpc.insecure_channel(self.address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, if it has not ended by itself, and let go of its pipes."""
        if self._channel is not None:
            self._channel.close()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(PATIENCE_SECONDS)
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for raw in self._process.stderr:
            text = raw.decode()
            with self._news:
                self.raw.append(text)
                with suppress(json.JSONDecodeError):
                    self.lines.append(json.loads(text))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, event: str, *, count: int = 1, **fields: object) -> dict[str, Any]:
        """The `count`th log line of that event and with these fields, as soon as it is there."""

        def found() -> dict[str, Any] | None:
            matching = [
                line
                for line in self.lines
                if line["event"] == event and all(line.get(name) == value for name, value in fields.items())
            ]
            return matching[count - 1] if len(matching) >= count else None

        with self._news:
            self._news.wait_for(
                lambda: found() is not None or not self._reader.is_alive() or self.status is not None,
                PATIENCE_SECONDS,
            )
            line = found()
        assert line is not None, f"no `{event}` in:\n{''.join(self.raw)}"
        return line

    def events(self, event: str) -> int:
        """How many lines of that event there are by now."""
        with self._news:
            return sum(line["event"] == event for line in self.lines)

    def ask(self, data: bytes, *, timeout: float = PATIENCE_SECONDS) -> Answer:
        """One check."""
        assert self._channel is not None
        return Answer(self._channel.unary_unary(CHECK)(data, timeout=timeout))

    def health(self) -> str:
        """What Envoy's health check is told."""
        stub = health_pb2_grpc.HealthStub(self._channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """A request to the operator's port."""
        request = urllib.request.Request(f"http://{self.http}{path}", headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """The exit status, once it has ended."""
        return self._process.wait(PATIENCE_SECONDS)

    def stdout(self) -> str:
        """Everything on stdout, once it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.read().decode()


def eventually(holds: Callable[[], bool]) -> None:
    """Return once it holds: for what has no event, such as another process's state."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < ends, "it did not come to hold"
        time.sleep(0.02)
