"""A name taken apart into words, and the terms found in it."""

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cache
from typing import Final

from authz.labels.categories import Confidence
from authz.labels.rules import RULES, Rule, Term, vocabulary
from authz.labels.vocabulary import ABOUT, ASKS, COUNTS, IN_FRONT, KEEPS, ORGANISATIONS, PERSONS

MAX_CHARACTERS: Final = 256
"""Of a longer name the beginning is looked at."""
_MAX_JOINED: Final = 40
_MAX_WORDS: Final = 5
"""Of the longest term."""

_WORD: Final = re.compile(r"[^\W\d_]+|[0-9]+")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SMALL: Final = frozenset({"id", "ip", "no", "nr"})
"""Words of two letters that are found in words written together: more of them, and anything could be taken apart."""
_UNSEEN: Final = frozenset({"exp", "lon", "mob", "nie", "ort", "rep", "rib", "rue", "sin", "str", "tin"})
"""Words that are not found there, or `report` were `rep` and `ort`, a German town."""


def words_of(name: str) -> tuple[str, ...]:
    """`customerEMail`, `customer_e_mail` and `CUSTOMEREMAIL` as the words that they are made of.

    Warehouses that fold names leave no capitals to see words by: a word that is none is taken apart if the whole of it
    is made of words that are known here, and left as it is if not. So `telemetry` does not begin with `tel`.
    """
    parted = _CAMEL.sub(" ", name[:MAX_CHARACTERS])
    plain = "".join(
        sign for sign in unicodedata.normalize("NFKD", parted.casefold()) if not unicodedata.combining(sign)
    )
    return tuple(word for part in _WORD.findall(plain) for word in _parted(part))


@cache
def _known() -> frozenset[str]:
    found = vocabulary() | KEEPS | ABOUT | ASKS | COUNTS | PERSONS | ORGANISATIONS | IN_FRONT
    return frozenset(word for word in found - _UNSEEN if len(word) > 2 or word in _SMALL)


def _parted(word: str) -> tuple[str, ...]:
    known = _known()
    if word in known or not 4 <= len(word) <= _MAX_JOINED:
        return (word,)
    # Fewest words first: `birthdate` is no `birth` and `date` where it is a word itself.
    best: list[tuple[str, ...] | None] = [(), *[None] * len(word)]
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 20), end):
            front, part = best[start], word[start:end]
            if front is None or part not in known:
                continue
            here = best[end]
            if here is None or len(front) + 1 < len(here):
                best[end] = (*front, part)
    found = best[-1]
    return found if found is not None else (word,)


def found_in(name: str, table: str = "") -> Iterator[tuple[Rule, Confidence, str]]:
    """Each rule that a name speaks for, how loudly, and the term that it was."""
    words = words_of(name)
    spans = [(rule, span) for rule in RULES for span in _spans(words, rule)]
    of_table = words_of(table)
    for rule in RULES:
        heard = [
            (confidence, words[start:end])
            for each, (start, end) in spans
            # An IP address is no postal one: what stands within a longer term means what that one does.
            if each is rule and not any(_within((start, end), other) for _, other in spans)
            if (confidence := _heard(words[start:end], words[:start], words[end:], rule)) is not None
        ]
        heard += _person(words, of_table, rule)
        if heard:
            confidence, term = max(heard, key=lambda found: (found[0], len(found[1])))
            yield rule, confidence, " ".join(term)


def _spans(words: tuple[str, ...], rule: Rule) -> Iterator[tuple[int, int]]:
    known = (rule.likely, rule.possible, rule.whole)
    for start in range(len(words)):
        for end in range(start + 1, min(start + _MAX_WORDS, len(words)) + 1):
            if any(_among(words[start:end], each) for each in known):
                yield start, end


def _within(inner: tuple[int, int], outer: tuple[int, int]) -> bool:
    return inner != outer and outer[0] <= inner[0] and inner[1] <= outer[1]


def _heard(term: Term, front: tuple[str, ...], tail: tuple[str, ...], rule: Rule) -> Confidence | None:
    if _among(term, rule.whole):
        stands_alone = not tail and all(len(word) == 1 or word in PERSONS for word in front)
        return Confidence.POSSIBLE if stands_alone else None
    heard = Confidence.LIKELY if _among(term, rule.likely) else Confidence.POSSIBLE
    if front and (front[0] in ASKS or front[-1] == "no" or front[-1] in rule.not_behind):
        return None
    if not rule.is_measure and not COUNTS.isdisjoint(front):
        return None
    for word in tail:
        if word in rule.keeps or word in KEEPS or word.isdigit():
            continue
        if word in ABOUT:
            return None
        # Some noun that nobody here knows: `phone_home`, or `phone_manual`.
        heard = Confidence.POSSIBLE
    return heard if ORGANISATIONS.isdisjoint(front) else Confidence.POSSIBLE


def _person(words: tuple[str, ...], table: tuple[str, ...], rule: Rule) -> Iterator[tuple[Confidence, Term]]:
    """`customer_name`, and `name` in the table `customers`."""
    if not rule.of_persons or "name" not in words:
        return
    at = words.index("name")
    if not all(word in KEEPS or word.isdigit() for word in words[at + 1 :]):
        return
    if at > 0 and _single(words[at - 1], PERSONS) and words[0] not in ASKS:
        yield Confidence.LIKELY, words[at - 1 : at + 1]
    elif all(len(word) == 1 for word in words[:at]) and table and _single(table[-1], PERSONS):
        yield Confidence.LIKELY, ("name",)


def _among(term: Term, known: Collection[Term]) -> bool:
    return term in known or (*term[:-1], _singular(term[-1])) in known


def _single(word: str, known: Collection[str]) -> bool:
    return word in known or _singular(word) in known


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith("ss"):
        return word
    return word[:-2] if word.endswith("sses") else word[:-1]
