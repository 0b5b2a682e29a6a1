"""A client's conditions in PostgREST's language: read strictly, written anew.

A part of the grammar only, the one that every reading of it agrees on. What is written has every value in quotes and
every group closed, so it cannot end the group that it is put into.
"""

import re
from dataclasses import dataclass
from typing import Final

from authz.errors import Denied, Reason

MAX_DEPTH: Final = 16
"""Groups within groups."""

NAME: Final = r"[^\W\d]\w*"
FIELD: Final = rf"{NAME}(?:->>?\w+)*"
"""A column, or a value within one of JSON."""

_GROUP: Final = re.compile(r"(not\.)?(and|or)\(")
_SUBJECT: Final = re.compile(rf"({FIELD})\.")
_OPERATION: Final = re.compile(
    r"(not\.)?(eq|neq|gte|gt|lte|lt|like|ilike|isdistinct|cs|cd|ov|(?:fts|plfts|phfts|wfts)(?:\([a-z_]+\))?|in|is)\."
)
_IS: Final = re.compile(r"(?:null|not_null|true|false|unknown)(?=[,)]|\Z)")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(?=[,)])', re.DOTALL)
_ARRAY: Final = re.compile(r'(\{[^{}"\\]*\})(?=[,)])')
_BARE: Final = re.compile(r'([^,(){}"\\]*)(?=[,)])')
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_WORDS: Final = frozenset({"and", "or", "not"})


def tree_text(name: str, value: str) -> str:
    """A parameter `and=(…)`, `or=(…)`, `not.and=(…)` or `not.or=(…)` as one condition. Raises `Denied(parameter_denied)`."""
    if not value.startswith("("):
        # `or` and `der.eq.1` would be a condition on `order`.
        raise _refused()
    reader = _Reader(name + value)
    text = reader.tree(0)
    reader.end()
    return text


def condition_text(value: str) -> str:
    """The value of `column=[not.]operator.value`. Raises `Denied(parameter_denied)`.

    Behind most operators it is any text up to its end, in which quotes are characters like others.
    """
    found = _OPERATION.match(value)
    if found is None:
        raise _refused()
    if found[2] not in {"in", "is"}:
        return value
    reader = _Reader(value, found.end())
    text = found[0] + (reader.listed() if found[2] == "in" else reader.matched(_IS)[0])
    reader.end()
    return text


def quoted(text: str) -> str:
    """Any text as one value."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refused() -> Denied:
    return Denied(Reason.PARAMETER_DENIED, "a condition that cannot be read, or that is not open")


@dataclass(slots=True)
class _Reader:
    text: str
    at: int = 0

    def matched(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _refused()
        self.at = found.end()
        return found

    def end(self) -> None:
        if self.at != len(self.text):
            raise _refused()

    def tree(self, depth: int) -> str:
        if depth > MAX_DEPTH:
            raise Denied(Reason.PARAMETER_DENIED, f"conditions of more than {MAX_DEPTH} levels")
        if _GROUP.match(self.text, self.at) is None:
            return self._condition()
        opened = self.matched(_GROUP)
        parts = [self.tree(depth + 1)]
        while self._passed(","):
            parts.append(self.tree(depth + 1))
        if not self._passed(")"):
            raise _refused()
        return f"{opened[0]}{','.join(parts)})"

    def listed(self) -> str:
        """The list behind `in.`; an empty one selects nothing."""
        if not self._passed("("):
            raise _refused()
        if self._passed(")"):
            return "()"
        values = [self._value()]
        while self._passed(","):
            values.append(self._value())
        if not self._passed(")"):
            raise _refused()
        return f"({','.join(map(quoted, values))})"

    def _condition(self) -> str:
        subject = self.matched(_SUBJECT)
        if subject[1] in _WORDS:
            raise _refused()
        operation = self.matched(_OPERATION)
        match operation[2]:
            case "in":
                value = self.listed()
            case "is":
                value = self.matched(_IS)[0]
            case _:
                value = quoted(self._value())
        return f"{subject[0]}{operation[0]}{value}"

    def _value(self) -> str:
        for pattern in (_QUOTED, _ARRAY, _BARE):
            found = pattern.match(self.text, self.at)
            if found is not None:
                self.at = found.end()
                return _ESCAPED.sub(r"\1", found[1]) if pattern is _QUOTED else found[1]
        raise _refused()

    def _passed(self, character: str) -> bool:
        if not self.text.startswith(character, self.at):
            return False
        self.at += 1
        return True
