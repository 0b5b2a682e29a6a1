"""Short-lived tokens that Scopegate signs: claims of any kind, with issuer and times.

What is signed is the same for every request of a principal to a warehouse, so it can be made once and given to many
of them. It is made anew after half of its life, and so has at least the other half when it leaves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from authz.errors import Denied, Reason
from authz.rendering.circumstances import Circumstances
from authz.scopes.datascope import canonical_json
from authz.signing.jws import sign

MAX_MINTED_BYTES: Final = 8 * 1024
"""Longest token: what common servers take in a header (nginx, Node, Jetty)."""

_FRAME_BYTES: Final = 1024
"""Room for header, dots and the longest signature (RSA with 4,096 bits): whether claims fit must not hang on the key."""


@dataclass(frozen=True, slots=True)
class Minted:
    """A token in compact form. `valid_until` (seconds since the epoch) is when the next one is due, not when it ends."""

    text: str
    valid_until: float


def mint(
    claims: Mapping[str, object], typ: str, circumstances: Circumstances, *, limit: int = MAX_MINTED_BYTES
) -> Minted:
    """The claims with `iss`, `iat` and `exp` (RFC 7519 section 4.1), signed. `limit` is in bytes.

    Raises `Denied`: `not_ready` without keys, `scope_too_large`.
    """
    rule, keys = circumstances.assertion, circumstances.signing
    if rule is None or keys is None:
        raise Denied(Reason.NOT_READY, "the keys to sign with are not loaded")
    issued = int(circumstances.now)
    whole = {**claims, "iss": rule.issuer, "iat": issued, "exp": issued + rule.ttl_seconds}
    check_fits(whole, limit=limit)
    return Minted(sign(whole, typ, keys), issued + rule.ttl_seconds / 2)


def check_fits(claims: Mapping[str, object], *, limit: int = MAX_MINTED_BYTES) -> None:
    """Raise `Denied(scope_too_large)` for claims whose token would be longer than `limit` bytes, whatever the key."""
    size, most = len(canonical_json(claims)), max_claims_bytes(limit)
    if size > most:
        raise Denied(Reason.SCOPE_TOO_LARGE, f"{size} bytes of claims to sign, at most {most} are supported")


def max_claims_bytes(limit: int = MAX_MINTED_BYTES) -> int:
    """How long the JSON of the claims may be for a token of `limit` bytes. Base64 makes four bytes of three."""
    return (limit - _FRAME_BYTES) * 3 // 4
