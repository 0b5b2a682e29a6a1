"""The memory of tokens that may be used once.

The only thing in identity that a check changes and the next one must see, so it is an object of its own, handed to
each new Authenticator: new keys and a new policy must not forget what was used before them.
"""

import hashlib
import heapq

from authz.errors import Denied, Reason

MAX_REMEMBERED = 100_000
"""Per issuer. Ten minutes of 166 tokens a second; about 20 MB."""


class UsedTokens:
    """Ids of used tokens, each until its token ends. Not for several threads."""

    __slots__ = ("_by_issuer", "_capacity")

    def __init__(self, capacity: int = MAX_REMEMBERED) -> None:
        self._capacity = capacity
        self._by_issuer: dict[str, tuple[set[bytes], list[tuple[float, bytes]]]] = {}

    def use(self, issuer: str, token_id: str, *, until: float, now: float) -> None:
        """Note that a token was used. `until` is when it ends, `now` the present, in seconds since the epoch.

        Raises `Denied`: `token_replayed` for the second time; `replay_memory_full` if it could not be noted, because
        to forget another one instead would open that one again.
        """
        seen, ends = self._by_issuer.setdefault(issuer, (set(), []))
        while ends and ends[0][0] <= now:
            seen.discard(heapq.heappop(ends)[1])
        key = hashlib.sha256(token_id.encode("utf-8", "surrogatepass")).digest()
        if key in seen:
            raise Denied(
                Reason.TOKEN_REPLAYED, f"a token of issuer `{issuer}` with this `jti` was used before"
            )
        if len(seen) >= self._capacity:
            raise Denied(
                Reason.REPLAY_MEMORY_FULL, f"{len(seen)} used tokens of issuer `{issuer}` have not ended"
            )
        seen.add(key)
        heapq.heappush(ends, (until, key))
