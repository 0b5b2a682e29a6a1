"""What a check cannot know by itself is asked outside: an issuer for its newest keys, or about an opaque token."""

from collections.abc import Mapping
from typing import Final, assert_never

from authz.errors import Doubt, KeyDoubt, TokenDoubt
from authz.keysources.introspector import Introspector
from authz.keysources.keysources import KeySources

_SHARE: Final = 0.6
"""Of Envoy's patience: 0.3 s of the usual 0.5 s."""


class Settling:
    """The engine's `Settler` under one policy. `introspectors` are by the issuer's configured name.

    `check_timeout_seconds` is Envoy's patience: a check that waits for keys is answered well within it.
    """

    __slots__ = ("_introspectors", "_keys", "_wait_seconds")

    def __init__(
        self, keys: KeySources, introspectors: Mapping[str, Introspector], *, check_timeout_seconds: float
    ) -> None:
        self._keys = keys
        self._introspectors = introspectors
        self._wait_seconds = check_timeout_seconds * _SHARE

    def can_settle(self, doubt: Doubt) -> bool:
        """Whether asking could help now; see `Settler`."""
        return isinstance(doubt, TokenDoubt) or self._keys.may_look_again(doubt.issuer, doubt.key)

    async def settle(self, doubt: Doubt) -> str | None:
        """Ask; see `Settler`."""
        match doubt:
            case KeyDoubt(issuer, key):
                await self._keys.look_again(issuer, key, self._wait_seconds)
                return None
            case TokenDoubt(issuer, digest, token):
                introspector = self._introspectors.get(issuer)
                return "nobody asks it" if introspector is None else await introspector.ask(token, digest)
            case _:
                assert_never(doubt)
