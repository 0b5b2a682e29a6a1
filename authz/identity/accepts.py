"""Which credentials a warehouse takes."""

from dataclasses import dataclass
from enum import StrEnum


class Authentication(StrEnum):
    """Which kinds of credentials are asked for."""

    TOKEN = "token"
    """A token; a client certificate is not looked at."""
    CERTIFICATE = "certificate"
    """A client certificate; a token is not looked at (and never reaches the warehouse)."""
    ANY = "any"
    """A token, a certificate, or both; whatever is presented must verify."""
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedCredentials:
    """`issuers` and `trusts` are configured names; an empty set accepts none of that kind."""

    authentication: Authentication
    issuers: frozenset[str]
    trusts: frozenset[str]
