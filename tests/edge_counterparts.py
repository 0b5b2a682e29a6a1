"""Counterparts of the edge: a warehouse that remembers what reached it, and a stub in Scopegate's place."""

import itertools
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import grpc
from envoy_data_plane.envoy.config.core.v3 import (
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    QueryParameter,
)
from envoy_data_plane.envoy.service.auth.v3 import (
    CheckRequest,
    CheckResponse,
    DeniedHttpResponse,
    OkHttpResponse,
)
from envoy_data_plane.envoy.type.v3 import HttpStatus, StatusCode
from envoy_data_plane.google.protobuf import Struct
from envoy_data_plane.google.rpc import Status
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.edge_client import Headers

_DECISIONS = itertools.count(1)
_METHOD = "/envoy.service.auth.v3.Authorization/Check"


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


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, warehouse: "Warehouse") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.warehouse = warehouse


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method is served."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        seen = Seen(self.command, self.path, tuple(self.headers.items()), self._body())
        self.server.warehouse.seen.append(seen)
        answer = self.server.warehouse.answer(seen)
        self.send_response(answer.status)
        for key, value in answer.headers:
            self.send_header(key, value)
        if answer.status != 204:  # RFC 9110 section 8.6
            self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and answer.status != 204:
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


class Warehouse:
    """A small HTTP server; `answer` decides what comes back, and is exchanged by tests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answer: Callable[[Seen], Answer] = _count_rows()
        self.seen: list[Seen] = []
        self._server = _Server(self)
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


def _count_rows() -> Callable[[Seen], Answer]:
    """Every answer differs from the one before, so that a kept one is noticed."""
    count = iter(range(1, 1_000_000))
    return lambda _seen: Answer(body=b"rows %d" % next(count))


@dataclass
class AuthzStub:
    """An ext_authz server on a socket that answers with whatever bytes `answer` gives; with `fail`, by that code."""

    path: Path
    answer: Callable[[bytes], bytes]
    calls: list[bytes] = field(default_factory=list)
    fail: grpc.StatusCode | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        self._server.add_generic_rpc_handlers((_RawHandler(self._check),))
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()

    def stop(self) -> None:
        """Gone at once, with the questions that it was asked."""
        self._server.stop(0).wait(5)

    def take(self) -> list[CheckRequest]:
        """The questions since the last call, read by an implementation that is not ours."""
        taken, self.calls = self.calls, []
        return [CheckRequest.parse(call) for call in taken]

    def _check(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.calls.append(request)
        if self.fail is not None:
            context.abort(self.fail, "told to fail")
        return self.answer(request)


class _RawHandler(grpc.GenericRpcHandler):
    """Bytes in, bytes out: also bytes that are no message."""

    def __init__(self, check: Callable[[bytes, grpc.ServicerContext], bytes]) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(check)

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return self._handler if details.method == _METHOD else None


def allow(
    warehouse: str = "sales",
    *,
    headers: Headers = (),
    remove: Sequence[str] = ("authorization", "cookie"),
    query: Headers = (),
    without: Sequence[str] = (),
    principal: str = "ann",
) -> bytes:
    """An allow like Scopegate's; `without` leaves out keys of the metadata."""
    metadata = {
        "decision_id": f"d-{next(_DECISIONS)}",
        "reason": "granted",
        "warehouse": warehouse,
        "principal": principal,
        "scope_id": "s" * 32,
        "policy_version": "v1",
    }
    kept = {key: value for key, value in metadata.items() if key not in without}
    return bytes(
        CheckResponse(
            status=Status(code=0),
            ok_response=OkHttpResponse(
                headers=[_header(name, value) for name, value in headers],
                headers_to_remove=list(remove),
                query_parameters_to_set=[QueryParameter(key=key, value=value) for key, value in query],
                response_headers_to_add=[_header("x-scope-decision-id", metadata["decision_id"])],
            ),
            dynamic_metadata=Struct.from_dict(kept) if kept else None,
        )
    )


def deny(code: int, status: int, reason: str) -> bytes:
    """A denial like Scopegate's, with gRPC `code` and HTTP `status`."""
    return bytes(
        CheckResponse(
            status=Status(code=code),
            denied_response=DeniedHttpResponse(
                status=HttpStatus(code=StatusCode(status)),
                headers=[
                    _header("content-type", "application/problem+json"),
                    _header("x-scope-decision-id", "d-0"),
                ],
                body=f'{{"status":{status},"reason":"{reason}"}}',
            ),
            dynamic_metadata=Struct.from_dict({"decision_id": "d-0", "reason": reason}),
        )
    )


def _header(name: str, value: str) -> HeaderValueOption:
    return HeaderValueOption(
        header=HeaderValue(key=name, value=value),
        append_action=HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
