"""Questions as Envoy 1.40 asks them, written with our generated classes."""

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest

HEADERS = {
    ":authority": "warehouse.example",
    ":path": "/api/sales?region=EU",
    ":method": "GET",
    ":scheme": "https",
    "user-agent": "Tableau/2026.3",
    "accept": "application/json",
    "authorization": "Bearer x",
    "x-request-id": "0b1c2d3e",
}


def question(
    *,
    method: str = "GET",
    path: str = "/api/sales?region=EU",
    host: str = "warehouse.example",
    headers: dict[str, str] | None = None,
    warehouse: str | None = "sales",
) -> CheckRequest:
    """A request as it comes with `encode_raw_headers`; `headers` are added to the usual ones."""
    message = CheckRequest()
    attributes = message.attributes
    attributes.source.address.socket_address.address = "192.0.2.7"
    attributes.source.address.socket_address.port_value = 40000
    attributes.destination.address.socket_address.address = "192.0.2.1"
    attributes.tls_session.sni = "warehouse.example"
    if warehouse is not None:
        attributes.context_extensions["warehouse"] = warehouse
    attributes.request.time.FromNanoseconds(1_790_000_000_123_456_789)
    http = attributes.request.http
    http.id, http.method, http.path, http.host = "1234567890", method, path, host
    http.scheme, http.protocol, http.size = "https", "HTTP/2", -1
    for name, value in {**HEADERS, **(headers or {})}.items():
        http.header_map.headers.add(key=name, raw_value=value.encode())
    return message
