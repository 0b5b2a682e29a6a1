"""What the real Envoy shows Scopegate of a body: all of it where guardrails are, none of it elsewhere."""

import socket
from collections.abc import Iterator

import pytest

from authz.edge.authorization import MAX_BODY_BYTES
from authz.guardrails.rules import GuardrailRules
from tests.edge_client import ask_http2
from tests.edge_counterparts import allow, deny
from tests.edge_policies import edge_warehouse
from tests.integration.edge_system import StubbedEdge, stubbed_edge

BODY = "select 'ü \x00 \xff'".encode("latin-1")
"""Bytes that are no text."""


@pytest.fixture(scope="module")
def system() -> Iterator[StubbedEdge]:
    with stubbed_edge(
        lambda upstream, _: [
            edge_warehouse("sales", upstream=upstream, guardrails=GuardrailRules(dialect="trino")),
            edge_warehouse("plain", upstream=upstream),
        ]
    ) as running:
        yield running


@pytest.fixture
def edge(system: StubbedEdge) -> StubbedEdge:
    system.reset()
    return system


def shown(edge: StubbedEdge) -> tuple[bytes, str | None, str | None]:
    """Of the one question to Scopegate: the body, what the route says of it, and what Envoy says of its wholeness."""
    (call,) = edge.stub.take()
    http = call.attributes.request.http
    words = [
        header.raw_value.decode()
        for header in http.header_map.headers
        if header.key == "x-envoy-auth-partial-body"
    ]
    assert http.body == "", "text, in which Envoy replaces bytes"
    return (
        bytes(http.raw_body),
        call.attributes.context_extensions.get("body"),
        ",".join(words) or None,
    )


def chunked(edge: StubbedEdge, *chunks: bytes) -> int:
    """The status of a POST in chunks."""
    edge.context.set_alpn_protocols(["http/1.1"])
    head = b"POST /sales/x HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    with (
        socket.create_connection(("127.0.0.1", edge.envoy.port), timeout=15) as plain,
        edge.context.wrap_socket(plain, server_hostname="localhost") as channel,
    ):
        channel.sendall(head + body)
        return int(channel.recv(65_536).split()[1])


@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
def test_a_body_is_shown_whole_and_in_bytes(edge: StubbedEdge, method: str) -> None:
    """Whatever the method, and the warehouse gets the very same."""
    assert edge.ask("/sales/x", method=method, body=BODY).status == 200
    assert shown(edge) == (BODY, "whole", "false")
    (seen,) = edge.warehouse.take()
    assert seen.body == BODY


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_no_body_is_said_to_be_none(edge: StubbedEdge, method: str) -> None:
    """So that a statement in the query alone can be told from one that a body continues."""
    assert edge.ask("/sales/x", method=method).status == 200
    assert shown(edge) == (b"", "whole", None)


def test_http2_without_a_length(edge: StubbedEdge) -> None:
    """A body that no header announces is shown all the same."""
    for body, word in ((BODY, "false"), (b"", "false"), (None, None)):
        reply = ask_http2(edge.envoy.port, edge.context, "/sales/x", method="POST", body=body)
        assert reply.status == 200
        assert shown(edge) == (body or b"", "whole", word)


def test_chunks(edge: StubbedEdge) -> None:
    """They are put together before anybody is asked."""
    assert chunked(edge, b"sel", b"ect 1") == 200
    assert shown(edge) == (b"select 1", "whole", "false")


def test_a_body_that_is_too_long(edge: StubbedEdge) -> None:
    """Is refused by Envoy; neither Scopegate nor the warehouse is asked."""
    assert edge.ask("/sales/x", method="POST", body=b"x" * MAX_BODY_BYTES).status == 200
    assert shown(edge)[0] == b"x" * MAX_BODY_BYTES
    edge.warehouse.reset()
    assert edge.ask("/sales/x", method="POST", body=b"x" * (MAX_BODY_BYTES + 1)).status == 413
    assert chunked(edge, b"x" * MAX_BODY_BYTES, b"x") == 413
    assert edge.stub.take() == []
    assert edge.warehouse.take() == []


def test_clients_cannot_say_that_a_body_is_whole(edge: StubbedEdge) -> None:
    """The header is Envoy's own."""
    for word in ("true", "false"):
        headers = [("x-envoy-auth-partial-body", word)]
        assert edge.ask("/sales/x", method="POST", headers=headers).status == 200
        assert shown(edge) == (b"", "whole", None)


def test_without_guardrails_no_body_is_shown(edge: StubbedEdge) -> None:
    """However long it is: it is not kept anywhere on the way. Nor is that of a request that belongs nowhere."""
    body = b"x" * (2 * MAX_BODY_BYTES)
    assert edge.ask("/plain/x", allow("plain"), method="POST", body=body).status == 200
    assert shown(edge) == (b"", None, None)
    (seen,) = edge.warehouse.take()
    assert seen.body == body
    answer = deny(5, 404, "route_unknown")
    assert edge.ask("/elsewhere", answer, method="POST", body=body).status == 404
    assert shown(edge) == (b"", None, None)
