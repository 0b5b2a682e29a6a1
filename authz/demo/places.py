"""Where the demo's parts live: names of containers in the packaged policy, free ports and a directory here."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from authz.demo.ca import CertificateFiles, DevelopmentCA
from authz.demo.cast import EXTRACT_JOB

COMPOSE_DIRECTORY = "/etc/scopegate"


def packaged_policy() -> str:
    """The demo's policy, as docker-compose.yml uses it and as a newcomer reads it."""
    return files("authz.demo").joinpath("scopegate.yaml").read_text()


class PlaceMissingError(ValueError):
    """A place to be filled in does not occur in the policy."""


def relocate(policy: str, places: Mapping[str, str]) -> str:
    """The policy with each text of `places` replaced; every one must occur, or the demo would use a stale place.

    Raises `PlaceMissingError`.
    """
    for old, new in places.items():
        if old not in policy:
            raise PlaceMissingError(
                f"the policy does not mention `{old}`, which the demo must replace by `{new}`"
            )
        policy = policy.replace(old, new)
    return policy


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Everything that the development CAs issued, and where it lies."""

    edge_root: Path
    edge_root_pem: bytes
    edge: CertificateFiles
    clients_root: Path
    extract_job: CertificateFiles


def write_tls(directory: Path, hosts: tuple[str, ...]) -> TlsFiles:
    """Write a server certificate for `hosts`, a CA for clients and the extract job's certificate into `directory`.

    Two CAs: whoever may issue server certificates must not thereby be able to make an identity that a grant names.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    servers, clients = DevelopmentCA("Scopegate demo servers"), DevelopmentCA("Scopegate demo clients")
    return TlsFiles(
        edge_root=servers.write_root(directory / "ca.pem"),
        edge_root_pem=servers.root_pem,
        edge=servers.issue_server(directory, "tls", hosts),
        clients_root=clients.write_root(directory / "clients-ca.pem"),
        extract_job=clients.issue_client(directory, "extract-job", EXTRACT_JOB),
    )
