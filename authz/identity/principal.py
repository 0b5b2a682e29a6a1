"""The verified actor."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NewType

Claims = NewType("Claims", Mapping[str, object])
"""Claims of a token whose signature, issuer, audience and lifetime have been verified."""

NO_CLAIMS = Claims(MappingProxyType({}))


class Method(StrEnum):
    """How a principal proved who it is."""

    TOKEN = "token"
    CERTIFICATE = "certificate"
    WAREHOUSE = "warehouse"
    """It proved it to the warehouse, which has told us: of its claims and its request nothing is known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateIdentity:
    """What a verified client certificate says, in the one kind of name that its trust asks for."""

    trust: str
    """Name of the `client_certificates` entry whose roots vouch for it."""
    name: str
    """The identity: a SPIFFE ID, a DNS name or an e-mail address, in canonical form."""
    spiffe_id: str | None = None
    dns_name: str | None = None
    email: str | None = None
    fingerprint: str
    """SHA-256 of the DER form, lower-case hex."""
    serial: str
    """Serial number, lower-case hex without leading zeros."""
    not_after: float
    """End of validity in seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Principal:
    """The verified actor: the person of the token, or the machine of the certificate.

    With both, the subject is the token's (the person); the certificate is a further fact about it.
    Equality is identity: a verified principal is kept and reused by digest of its credentials, and
    decisions are remembered per object.
    """

    issuer: str
    """Configured name of the issuer, or of the certificate trust where there is no token."""
    subject: str
    methods: frozenset[Method]
    groups: frozenset[str] = frozenset()
    claims: Claims = field(default_factory=lambda: NO_CLAIMS)
    certificate: CertificateIdentity | None = None
    token_id: str | None = None
    expires_at: float
    """When the first of the credentials ends, or what is known of its revocation; in seconds since the epoch."""

    @property
    def is_of_issuer(self) -> bool:
        """Whether issuer, subject and groups are those of an issuer of tokens, and not of a certificate."""
        return Method.TOKEN in self.methods or Method.WAREHOUSE in self.methods

    @property
    def key(self) -> str:
        """A stable pseudonym for rate limits, logs and metadata: 32 hex digits of issuer and subject."""
        kind = "token" if self.is_of_issuer else "certificate"
        text = f"{kind}\0{self.issuer}\0{self.subject}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
