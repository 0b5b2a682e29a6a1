"""Where an issuer's keys are: its JWKS URL, or the one that its discovery document names."""

import asyncio

from authz.identity.issuer import Issuer, KeyOrigin
from authz.identity.keyset import KeySet, KeySetError, parse_jwks
from authz.identity.strictjson import StrictJsonError, parse_object
from authz.keysources.fetch import Fetched, FetchError, FetchRules, fetch_document

WELL_KNOWN = "/.well-known/openid-configuration"


def discovery_url(place: str) -> str:
    """OpenID Connect Discovery 1.0 section 4: a trailing slash goes before the path is appended."""
    return place.removesuffix("/") + WELL_KNOWN


def parse_discovery(body: bytes, issuer: Issuer) -> str:
    """The `jwks_uri` of a discovery document. Raises `FetchError`.

    The document must be this issuer's, byte for byte (section 4.3), or one issuer could speak for another.
    """
    try:
        document = parse_object(body)
    except StrictJsonError as error:
        raise FetchError(f"discovery document of issuer `{issuer.name}`: {error}") from None
    if document.get("issuer") != issuer.issuer:
        raise FetchError(f"discovery document of issuer `{issuer.name}`: `issuer` is not `{issuer.issuer}`")
    uri = document.get("jwks_uri")
    if not isinstance(uri, str):
        raise FetchError(f"discovery document of issuer `{issuer.name}`: `jwks_uri` is no string")
    return uri


class RemoteKeys:
    """The keys of one issuer over HTTP, and its last answers, so that only what has changed is sent again."""

    def __init__(self, issuer: Issuer, *, total_seconds: float) -> None:
        self.issuer = issuer
        location = issuer.keys
        self._rules = FetchRules(
            allow_http=location.allow_http,
            allow_private_addresses=location.allow_private_addresses,
            ca_file=location.ca_file,
            total_seconds=total_seconds,
        )
        self._last: dict[str, Fetched] = {}
        self._uri: str | None = None
        self._fetched_at = 0.0

    async def fetch_quickly(self) -> tuple[KeySet, int | None]:
        """`fetch`, but from where the keys were the last time: somebody waits, and each request costs round trips."""
        # INVARIANT: however often somebody waits, the whole way is taken once in the configured time.
        now = asyncio.get_running_loop().time()
        if self._uri is None or now - self._fetched_at > self.issuer.keys.refresh_seconds:
            return await self.fetch()
        try:
            return self._parse(await self._get(self._uri))
        except FetchError:
            # Moved, perhaps.
            return await self.fetch()

    async def fetch(self) -> tuple[KeySet, int | None]:
        """The key set and how long it is said to be fresh, in seconds. Raises `FetchError`."""
        document_url = discovery_url(self.issuer.keys.place)
        uri = self.issuer.keys.place
        if self.issuer.keys.origin is KeyOrigin.DISCOVERY:
            document = await self._get(document_url)
            uri = parse_discovery(document.body, self.issuer)
        keys = await self._get(uri)
        self._uri, self._fetched_at = uri, asyncio.get_running_loop().time()
        # What the issuer does not name any more is forgotten.
        self._last = {url: last for url, last in self._last.items() if url in {document_url, uri}}
        return self._parse(keys)

    def _parse(self, keys: Fetched) -> tuple[KeySet, int | None]:
        try:
            return parse_jwks(keys.body, use=self.issuer.keys.key_use), keys.max_age
        except KeySetError as error:
            raise FetchError(f"key set of issuer `{self.issuer.name}`: {error}") from None

    async def _get(self, url: str) -> Fetched:
        self._last[url] = await fetch_document(url, self._rules, last=self._last.get(url))
        return self._last[url]
