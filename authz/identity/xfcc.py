"""The certificates that a client has sent along, out of Envoy's `x-forwarded-client-cert`.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert

Envoy tells a check the client's own certificate only; what came with it stands in this header, which Envoy sets
and no client can (`SANITIZE_SET`). Nothing of it is believed all the same: the client's own certificate must be
that of the handshake, and the others may complete a chain to a configured root, whoever sent them.

INVARIANT: one element and no second one. Envoy does not quote the names that a certificate carries (`URI=`), so a
name with a comma in it could add an element; `authz.edge` has Envoy write no names where this header is read.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import quote, unquote

from cryptography import x509

from authz.errors import Denied, Reason
from authz.identity.certificates import usable_authorities
from authz.identity.credentials import CLIENT_CHAIN_HEADER
from authz.identity.pem import PemError, parse_certificate_blocks

MAX_XFCC_CHARACTERS = 49_152
MAX_SENT_ALONG = 8
"""Most certificates beside the client's own; each may cost a signature to verify."""

_REMEMBERED = 256
_KEYS = frozenset({"by", "hash", "cert", "chain", "subject", "uri", "dns"})
_REPEATED = frozenset({"by", "uri", "dns"})
"""A certificate may have several names of these kinds."""

# A value with a separator in it must be quoted; in quotes, a quote or a backslash stands behind a backslash.
_PAIR = re.compile(r'([A-Za-z]+)=(?:"((?:[^"\\]|\\["\\])*)"|([^",;\\]*))(;|,|\Z)', re.ASCII)
_ENCODED_PEM = re.compile(r"(?:[A-Za-z0-9\-]|%[0-9A-F]{2})*\Z", re.ASCII)


class XfccError(ValueError):
    """The header is not what Envoy writes. Never quotes the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientChain:
    """`leaf` is the SHA-256 of the DER form of the client's own certificate; `authorities` are by that digest, too."""

    leaf: bytes
    authorities: Mapping[bytes, x509.Certificate] = field(repr=False)


NO_AUTHORITIES: Mapping[bytes, x509.Certificate] = MappingProxyType({})


def parse_xfcc(value: str) -> dict[str, tuple[str, ...]]:
    """The values of the one element of the header, by lower-case key. Raises `XfccError`."""
    if len(value) > MAX_XFCC_CHARACTERS:
        raise XfccError(f"got {len(value)} characters, expected at most {MAX_XFCC_CHARACTERS}")
    found: dict[str, tuple[str, ...]] = {}
    position = 0
    while True:
        pair = _PAIR.match(value, position)
        if pair is None:
            raise XfccError("not a list of keys and values")
        key, end = pair[1].lower(), pair[4]
        if key not in _KEYS:
            raise XfccError("a key that Envoy does not write")
        if key in found and key not in _REPEATED:
            raise XfccError(f"`{key}` stands twice")
        text = pair[3] if pair[2] is None else re.sub(r"\\(.)", r"\1", pair[2])
        found[key] = (*found.get(key, ()), text)
        if end == ",":
            raise XfccError("several elements, of which a client could have made all but one")
        if not end:
            return found
        position = pair.end()


@lru_cache(_REMEMBERED)
def parse_client_chain(value: str) -> ClientChain:
    """The client's own certificate and what came with it. Raises `XfccError`."""
    element = parse_xfcc(value)
    if "chain" not in element or "hash" not in element:
        raise XfccError("no `Chain` or no `Hash`")
    encoded = element["chain"][0]
    if not _ENCODED_PEM.match(encoded):
        raise XfccError("`Chain` is not URL-encoded PEM")
    try:
        leaf, *others = parse_certificate_blocks(unquote(encoded))
    except (PemError, ValueError):
        raise XfccError("`Chain` is not URL-encoded PEM of at least one certificate") from None
    if len(others) > MAX_SENT_ALONG:
        raise XfccError(
            f"got {len(others)} certificates beside the client's own, expected at most {MAX_SENT_ALONG}"
        )
    digest = hashlib.sha256(leaf)
    if element["hash"][0] != digest.hexdigest():
        raise XfccError("`Hash` is not that of the first certificate of `Chain`")
    return ClientChain(leaf=digest.digest(), authorities=usable_authorities(others))


def chain_header(pem: str) -> str:
    """What Envoy says of a client that shows these certificates, its own first; anything, if they cannot be read."""
    try:
        leaf = next(iter(parse_certificate_blocks(pem)), b"")
    except PemError:
        leaf = b""
    return f'Hash={hashlib.sha256(leaf).hexdigest()};Chain="{quote(pem, safe="-")}"'


def sent_along(value: str | None, leaf: bytes) -> Mapping[bytes, x509.Certificate]:
    """The authorities that the client with this certificate (SHA-256 of its DER form) has sent along.

    Raises `Denied`: `certificate_malformed` for a header that is not Envoy's, `request_ambiguous` for one about
    another certificate than that of the handshake.
    """
    if value is None:
        return NO_AUTHORITIES
    try:
        chain = parse_client_chain(value)
    except XfccError as error:
        raise Denied(Reason.CERTIFICATE_MALFORMED, f"`{CLIENT_CHAIN_HEADER}`: {error}") from None
    if chain.leaf != leaf:
        raise Denied(
            Reason.REQUEST_AMBIGUOUS,
            f"`{CLIENT_CHAIN_HEADER}` is about another certificate than that of the handshake",
        )
    return chain.authorities
