"""A bounded memory that knows how often it helped."""

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

DEFAULT_REMEMBERED: Final = 20_000
"""How many credentials, decisions and answers are remembered unless somebody says otherwise: 150 MB of tokens with
ten groups (bench/memory.py)."""

REMEMBERED_TEXTS: Final = 1_024
"""How many texts that clients sent are known again, for what is only a function of a text: Python's own hash (SipHash, with a
key of the process) costs a third of a SHA-256, and a token of 1,000 groups has nine kilobytes."""
MAX_REMEMBERED_TEXT: Final = 16_384
"""The longest of them, in bytes: what they take is not the client's to choose."""

T = TypeVar("T")
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


def remembering_texts(function: Callable[[str], T]) -> Callable[[str], T]:
    """`function`, whose result is the same object each time for a text of which it is remembered; longer ones are not."""
    known = lru_cache(REMEMBERED_TEXTS)(function)

    def remembered(text: str) -> T:
        return known(text) if len(text) <= MAX_REMEMBERED_TEXT else function(text)

    return remembered
