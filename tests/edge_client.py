"""HTTP clients that send exactly what they are told, over TLS or a UNIX socket."""

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h2.connection
import h2.events

Headers = Sequence[tuple[str, str]]


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
    source: str = "127.0.0.1",
) -> Reply:
    """One HTTP/1.1 request in exactly these words: nothing is normalised, added (but the length) or joined."""
    context.set_alpn_protocols(["http/1.1"])  # it may have been used for HTTP/2
    connection = http.client.HTTPSConnection(
        "127.0.0.1", port, context=context, timeout=15, source_address=(source, 0)
    )
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


def ask_http2(
    port: int,
    context: ssl.SSLContext,
    target: str,
    *,
    method: str = "GET",
    headers: Headers = (),
    body: bytes | None = None,
    host: str = "localhost",
) -> Reply:
    """One HTTP/2 request on a connection of its own."""
    context.set_alpn_protocols(["h2"])
    pseudo = [(":method", method), (":scheme", "https"), (":authority", host), (":path", target)]
    with (
        socket.create_connection(("127.0.0.1", port), timeout=15) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as channel,
    ):
        if channel.selected_alpn_protocol() != "h2":
            raise AssertionError(f"got {channel.selected_alpn_protocol()}, expected h2")
        connection = h2.connection.H2Connection()
        connection.initiate_connection()
        connection.send_headers(1, [*pseudo, *headers], end_stream=body is None)
        if body is not None:
            connection.send_data(1, body, end_stream=True)
        channel.sendall(connection.data_to_send())
        return _http2_reply(connection, channel)


def statuses_together(
    port: int, context: ssl.SSLContext, target: str, *, headers: Headers, count: int
) -> list[int]:
    """The statuses of so many requests that are sent at once, on one HTTP/2 connection."""
    context.set_alpn_protocols(["h2"])
    pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", target)]
    found: list[int] = []
    with (
        socket.create_connection(("127.0.0.1", port), timeout=15) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as channel,
    ):
        connection = h2.connection.H2Connection()
        connection.initiate_connection()
        for number in range(count):
            connection.send_headers(2 * number + 1, [*pseudo, *headers], end_stream=True)
        channel.sendall(connection.data_to_send())
        while len(found) < count and (data := channel.recv(65_536)):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    found += [int(value) for name, value in event.headers if name == b":status"]
            channel.sendall(connection.data_to_send())
    return found


def _http2_reply(connection: h2.connection.H2Connection, channel: ssl.SSLSocket) -> Reply:
    fields: list[tuple[str, str]] = []
    body = b""
    while data := channel.recv(65_536):
        for event in connection.receive_data(data):
            match event:
                case h2.events.ResponseReceived(headers=received):
                    fields = [(name.decode(), value.decode()) for name, value in received]
                case h2.events.DataReceived(data=part):
                    body += part
                case h2.events.StreamReset(error_code=code):
                    raise ConnectionResetError(f"the stream was reset with {code}")
                case h2.events.StreamEnded():
                    return Reply(int(dict(fields)[":status"]), tuple(fields), body)
                case _:
                    pass
        channel.sendall(connection.data_to_send())
    raise ConnectionResetError("the connection ended before the answer")


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
