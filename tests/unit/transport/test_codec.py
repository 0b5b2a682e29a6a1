"""Reading Envoy's question: strict, lossless, and without a second reading."""

from urllib.parse import quote

import envoy_data_plane.envoy.config.core.v3 as peer_core
import envoy_data_plane.envoy.service.auth.v3 as peer_auth
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from authz.errors import Denied, Reason
from authz.transport.codec import parse_check_request
from tests.unit.transport.questions import question


def _reason(data: bytes) -> Reason:
    with pytest.raises(Denied) as denied:
        parse_check_request(data)
    return denied.value.reason


def test_bytes_that_are_no_protobuf_are_malformed() -> None:
    """A field that ends beyond the message is no CheckRequest."""
    assert _reason(b"\x0a\xff\x01") is Reason.REQUEST_MALFORMED


def test_text_outside_utf_8_is_malformed() -> None:
    """A string field with a byte that is no UTF-8 is refused as a whole, not repaired."""
    data = question(path="/api/QQQQ").SerializeToString().replace(b"/api/QQQQ", b"/api/Q\xffQQ")
    assert _reason(data) is Reason.REQUEST_MALFORMED


@pytest.mark.parametrize("data", [b"", CheckRequest(attributes={}).SerializeToString()])
def test_an_empty_question_is_refused(data: bytes) -> None:
    """No attributes, no HTTP request: nothing to decide on."""
    assert _reason(data) is Reason.PROTOCOL_UNSUPPORTED


def test_a_connection_without_an_http_request_is_unsupported() -> None:
    """Envoy's network filter (L4) sends peers and TLS session only."""
    message = question()
    message.attributes.ClearField("request")
    assert _reason(message.SerializeToString()) is Reason.PROTOCOL_UNSUPPORTED


@pytest.mark.parametrize("path", ["", "*", "/a/../b", "/a%2fb", "//a", "http://x/", "/a;b", "/a#b"])
def test_a_target_with_two_readings_is_malformed(path: str) -> None:
    """What another parser could read differently is refused here, too."""
    assert _reason(question(path=path).SerializeToString()) is Reason.REQUEST_MALFORMED


@pytest.mark.parametrize("host", ["", "a b", "a.example.", "a/b", "user@a"])
def test_a_host_that_is_no_name_is_malformed(host: str) -> None:
    """A host outside the grammar never meets a route."""
    assert _reason(question(host=host).SerializeToString()) is Reason.REQUEST_MALFORMED


def test_a_method_in_lower_case_is_malformed() -> None:
    """Methods are case-sensitive words; `get` is not GET."""
    assert _reason(question(method="get").SerializeToString()) is Reason.REQUEST_MALFORMED


@pytest.mark.parametrize("field", ["query", "fragment"])
def test_a_query_beside_the_path_is_ambiguous(field: str) -> None:
    """Envoy leaves these fields empty; a second query could be the one that a warehouse sees."""
    message = question()
    setattr(message.attributes.request.http, field, "region=US")
    assert _reason(message.SerializeToString()) is Reason.REQUEST_AMBIGUOUS


def test_headers_in_two_forms_are_ambiguous() -> None:
    """The plain map beside the raw list could say something else."""
    message = question()
    message.attributes.request.http.headers["authorization"] = "Bearer y"
    assert _reason(message.SerializeToString()) is Reason.REQUEST_AMBIGUOUS


def test_a_question_becomes_a_request() -> None:
    """Every fact arrives where it belongs; pseudo headers and the port of the host are gone."""
    request = parse_check_request(question(host="Warehouse.Example:8443").SerializeToString())
    assert (request.method, request.host, request.path) == ("GET", "warehouse.example", "/api/sales")
    assert (request.query, request.scheme) == ("region=EU", "https")
    assert request.source_address == "192.0.2.7"
    assert request.tls_sni == "warehouse.example"
    assert request.warehouse_hint == "sales"
    assert request.request_id == "0b1c2d3e"
    assert request.certificate_pem is None
    assert request.body is None
    assert set(request.headers) == {"user-agent", "accept", "authorization", "x-request-id"}


def test_the_request_does_not_show_its_headers() -> None:
    """A request that is printed by mistake shows no token."""
    assert "Bearer" not in repr(parse_check_request(question().SerializeToString()))


def test_a_duplicate_header_keeps_both_values() -> None:
    """Two values of one header stay two, whatever the case of the name, so that the duplicate can be refused."""
    message = question()
    message.attributes.request.http.header_map.headers.add(key="Authorization", raw_value=b"Bearer y")
    request = parse_check_request(message.SerializeToString())
    assert request.headers["authorization"] == ("Bearer x", "Bearer y")


def test_every_byte_of_a_header_value_is_kept() -> None:
    """Latin-1 maps each byte to one character and back: what is inspected is what the warehouse gets."""
    message = question()
    message.attributes.request.http.header_map.headers.add(key="x-any", raw_value=bytes(range(256)))
    request = parse_check_request(message.SerializeToString())
    assert request.headers["x-any"][0].encode("latin-1") == bytes(range(256))


def test_the_plain_map_is_read_where_the_raw_list_is_empty() -> None:
    """Without `encode_raw_headers` the same request means the same, beyond ASCII, too."""
    message = question(headers={"x-name": "Zoë"})
    raw = parse_check_request(message.SerializeToString())
    http = message.attributes.request.http
    for header in http.header_map.headers:
        http.headers[header.key] = header.raw_value.decode()
    http.ClearField("header_map")
    assert parse_check_request(message.SerializeToString()) == raw


def test_the_certificate_is_unquoted() -> None:
    """Envoy URL-encodes the PEM text; a plus sign in it is a plus sign."""
    pem = "-----BEGIN CERTIFICATE-----\nAB+/=\n-----END CERTIFICATE-----\n"
    message = question()
    message.attributes.source.certificate = quote(pem, safe="")
    assert parse_check_request(message.SerializeToString()).certificate_pem == pem
    message.attributes.source.certificate = pem.replace("\n", "%0A")
    assert parse_check_request(message.SerializeToString()).certificate_pem == pem


def test_a_peer_on_a_unix_socket_has_its_path_for_an_address() -> None:
    """A downstream connection may come through a pipe."""
    message = question()
    message.attributes.source.address.pipe.path = "/run/x.sock"
    assert parse_check_request(message.SerializeToString()).source_address == "/run/x.sock"


def test_a_cut_body_is_no_body() -> None:
    """A decision on the first part of a statement is no decision on the statement."""
    message = question(headers={"x-envoy-auth-partial-body": "true"})
    message.attributes.request.http.raw_body = b"SELECT 1"
    assert parse_check_request(message.SerializeToString()).body is None


def test_a_whole_body_is_kept_as_bytes() -> None:
    """With `pack_as_bytes` the body arrives as it was sent."""
    message = question(headers={"x-envoy-auth-partial-body": "false"})
    message.attributes.request.http.raw_body = b"SELECT '\xff'"
    assert parse_check_request(message.SerializeToString()).body == b"SELECT '\xff'"


def test_a_body_in_text_form_is_not_looked_at() -> None:
    """Envoy replaces bytes in the text form, so what was inspected would not be what is executed."""
    message = question()
    message.attributes.request.http.body = "SELECT 1"
    assert parse_check_request(message.SerializeToString()).body is None


def test_the_stream_id_stands_in_for_a_missing_request_id() -> None:
    """Without `x-request-id`, and with two of them, there is still one id to search for."""
    assert parse_check_request(question().SerializeToString()).request_id == "0b1c2d3e"
    twice = question()
    twice.attributes.request.http.header_map.headers.add(key="x-request-id", raw_value=b"other")
    assert parse_check_request(twice.SerializeToString()).request_id == "1234567890"


def test_a_question_of_the_independent_implementation_is_read_alike() -> None:
    """envoy-data-plane's classes write the same bytes' meaning as ours."""
    theirs = peer_auth.CheckRequest(
        attributes=peer_auth.AttributeContext(
            source=peer_auth.AttributeContextPeer(
                address=peer_core.Address(
                    socket_address=peer_core.SocketAddress(address="192.0.2.7", port_value=1)
                )
            ),
            request=peer_auth.AttributeContextRequest(
                http=peer_auth.AttributeContextHttpRequest(
                    method="POST",
                    path="/api/sales",
                    host="warehouse.example",
                    raw_body=b"SELECT 1",
                    header_map=peer_core.HeaderMap(
                        headers=[peer_core.HeaderValue(key="authorization", raw_value=b"Bearer x")]
                    ),
                )
            ),
            context_extensions={"warehouse": "sales", "other": "1"},
        )
    )
    request = parse_check_request(bytes(theirs))
    assert (request.method, request.path, request.body) == ("POST", "/api/sales", b"SELECT 1")
    assert request.headers == {"authorization": ("Bearer x",)}
    assert request.context == {"warehouse": "sales", "other": "1"}


@settings(max_examples=300)
@given(data=st.binary(max_size=200), start=st.integers(0, 400), length=st.integers(0, 20))
def test_any_bytes_give_a_request_or_a_denial(data: bytes, start: int, length: int) -> None:
    """Damage anywhere in a question never raises anything but `Denied`."""
    good = question().SerializeToString()
    for candidate in (data, good[:start] + data + good[start + length :]):
        try:
            parse_check_request(candidate)
        except Denied:
            continue
