"""What is data about issuers and trusts is checked where it is made."""

import pytest

from authz.identity.trust import CertificateNames, CertificateTrust
from tests.tokens import make_issuer


@pytest.mark.parametrize("field", ["audiences", "algorithms", "token_types"])
def test_an_issuer_without_a_list_is_refused(field: str) -> None:
    """An empty list must not come to mean "any"."""
    with pytest.raises(ValueError, match="must not be empty"):
        make_issuer(**{field: frozenset()})


@pytest.mark.parametrize(
    ("identity", "domain"),
    [
        (CertificateNames.SPIFFE, None),
        (CertificateNames.DNS, "acme.example"),
        (CertificateNames.EMAIL, "acme.example"),
    ],
)
def test_a_trust_domain_belongs_to_spiffe(identity: CertificateNames, domain: str | None) -> None:
    """Roots without a trust domain could speak for every domain."""
    with pytest.raises(ValueError, match="a trust domain belongs to identity `spiffe`"):
        CertificateTrust(name="x", roots="x.pem", identity=identity, trust_domain=domain)
    assert CertificateTrust(name="x", roots="x.pem", identity=CertificateNames.SPIFFE, trust_domain="acme")
