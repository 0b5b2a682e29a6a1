"""A bounded memory that knows how often it helped."""

from collections import OrderedDict
from typing import Final, TypeVar

DEFAULT_REMEMBERED: Final = 20_000
"""How many credentials, decisions and answers are remembered unless somebody says otherwise: 150 MB of tokens with
ten groups (bench/memory.py)."""

K = TypeVar("K")
V = TypeVar("V")


class Memory(OrderedDict[K, V]):
    """Forgets what was asked for longest ago. `hits` and `misses` count `recall`; an entry that is too old is a hit.

    Not a `cachetools.LRUCache`, whose look-up is three calls in Python: there are three look-ups in each check.
    """

    def __init__(self, maxsize: int) -> None:
        super().__init__()
        self.maxsize = maxsize
        self.hits = 0
        self.misses = 0

    # Python 3.11 has no typing.override, hence the remark.
    def __setitem__(self, key: K, value: V) -> None:  # type: ignore[explicit-override]
        """Remember `value`, as what was asked for last."""
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self.maxsize:
            self.popitem(last=False)

    def recall(self, key: K) -> V | None:
        """What is remembered under `key`, counted as a hit or a miss."""
        value = self.get(key)
        if value is None:
            self.misses += 1
            return None
        self.hits += 1
        self.move_to_end(key)
        return value
