"""What a check cannot know by itself is asked outside: an issuer for its newest keys, or about an opaque token."""

from collections.abc import Mapping
from typing import assert_never

from authz.errors import Doubt, KeyDoubt, TokenDoubt
from authz.keysources.introspector import Introspector
from authz.keysources.keysources import KeySources


class Settling:
    """The engine's `Settler` under one policy. `introspectors` are by the issuer's configured name."""

    __slots__ = ("_introspectors", "_keys")

    def __init__(self, keys: KeySources, introspectors: Mapping[str, Introspector]) -> None:
        self._keys = keys
        self._introspectors = introspectors

    async def settle(self, doubt: Doubt) -> str | None:
        """Ask; see `Settler`."""
        match doubt:
            case KeyDoubt(issuer, key):
                await self._keys.look_again(issuer, key)
                return None
            case TokenDoubt(issuer, digest, token):
                introspector = self._introspectors.get(issuer)
                return "nobody asks it" if introspector is None else await introspector.ask(token, digest)
            case _:
                assert_never(doubt)
