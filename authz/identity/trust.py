"""Whose client certificates are believed, and what kind of name is read from them."""

from dataclasses import dataclass
from enum import StrEnum


class CertificateNames(StrEnum):
    """The one kind of subject alternative name that is the identity (RFC 5280 section 4.2.1.6)."""

    SPIFFE = "spiffe"
    DNS = "dns"
    EMAIL = "email"


class CrlCheck(StrEnum):
    """Whose revocation must be known."""

    LEAF = "leaf"
    """The client's."""
    CHAIN = "chain"
    """The client's, and that of every authority between it and the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateTrust:
    """One `client_certificates` entry. `roots` and `intermediates` are PEM files; all blocks of each are read.

    For SPIFFE, `roots` may be a SPIFFE bundle (a key set with certificates). `crls` are files with revocation lists
    in PEM or DER; without any, revocation is not looked at.
    """

    name: str
    roots: str
    identity: CertificateNames
    trust_domain: str | None = None
    """For SPIFFE: the only trust domain that these roots may vouch for."""
    intermediates: str | None = None
    crls: tuple[str, ...] = ()
    crl_check: CrlCheck = CrlCheck.LEAF

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that the entry names."""
        return (self.roots, *(() if self.intermediates is None else (self.intermediates,)), *self.crls)

    def __post_init__(self) -> None:
        if (self.identity is CertificateNames.SPIFFE) != (self.trust_domain is not None):
            raise ValueError(
                f"client certificates `{self.name}`: a trust domain belongs to identity `spiffe`, and only there"
            )
