"""Where an issuer's keys are: its JWKS URL, or the one that its discovery document names."""

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
    """The keys of one issuer over HTTP, with what is needed to ask only for what has changed."""

    def __init__(self, issuer: Issuer, *, total_seconds: float) -> None:
        self.issuer = issuer
        location = issuer.keys
        self._rules = FetchRules(
            allow_http=location.allow_http,
            allow_private_addresses=location.allow_private_addresses,
            ca_file=location.ca_file,
            total_seconds=total_seconds,
        )
        self._etags: dict[str, str] = {}
        self._jwks_uri: str | None = None
        self._key_set: KeySet | None = None

    async def fetch(self) -> tuple[KeySet, int | None]:
        """The key set and how long it is said to be fresh, in seconds. Raises `FetchError`."""
        uri = self.issuer.keys.place
        if self.issuer.keys.origin is KeyOrigin.DISCOVERY:
            uri = await self._discover()
        fetched = await self._get(uri, known=self._key_set is not None)
        if fetched.body is not None:
            try:
                self._key_set = parse_jwks(fetched.body)
            except KeySetError as error:
                self._etags.pop(uri, None)
                raise FetchError(f"key set of issuer `{self.issuer.name}`: {error}") from None
            self._remember(uri, fetched)
        if self._key_set is None:
            raise FetchError(f"key set of issuer `{self.issuer.name}`: not modified, but never seen")
        return self._key_set, fetched.max_age

    async def _discover(self) -> str:
        url = discovery_url(self.issuer.keys.place)
        fetched = await self._get(url, known=self._jwks_uri is not None)
        if fetched.body is not None:
            uri = parse_discovery(fetched.body, self.issuer)
            if uri != self._jwks_uri:
                # Other keys now: what was fresh there says nothing here.
                self._jwks_uri, self._key_set = uri, None
                self._etags.clear()
            self._remember(url, fetched)
        if self._jwks_uri is None:
            raise FetchError(
                f"discovery document of issuer `{self.issuer.name}`: not modified, but never seen"
            )
        return self._jwks_uri

    async def _get(self, url: str, *, known: bool) -> Fetched:
        return await fetch_document(url, self._rules, etag=self._etags.get(url) if known else None)

    def _remember(self, url: str, fetched: Fetched) -> None:
        if fetched.etag is None:
            self._etags.pop(url, None)
        else:
            self._etags[url] = fetched.etag
