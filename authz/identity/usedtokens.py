"""The memory of tokens that may be used once.

The only thing in identity that a check changes and the next one must see, so it is an object of its own, handed to
each new Authenticator: new keys and a new policy must not forget what was used before them.
"""

import hashlib
import heapq
from dataclasses import dataclass, field

from authz.errors import Denied, Reason

MAX_REMEMBERED = 100_000
"""Per issuer. Ten minutes of 166 tokens a second; about 20 MB."""


@dataclass(slots=True)
class _Used:
    """`seen` of one issuer; when each of them ends, the next one first; the latest end of those that were forgotten."""

    seen: set[bytes] = field(default_factory=set)
    ends: list[tuple[float, bytes]] = field(default_factory=list)
    forgotten: float = 0.0

    def forget(self, now: float) -> None:
        while self.ends and self.ends[0][0] <= now:
            self.forgotten, key = heapq.heappop(self.ends)
            self.seen.discard(key)


class UsedTokens:
    """Ids of used tokens, each until its token ends. Not for several threads."""

    __slots__ = ("_by_issuer", "_capacity")

    def __init__(self, capacity: int = MAX_REMEMBERED) -> None:
        self._capacity = capacity
        self._by_issuer: dict[str, _Used] = {}

    def use(self, issuer: str, token_id: str, *, until: float, now: float) -> None:
        """Note that a token was used. `until` is when it ends, `now` the present, in seconds since the epoch.

        Raises `Denied`: `token_replayed` for the second time; `replay_memory_full` if it could not be noted, because
        to forget another one instead would open that one again.
        """
        used = self._by_issuer.setdefault(issuer, _Used())
        used.forget(now)
        # A clock that was ahead for a while has had tokens forgotten that are good again now that it is set back.
        if until <= used.forgotten:
            raise Denied(
                Reason.TOKEN_REPLAYED,
                f"a token of issuer `{issuer}` ends before another that was forgotten: the clock was set back, and "
                "whether it was used is not known",
            )
        key = hashlib.sha256(token_id.encode("utf-8", "surrogatepass")).digest()
        if key in used.seen:
            raise Denied(
                Reason.TOKEN_REPLAYED, f"a token of issuer `{issuer}` with this `jti` was used before"
            )
        if len(used.seen) >= self._capacity:
            raise Denied(
                Reason.REPLAY_MEMORY_FULL,
                f"{len(used.seen)} used tokens of issuer `{issuer}` have not ended",
            )
        used.seen.add(key)
        heapq.heappush(used.ends, (until, key))
