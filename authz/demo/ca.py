"""A development certification authority: keys that live as long as the demo's directory does."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=30)
_BACKDATED = timedelta(minutes=5)
_SIGNING_ONLY = {
    "digital_signature": True,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """A PEM chain (leaf first) and its PEM private key, which only the owner of the file may read."""

    certificate: Path
    key: Path


class DevelopmentCA:
    """One root. Its key stays in memory: after the demo nobody can issue anything under it."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        self._root = (
            _builder(subject, subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    **{**_SIGNING_ONLY, "digital_signature": False, "key_cert_sign": True, "crl_sign": True}
                ),
                critical=True,
            )
            .sign(self._key, hashes.SHA256())
        )

    @property
    def root_pem(self) -> bytes:
        return self._root.public_bytes(serialization.Encoding.PEM)

    def write_root(self, path: Path) -> Path:
        path.write_bytes(self.root_pem)
        return path

    def issue_server(self, directory: Path, name: str, hosts: tuple[str, ...]) -> CertificateFiles:
        """A server certificate for `hosts` (DNS names and addresses) as `name.crt` and `name.key`."""
        return self._issue(
            directory, name, [_general_name(host) for host in hosts], ExtendedKeyUsageOID.SERVER_AUTH
        )

    def issue_client(self, directory: Path, name: str, spiffe_id: str) -> CertificateFiles:
        """A client certificate whose only name is a SPIFFE ID (an X.509-SVID), as `name.crt` and `name.key`."""
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(spiffe_id)]
        return self._issue(directory, name, names, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self, directory: Path, name: str, names: list[x509.GeneralName], usage: x509.ObjectIdentifier
    ) -> CertificateFiles:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = (
            _builder(_name(name), self._root.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**_SIGNING_ONLY), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        files = CertificateFiles(certificate=directory / f"{name}.crt", key=directory / f"{name}.key")
        files.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
        files.key.touch(mode=0o600)
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
