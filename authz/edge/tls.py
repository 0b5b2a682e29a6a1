"""TLS towards clients and towards warehouses."""

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls
from envoy_data_plane.envoy.type.matcher import v3 as matcher

from authz.edge.address import TcpAddress
from authz.edge.messages import EdgeError, pack
from authz.edge.secrets import (
    CLIENT_AUTHORITIES,
    SERVER_CERTIFICATE,
    client_authorities,
    followed,
    server_certificate,
)
from authz.policy.policyset import EdgeSettings

_TLS_SOCKET = "envoy.transport_sockets.tls"
_PARAMETERS = tls.TlsParameters(tls_minimum_protocol_version=tls.TlsParametersTlsProtocol.TLSv1_2)


def client_socket(edge: EdgeSettings, secrets: str | None = None) -> core.TransportSocket:
    """TLS 1.2 or newer for clients; a client certificate that is sent must verify, whether or not one is required.

    `secrets` is the directory of the files that have Envoy follow the certificates. Raises `EdgeError`.
    """
    if edge.require_client_certificate and edge.client_ca is None:
        raise EdgeError(
            "edge.client_ca: got nothing, expected a PEM file, since client certificates are required"
        )
    common = tls.CommonTlsContext(tls_params=_PARAMETERS, alpn_protocols=["h2", "http/1.1"])
    if secrets is None:
        common.tls_certificates = [server_certificate(edge)]
        if edge.client_ca is not None:
            common.validation_context = client_authorities(edge.client_ca)
    else:
        common.tls_certificate_sds_secret_configs = [followed(secrets, SERVER_CERTIFICATE)]
        if edge.client_ca is not None:
            common.validation_context_sds_secret_config = followed(secrets, CLIENT_AUTHORITIES)
    context = tls.DownstreamTlsContext(
        common_tls_context=common, require_client_certificate=edge.require_client_certificate
    )
    return core.TransportSocket(name=_TLS_SOCKET, typed_config=pack(context))


def upstream_socket(host: str, trusted_roots: str) -> core.TransportSocket:
    """TLS towards `host`, whose certificate must carry that name. `trusted_roots` is a PEM file.

    Envoy 1.40 takes `system_root_certs` and then verifies nothing, so the file is always named.
    """
    address = TcpAddress(host=host, port=0)
    kind = tls.SubjectAltNameMatcherSanType
    name = tls.SubjectAltNameMatcher(
        san_type=kind.IP_ADDRESS if address.is_ip else kind.DNS, matcher=matcher.StringMatcher(exact=host)
    )
    context = tls.UpstreamTlsContext(
        common_tls_context=tls.CommonTlsContext(
            tls_params=_PARAMETERS,
            validation_context=tls.CertificateValidationContext(
                trusted_ca=core.DataSource(filename=trusted_roots), match_typed_subject_alt_names=[name]
            ),
            alpn_protocols=["http/1.1"],
        ),
        # RFC 6066 section 3: an address is no server name.
        sni="" if address.is_ip else host,
    )
    return core.TransportSocket(name=_TLS_SOCKET, typed_config=pack(context))
