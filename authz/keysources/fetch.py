"""One bounded, suspicious HTTP GET.

Each call makes its own connection: no address that was judged once is used again for another name, and a
changed CA file is in force at once.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from authz import __version__
from authz.keysources.addresses import is_public_address

MAX_DOCUMENT_BYTES = 1_048_576
TOTAL_SECONDS = 10.0
CONNECT_SECONDS = 5.0

USER_AGENT = f"scopegate/{__version__}"

_CHUNK_BYTES = 65_536
_MAX_AGE = re.compile(r"max-age=([0-9]{1,9})\Z", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}\Z", re.ASCII)
_AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]


class FetchError(Exception):
    """A document could not be had. The message is for operators: it names the URL, never the document's content."""


class _RefusedAddressError(OSError):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRules:
    """What is opened of what is closed by default; `ca_file` replaces the system's roots."""

    allow_http: bool = False
    allow_private_addresses: bool = False
    ca_file: str | None = None
    total_seconds: float = TOTAL_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A document; `max_age` is how long it is fresh, in seconds, None if that is not said."""

    body: bytes
    etag: str | None
    max_age: int | None


def check_url(text: str, rules: FetchRules) -> URL:
    """The URL, if it may be fetched at all. Raises `FetchError`."""
    try:
        url = URL(text)
        host = url.host
    except ValueError:
        raise FetchError("the URL cannot be read") from None
    if not host or url.user is not None or url.password is not None or "#" in text:
        raise FetchError("a URL needs a host and has neither user, password nor fragment")
    if url.scheme == "https" or (url.scheme == "http" and rules.allow_http):
        return url
    raise FetchError(f"{host}: got scheme `{url.scheme}`, expected `https` (`allow_http` opens `http`)")


async def fetch_document(text: str, rules: FetchRules, *, last: Fetched | None = None) -> Fetched:
    """GET one document of at most `MAX_DOCUMENT_BYTES` within `rules.total_seconds`. Raises `FetchError`.

    `last` is the last answer from this very URL: it is given back if the server says that it still holds.
    Redirects are not followed (they lead where nobody configured), bodies are not decompressed (a small
    one could be huge), proxies of the environment are not asked.
    """
    url = check_url(text, rules)
    place = f"{url.origin()}{url.raw_path}"
    headers = {
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": USER_AGENT,
    }
    if last is not None and last.etag is not None:
        headers["if-none-match"] = last.etag
    try:
        connector = await make_connector(rules, force_close=True)
        timeout = aiohttp.ClientTimeout(total=rules.total_seconds, connect=CONNECT_SECONDS)
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            return await _read(response, place, last)
    except FetchError:
        raise
    except TimeoutError:
        raise FetchError(f"{place}: no complete answer within {rules.total_seconds:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise FetchError(f"{place}: {cause_of(error)}") from None


async def _read(response: aiohttp.ClientResponse, place: str, last: Fetched | None) -> Fetched:
    max_age = _max_age(response.headers)
    if response.status == 304 and last is not None and last.etag is not None:
        return Fetched(body=last.body, etag=last.etag, max_age=max_age)
    if 300 <= response.status < 400:
        raise FetchError(f"{place}: answered {response.status}; redirects are not followed")
    if response.status != 200:
        raise FetchError(f"{place}: answered {response.status}, expected 200")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchError(f"{place}: the answer is compressed, which was not asked for")
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_DOCUMENT_BYTES:
            raise FetchError(f"{place}: the document is larger than {MAX_DOCUMENT_BYTES} bytes")
    return Fetched(body=bytes(body), etag=_etag(response.headers), max_age=max_age)


def _etag(headers: Mapping[str, str]) -> str | None:
    value = headers.get("etag")
    return value if value is not None and len(value) <= 1_024 and value.isascii() else None


def _max_age(headers: Mapping[str, str]) -> int | None:
    """How much longer the answer is fresh (RFC 9111 sections 4.2 and 5.2.2); None if not said or not to be kept."""
    directives = [part.strip().lower() for part in headers.get("cache-control", "").split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return None
    named = next((int(found[1]) for part in directives if (found := _MAX_AGE.match(part))), None)
    # What a cache on the way has held for a while is fresh for so much less.
    age = headers.get("age", "0")
    return None if named is None else max(0, named - (int(age) if _SECONDS.match(age) else 0))


async def make_connector(rules: FetchRules, **options: Any) -> aiohttp.TCPConnector:
    """A connector that verifies TLS and judges each address that it connects to. Raises `FetchError`."""
    return aiohttp.TCPConnector(
        ssl=await asyncio.to_thread(_tls_context, rules.ca_file),
        use_dns_cache=False,
        socket_factory=_socket if rules.allow_private_addresses else _public_socket,
        **options,
    )


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise FetchError(f"{ca_file}: no CA certificates: {error.strerror or type(error).__name__}") from None


def _socket(address: _AddressInfo) -> socket.socket:
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


def _public_socket(address: _AddressInfo) -> socket.socket:
    # INVARIANT: this is the very address that is connected to; a name that resolves anew in between (DNS
    # rebinding), or a literal address in the URL, passes here all the same.
    where = str(address[4][0])
    if not is_public_address(where):
        raise _RefusedAddressError(
            f"{where} is not a public address (`allow_private_addresses` opens private ones)"
        )
    return _socket(address)


def cause_of(error: BaseException) -> str:
    """The most telling message of a chain of exceptions, on one line."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        if isinstance(current, _RefusedAddressError):
            return str(current)
        current = current.__cause__ or current.__context__
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the TLS certificate is not trusted: {error.certificate_error}"
    return " ".join(str(error).split())[:300] or type(error).__name__
