"""A bounded memory that knows how often it helped."""

from typing import Final, TypeVar

from cachetools import LRUCache

DEFAULT_REMEMBERED: Final = 20_000
"""How many credentials, decisions and answers are remembered unless somebody says otherwise: 150 MB of tokens with
ten groups (bench/memory.py)."""

K = TypeVar("K")
V = TypeVar("V")


class Memory(LRUCache[K, V]):
    """Forgets what was asked for longest ago. `hits` and `misses` count `get`; an entry that is too old is a hit."""

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        self.hits = 0
        self.misses = 0

    def recall(self, key: K) -> V | None:
        """What is remembered under `key`, counted as a hit or a miss."""
        if key in self:
            self.hits += 1
            return self[key]
        self.misses += 1
        return None
