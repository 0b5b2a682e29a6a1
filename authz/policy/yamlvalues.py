"""What a YAML file is read into: plain values that know where they stand, and the resolution of scalars."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from authz.policy.problems import Spot

MAX_NUMBER_CHARACTERS = 60


class Mark(Protocol):
    """The part of PyYAML's marks that is used: the file's `name`, zero-based `line`, `column` and character `index`."""

    name: str
    line: int
    column: int
    index: int


class YamlMap(dict[str, Any]):
    """A mapping that knows where it, its keys and its values stand."""

    __slots__ = ("mark", "marks")
    mark: Mark
    marks: dict[str, tuple[Mark, Mark]]


class YamlList(list[Any]):
    """A sequence that knows where it and its items stand."""

    __slots__ = ("mark", "marks")
    mark: Mark
    marks: list[Mark]


@dataclass(frozen=True, slots=True)
class SourceText:
    """One policy file: its `name` for messages, its text, and the directory that its relative file names start from.

    An empty `base` leaves file names as they are written.
    """

    name: str
    text: str
    base: str = ""


def spot_of(mark: Mark) -> Spot:
    return Spot(mark.name, mark.line + 1, mark.column + 1)


# YAML 1.2.2 section 10.3.2.
RESOLVED_FIRST = frozenset("~nNtTfF+-.0123456789")
WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
NUMBER = re.compile(
    r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)\Z",
    re.ASCII,
)
_INTEGER = re.compile(r"[-+]?[0-9]+\Z", re.ASCII)


def number(text: str) -> int | Decimal:
    """Decimal, because a decimal dimension means the number as it is written, not its nearest binary fraction."""
    if text.startswith("0o"):
        return int(text, 0)
    if text.startswith("0x"):
        return int(text, 0)
    return int(text) if _INTEGER.match(text) else Decimal(text)
