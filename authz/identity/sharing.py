"""Claims that are remembered share the texts that many tokens have in common.

With a hundred groups a token's claims take half the memory; with ten, three quarters (bench/memory.py).
"""

from collections.abc import Mapping
from sys import intern

_COMMON = frozenset({"iss", "aud", "azp", "client_id", "cid", "appid", "tid", "typ", "ver"})
"""Claims whose value is one of a few."""


def share(claims: Mapping[str, object]) -> dict[str, object]:
    """The same claims; names, the items of lists (groups, roles, scopes) and common values are shared texts.

    A shared text lives as long as somebody has it: what nobody remembers any more takes no memory.
    """
    return {
        intern(name): intern(value) if isinstance(value, str) and name in _COMMON else _shared(value)
        for name, value in claims.items()
    }


def _shared(value: object) -> object:
    match value:
        case dict():
            return share(value)
        case list():
            return [intern(item) if isinstance(item, str) else _shared(item) for item in value]
        case _:
            return value
