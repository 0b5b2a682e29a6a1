"""Bounded, suspicious HTTP POSTs to one place, over connections that are kept.

The same rules as for documents (`fetch`): TLS verified, no redirects, addresses judged at the moment of the
connection, nothing compressed, no proxies of the environment.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp

from authz.keysources.fetch import (
    CONNECT_SECONDS,
    USER_AGENT,
    FetchError,
    FetchRules,
    cause_of,
    check_url,
    make_connector,
)

MAX_ANSWER_BYTES: Final = 131_072
_KEEPALIVE_SECONDS: Final = 30.0
_CHUNK_BYTES: Final = 16_384


class Poster:
    """Posts forms under `rules`. A changed CA file is in force with the next request. For one event loop."""

    def __init__(self, rules: FetchRules, *, most_connections: int) -> None:
        self._rules = rules
        self._most_connections = most_connections
        self._session: aiohttp.ClientSession | None = None
        self._roots: object = None
        self._opening = asyncio.Lock()

    async def post(self, text: str, headers: Mapping[str, str], fields: Mapping[str, str]) -> bytes:
        """The body of the answer with status 200. Raises `FetchError`, which says neither headers nor fields."""
        url = check_url(text, self._rules)
        place = f"{url.origin()}{url.raw_path}"
        session = await self._opened()
        try:
            async with session.post(
                url, headers=dict(headers), data=dict(fields), allow_redirects=False
            ) as response:
                return await _read(response, place)
        except FetchError:
            raise
        except TimeoutError:
            raise FetchError(f"{place}: no complete answer within {self._rules.total_seconds:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(f"{place}: {cause_of(error)}") from None

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _opened(self) -> aiohttp.ClientSession:
        async with self._opening:
            roots = _state(self._rules.ca_file)
            if self._session is not None and roots != self._roots:
                await self.close()
            if self._session is None:
                self._session = aiohttp.ClientSession(
                    connector=await make_connector(
                        self._rules, limit=self._most_connections, keepalive_timeout=_KEEPALIVE_SECONDS
                    ),
                    timeout=aiohttp.ClientTimeout(total=self._rules.total_seconds, connect=CONNECT_SECONDS),
                    auto_decompress=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers={
                        "accept": "application/json",
                        "accept-encoding": "identity",
                        "user-agent": USER_AGENT,
                    },
                )
                self._roots = roots
            return self._session


async def _read(response: aiohttp.ClientResponse, place: str) -> bytes:
    if response.status != 200:
        raise FetchError(f"{place}: answered {response.status}, expected 200")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchError(f"{place}: the answer is compressed, which was not asked for")
    if response.content_type != "application/json":
        raise FetchError(f"{place}: the answer is not `application/json`")
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise FetchError(f"{place}: the answer is larger than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _state(file: str | None) -> object:
    """What changes when a file is replaced."""
    if file is None:
        return None
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
