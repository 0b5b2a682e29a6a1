"""TLS towards clients and towards warehouses."""

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls
from envoy_data_plane.envoy.type.matcher import v3 as matcher

from authz.edge.address import TcpAddress
from authz.edge.messages import EdgeError, pack
from authz.policy.policyset import EdgeSettings

_TLS_SOCKET = "envoy.transport_sockets.tls"
_PARAMETERS = tls.TlsParameters(tls_minimum_protocol_version=tls.TlsParametersTlsProtocol.TLSv1_2)


def client_socket(edge: EdgeSettings) -> core.TransportSocket:
    """TLS 1.2 or newer for clients; a client certificate that is sent must verify, whether or not one is required.

    Raises `EdgeError`.
    """
    if edge.require_client_certificate and edge.client_ca is None:
        raise EdgeError(
            "edge.client_ca: got nothing, expected a PEM file, since client certificates are required"
        )
    common = tls.CommonTlsContext(
        tls_params=_PARAMETERS,
        alpn_protocols=["h2", "http/1.1"],
        tls_certificates=[
            tls.TlsCertificate(
                certificate_chain=core.DataSource(filename=edge.certificate),
                private_key=core.DataSource(filename=edge.private_key),
            )
        ],
    )
    if edge.client_ca is not None:
        common.validation_context = tls.CertificateValidationContext(
            trusted_ca=core.DataSource(filename=edge.client_ca)
        )
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
