"""Patterns of names: words between dots, each of them a word, `*` for any, or a word that ends in `*`."""

from collections.abc import Iterable
from functools import lru_cache


def matches(patterns: Iterable[str], name: tuple[str, ...]) -> bool:
    """Whether one of `patterns` has as many words as `name` and each of them fits. Case counts."""
    return any(_fits(_words(pattern), name) for pattern in patterns)


def matches_word(patterns: Iterable[str], word: str) -> bool:
    """Whether one of `patterns`, of one word each, fits `word`."""
    return any(_word_fits(pattern, word) for pattern in patterns)


@lru_cache(maxsize=4096)
def _words(pattern: str) -> tuple[str, ...]:
    return tuple(pattern.split("."))


def _fits(words: tuple[str, ...], name: tuple[str, ...]) -> bool:
    return len(words) == len(name) and all(map(_word_fits, words, name))


def _word_fits(pattern: str, word: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern
