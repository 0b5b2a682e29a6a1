"""Whose client certificates are believed, and what kind of name is read from them."""

from dataclasses import dataclass
from enum import StrEnum


class CertificateNames(StrEnum):
    """The one kind of subject alternative name that is the identity (RFC 5280 section 4.2.1.6)."""

    SPIFFE = "spiffe"
    DNS = "dns"
    EMAIL = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateTrust:
    """One `client_certificates` entry. `roots` and `intermediates` are PEM files; all blocks of each are read."""

    name: str
    roots: str
    identity: CertificateNames
    trust_domain: str | None = None
    """For SPIFFE: the only trust domain that these roots may vouch for."""
    intermediates: str | None = None

    def __post_init__(self) -> None:
        if (self.identity is CertificateNames.SPIFFE) != (self.trust_domain is not None):
            raise ValueError(
                f"client certificates `{self.name}`: a trust domain belongs to identity `spiffe`, and only there"
            )
