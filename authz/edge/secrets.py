"""Envoy's own certificates, and the files that have it follow them (SDS).

Envoy reads a certificate that stands in its configuration once. One that comes from a file of secrets is read again
whenever a file is moved into the directory that it lies in: by `mv`, or by kubelet, which swaps one link.
https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret
"""

from pathlib import PurePosixPath
from typing import Final

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls
from envoy_data_plane.envoy.service.discovery import v3 as discovery

from authz.edge.messages import EdgeError, pack, to_yaml
from authz.policy.policyset import EdgeSettings

SERVER_CERTIFICATE: Final = "server_certificate"
CLIENT_AUTHORITIES: Final = "client_authorities"

_HEADER: Final = """\
# Where Envoy finds a certificate, and that it follows it; written by `scopegate envoy secrets`.
# Beside Envoy's configuration, rendered with `--secrets` and this directory. Do not edit.
"""


def server_certificate(edge: EdgeSettings, *, watch: bool = False) -> tls.TlsCertificate:
    directories = {PurePosixPath(name).parent for name in (edge.certificate, edge.private_key)}
    return tls.TlsCertificate(
        certificate_chain=core.DataSource(filename=edge.certificate),
        private_key=core.DataSource(filename=edge.private_key),
        # With two directories each file is watched by itself, which a swapped link above it does not wake.
        watched_directory=_directory(edge.certificate) if watch and len(directories) == 1 else None,
    )


def client_authorities(client_ca: str, *, watch: bool = False) -> tls.CertificateValidationContext:
    return tls.CertificateValidationContext(
        trusted_ca=core.DataSource(filename=client_ca),
        watched_directory=_directory(client_ca) if watch else None,
    )


def followed(secrets: str, name: str) -> tls.SdsSecretConfig:
    """Where Envoy finds a secret. Raises `EdgeError` for a directory that is not absolute."""
    if not secrets.startswith("/"):
        raise EdgeError(f"secrets: got `{secrets}`, expected an absolute path")
    place = PurePosixPath(secrets)
    return tls.SdsSecretConfig(
        name=name,
        sds_config=core.ConfigSource(
            resource_api_version=core.ApiVersion.V3,
            path_config_source=core.PathConfigSource(
                path=str(place / f"{name}.yaml"), watched_directory=core.WatchedDirectory(path=str(place))
            ),
        ),
    )


def secret_files(edge: EdgeSettings) -> dict[str, str]:
    """The files of the directory of secrets, by name. No secret stands in them, only where it is."""
    secrets = [tls.Secret(name=SERVER_CERTIFICATE, tls_certificate=server_certificate(edge, watch=True))]
    if edge.client_ca is not None:
        secrets.append(
            tls.Secret(
                name=CLIENT_AUTHORITIES, validation_context=client_authorities(edge.client_ca, watch=True)
            )
        )
    return {f"{secret.name}.yaml": _resource(secret) for secret in secrets}


def _resource(secret: tls.Secret) -> str:
    return _HEADER + to_yaml(discovery.DiscoveryResponse(resources=[pack(secret)]))


def _directory(file: str) -> core.WatchedDirectory:
    return core.WatchedDirectory(path=str(PurePosixPath(file).parent))
