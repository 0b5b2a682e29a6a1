"""Envoy's question becomes an `AccessRequest`: the only reader of CheckRequest.

Envoy's own documentation of the fields:
https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/attribute_context.proto
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from google.protobuf.message import DecodeError

from authz._pb.envoy.config.core.v3.address_pb2 import Address
from authz._pb.envoy.service.auth.v3.attribute_context_pb2 import AttributeContext
from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from authz.errors import Denied, Reason
from authz.request import PARTIAL_BODY_HEADER, AccessRequest, checked_method, normal_host, split_target

WAREHOUSE_EXTENSION: Final = "warehouse"
"""The `context_extensions` key in which Envoy's route says which warehouse it will connect to."""

_MAX_REQUEST_ID_CHARACTERS: Final = 128

_parse: Final[Callable[[bytes], CheckRequest]] = CheckRequest.FromString
_host = lru_cache(1024)(normal_host)
_certificate = lru_cache(1024)(unquote)  # not unquote_plus: Envoy leaves no `+` in base64 unescaped


def parse_check_request(data: bytes) -> AccessRequest:
    """The request that Envoy asks about, checked in form and believed in nothing.

    Raises `Denied`: `request_malformed` for bytes that are no CheckRequest (text outside UTF-8 included) and
    for a target, host or method that could be read in two ways; `protocol_unsupported` for a connection
    without an HTTP request (Envoy's network filter).
    """
    try:
        attributes = _parse(data).attributes
    except DecodeError:
        # The parser's own text may quote the message.
        raise Denied(Reason.REQUEST_MALFORMED, "not a CheckRequest: the protobuf is invalid") from None
    http = attributes.request.http
    if not http.method and not attributes.request.HasField("http"):
        raise Denied(Reason.PROTOCOL_UNSUPPORTED, "the check has no HTTP request in it")
    if http.query or http.fragment:
        # Envoy never fills them; a peer that does could mean another target than `path` says.
        raise Denied(Reason.REQUEST_AMBIGUOUS, "the query or fragment stands beside the path")
    headers = _headers(http)
    path, query = split_target(http.path)
    source = attributes.source
    extensions = attributes.context_extensions
    hint = extensions.get(WAREHOUSE_EXTENSION)
    return AccessRequest(
        method=checked_method(http.method),
        host=_host(http.host),
        path=path,
        query=query,
        scheme=http.scheme,
        headers=headers,
        certificate_pem=_certificate(source.certificate) or None,
        source_address=address_of(source.address),
        tls_sni=attributes.tls_session.sni,
        request_id=_request_id(headers, http.id),
        body=_body(http, headers),
        warehouse_hint=hint,
        # Our own routes set the one extension: copying the whole map costs three times as much.
        context={WAREHOUSE_EXTENSION: hint}
        if hint is not None and len(extensions) == 1
        else dict(extensions),
    )


def _headers(http: AttributeContext.HttpRequest) -> dict[str, tuple[str, ...]]:
    """Headers by lower-case name, each value as Latin-1, so that no byte is lost or replaced.

    With `encode_raw_headers` Envoy keeps duplicates apart in `header_map`; without it `headers` holds
    them joined by commas. Pseudo headers (RFC 9113 section 8.3) are left out: `path` and `host` say it.
    """
    found: dict[str, tuple[str, ...]] = {}
    raw = http.header_map.headers
    if not raw:
        return {
            name.lower(): (value if value.isascii() else value.encode().decode("latin-1"),)
            for name, value in http.headers.items()
            if name[:1] != ":"
        }
    if http.headers:
        raise Denied(Reason.REQUEST_AMBIGUOUS, "the headers came in two forms")
    pairs = [(header.key, header.raw_value) for header in raw]
    for name, value in pairs:
        if name[0:1] == ":":
            continue
        if name in found or not name.islower():
            return _repeated_headers(pairs)
        found[name] = (value.decode("latin-1"),)
    return found


def _repeated_headers(pairs: Iterable[tuple[str, bytes]]) -> dict[str, tuple[str, ...]]:
    """The same for a name that comes more than once, or in capitals."""
    found: dict[str, tuple[str, ...]] = {}
    for key, value in pairs:
        name = key.lower()
        if name[:1] != ":":
            found[name] = (*found.get(name, ()), value.decode("latin-1"))
    return found


def address_of(address: Address) -> str:
    """The peer's IP address as Envoy reports it, or the path of its UNIX socket."""
    return address.socket_address.address or address.pipe.path


def _request_id(headers: Mapping[str, tuple[str, ...]], stream_id: str) -> str:
    """`x-request-id`, which Envoy sets or replaces at the edge; else the id of the stream."""
    values = headers.get("x-request-id")
    return (values[0] if values and len(values) == 1 else stream_id)[:_MAX_REQUEST_ID_CHARACTERS]


def _body(http: AttributeContext.HttpRequest, headers: Mapping[str, tuple[str, ...]]) -> bytes | None:
    """The whole body in bytes, or None where Envoy was not told to send it.

    `body` (text, without `pack_as_bytes`) is not looked at: Envoy replaces bytes in it, so what was inspected
    would not be what is executed. A body that Envoy cut is none.
    """
    if not http.raw_body or headers.get(PARTIAL_BODY_HEADER, ("false",)) != ("false",):
        return None
    return http.raw_body
