"""The development CA, held against an independent verifier."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from authz.demo.ca import DevelopmentCA

JOB = "spiffe://acme.example/tableau/extract"


def _store(ca: DevelopmentCA) -> Store:
    return Store([x509.load_pem_x509_certificate(ca.root_pem)])


def test_a_certificate_of_another_ca_with_the_same_name_does_not_verify(tmp_path: Path) -> None:
    """The impostor's certificate says the right words; only the signature is somebody else's."""
    leaf = x509.load_pem_x509_certificate(
        DevelopmentCA("clients").issue_client(tmp_path, "job", JOB).certificate.read_bytes()
    )
    verifier = PolicyBuilder().store(_store(DevelopmentCA("clients"))).build_client_verifier()
    with pytest.raises(VerificationError):
        verifier.verify(leaf, [])


def test_a_client_certificate_verifies_and_carries_its_spiffe_id(tmp_path: Path) -> None:
    """Exactly one name, of the kind that SPIFFE asks for (X.509-SVID section 2)."""
    ca = DevelopmentCA("clients")
    leaf = x509.load_pem_x509_certificate(ca.issue_client(tmp_path, "job", JOB).certificate.read_bytes())
    verified = PolicyBuilder().store(_store(ca)).build_client_verifier().verify(leaf, [])
    assert verified.subjects == [x509.UniformResourceIdentifier(JOB)]


def test_a_server_certificate_verifies_for_its_hosts_only(tmp_path: Path) -> None:
    """DNS names and addresses are told apart."""
    ca = DevelopmentCA("servers")
    files = ca.issue_server(tmp_path, "tls", ("localhost", "127.0.0.1"))
    leaf = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    builder = PolicyBuilder().store(_store(ca)).time(datetime.now(UTC))
    with pytest.raises(VerificationError):
        builder.build_server_verifier(x509.DNSName("other.example")).verify(leaf, [])
    assert builder.build_server_verifier(x509.DNSName("localhost")).verify(leaf, [])


def test_a_private_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """Also on a machine with other users."""
    files = DevelopmentCA("clients").issue_client(tmp_path, "job", JOB)
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
