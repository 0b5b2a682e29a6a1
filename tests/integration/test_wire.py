"""The service as an independent implementation of Envoy's API sees it: its stub, its messages, real gRPC."""

from collections.abc import Iterator

import envoy_data_plane.envoy.config.core.v3 as core
import envoy_data_plane.envoy.service.auth.v3 as auth
import grpc
import pytest

from tests.integration.scopegate_server import Scopegate, token, write_policy


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[auth.AuthorizationSyncStub]:
    """envoy-data-plane's client of a real server."""
    with Scopegate(write_policy(tmp_path_factory.mktemp("wire"))) as server:
        server.wait_for("ready")
        with grpc.insecure_channel(server.address) as channel:
            yield auth.AuthorizationSyncStub(channel)


def _http(bearer: str | None) -> auth.CheckRequest:
    headers = [core.HeaderValue(key=":path", raw_value=b"/api/sales")]
    if bearer is not None:
        headers.append(core.HeaderValue(key="authorization", raw_value=f"Bearer {bearer}".encode()))
    return auth.CheckRequest(
        attributes=auth.AttributeContext(
            source=_peer("192.0.2.7"),
            destination=_peer("192.0.2.1"),
            request=auth.AttributeContextRequest(
                http=auth.AttributeContextHttpRequest(
                    id="1",
                    method="GET",
                    scheme="https",
                    host="warehouse.example",
                    path="/api/sales?region=EU",
                    size=-1,
                    protocol="HTTP/2",
                    header_map=core.HeaderMap(headers=headers),
                )
            ),
            context_extensions={"warehouse": "sales"},
            tls_session=auth.AttributeContextTlsSession(sni="warehouse.example"),
        )
    )


def _peer(address: str) -> auth.AttributeContextPeer:
    return auth.AttributeContextPeer(
        address=core.Address(socket_address=core.SocketAddress(address=address, port_value=443))
    )


def test_a_connection_without_http_is_denied(stub: auth.AuthorizationSyncStub) -> None:
    """Envoy's network filter (L4) reads the status only: it is set, and no success."""
    question = auth.CheckRequest(
        attributes=auth.AttributeContext(source=_peer("192.0.2.7"), destination=_peer("192.0.2.1"))
    )
    answer = stub.check(question)
    assert answer.status is not None
    assert answer.status.code == 12


def test_a_request_without_credentials_is_denied(stub: auth.AuthorizationSyncStub) -> None:
    """The independent classes find status, body, headers and metadata where they look for them."""
    answer = stub.check(_http(None))
    assert answer.status is not None
    assert answer.status.code == 16
    denied = answer.denied_response
    assert denied is not None
    assert denied.status is not None
    assert denied.status.code == 401
    names = {option.header.key for option in denied.headers if option.header is not None}
    assert {"www-authenticate", "x-scope-decision-id", "content-type", "cache-control"} <= names
    assert answer.ok_response is None
    assert answer.error_response is None


def test_a_good_request_is_allowed_with_its_scope(stub: auth.AuthorizationSyncStub) -> None:
    """And so they do on an allow: each header once, overwriting, none of them removed."""
    answer = stub.check(_http(token()))
    assert answer.status is not None
    assert answer.status.code == 0
    ok = answer.ok_response
    assert ok is not None
    sent = [option.header.key for option in ok.headers if option.header is not None]
    assert "x-scope-json" in sent
    assert len(sent) == len(set(sent))
    assert not set(sent) & set(ok.headers_to_remove)
    assert {option.append_action for option in ok.headers} == {
        core.HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
    }
    assert answer.dynamic_metadata is not None
    assert {"decision_id", "reason", "principal", "scope_id"} <= set(answer.dynamic_metadata.fields)
