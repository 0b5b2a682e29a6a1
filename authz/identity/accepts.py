"""Which credentials a warehouse takes, and where in a request they may stand."""

from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Bearer:
    """`Authorization: Bearer <token>` (RFC 6750 section 2.1)."""


@dataclass(frozen=True, slots=True)
class Basic:
    """`Authorization: Basic`, whose password is the token (RFC 7617): all that many a database driver can send.

    The user name must be the token's subject, or what its claim `user_claim` says. The claim is compared and
    nothing else: it never names the principal.
    """

    user_claim: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """A header of this name (lower case) that holds the token, bare or behind `Bearer`."""

    name: str


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie of this name."""

    name: str


TokenPlace = Bearer | Basic | Header | Cookie
BEARER = Bearer()


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedCredentials:
    """`issuers` and `trusts` are configured names; an empty set accepts none of that kind.

    A token may stand in one of `places`, and in one of them only.
    """

    authentication: Authentication
    issuers: frozenset[str]
    trusts: frozenset[str]
    places: tuple[TokenPlace, ...] = (BEARER,)
    client_chain: bool = False
    """Whether Envoy tells which certificates a client has sent along with its own."""
    is_plain: bool = field(init=False, repr=False, compare=False)
    """Whether there is no more to read than what stands behind `Bearer`, and a certificate."""

    def __post_init__(self) -> None:
        """Worked out once, and not in every check."""
        object.__setattr__(self, "is_plain", self.places == (BEARER,) and not self.client_chain)

    @property
    def headers(self) -> frozenset[str]:
        """Names of the headers, beside `authorization` and `cookie`, that a token may stand in."""
        return frozenset(place.name for place in self.places if isinstance(place, Header))

    @property
    def takes_basic(self) -> bool:
        """Whether a token may be the password of HTTP Basic."""
        return any(isinstance(place, Basic) for place in self.places)
