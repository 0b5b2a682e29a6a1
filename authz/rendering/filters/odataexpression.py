"""A client's `$filter`: read strictly, written anew.

A part of OData's grammar (https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html, section 5.1.1)
that speaks of one row's own properties. Closed is whatever reaches other rows, because it would answer questions about
them: navigation and lambdas (`/`, `any`, `all`), `$it`, `$root`, aliases (`@p`), and functions that are not known.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from authz.errors import Denied, Reason

MAX_DEPTH: Final = 16
"""Parentheses within parentheses."""

MAX_TOKENS: Final = 2_000

NAME: Final = r"[^\W\d]\w{0,127}"

FUNCTIONS: Final = frozenset(
    {
        "ceiling", "concat", "contains", "date", "day", "endswith", "floor", "fractionalseconds", "hour", "indexof",
        "length", "maxdatetime", "mindatetime", "minute", "month", "now", "round", "second", "startswith", "substring",
        "time", "tolower", "totaloffsetminutes", "toupper", "trim", "year",
    }
)  # fmt: skip
_BINARY: Final = frozenset(
    {"and", "or", "eq", "ne", "gt", "ge", "lt", "le", "add", "sub", "mul", "div", "divby", "mod"}
)
_LITERALS: Final = frozenset({"true", "false", "null"})
_WORDS: Final = _BINARY | _LITERALS | {"not", "in", "has"}

_TOKEN: Final = re.compile(
    r"(?P<space>[ ]+)"
    r"|(?P<text>'(?:[^']|'')*')"
    r"|(?P<literal>(?:"
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,12})?)?(?:Z|[+\-][0-9]{2}:[0-9]{2}))?"
    r"|[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,12})?)?"
    r"|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
    r"|-?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+\-]?[0-9]{1,3})?"
    # What stands close behind would be read as a part of it by one and as something else by another.
    r")(?![\w.:'\-+]))"
    rf"|(?P<name>{NAME})"
    r"|(?P<sign>[(),])"
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A whole expression with its parentheses closed, and the properties that it names."""

    text: str
    names: frozenset[str]


def expression(text: str) -> Expression:
    """Read a filter. Raises `Denied(parameter_denied)` for everything that is not known to be about one row alone."""
    reader = _Reader(_tokens(text))
    written = reader.expression(0)
    if reader.at != len(reader.tokens):
        raise _refused()
    return Expression(written, frozenset(reader.names))


def _refused() -> Denied:
    return Denied(
        Reason.PARAMETER_DENIED, "`$filter` cannot be read, or asks for more than a row's own properties"
    )


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or len(tokens) == MAX_TOKENS:
            raise _refused()
        at = found.end()
        kind = str(found.lastgroup)
        if kind != "space":
            tokens.append((kind, found[0]))
    return tokens


@dataclass(slots=True)
class _Reader:
    tokens: list[tuple[str, str]]
    at: int = 0
    names: set[str] = field(default_factory=set)

    def expression(self, depth: int) -> str:
        """What is written binds as it did: nothing is moved, and no parentheses are added or left out."""
        if depth > MAX_DEPTH:
            raise Denied(Reason.PARAMETER_DENIED, f"a `$filter` of more than {MAX_DEPTH} levels")
        written = self._operand(depth)
        while self._peek()[0] == "name":
            word = self._next()[1]
            if word == "in":
                written += f" in {self._listed()}"
            elif word in _BINARY:
                written += f" {word} {self._operand(depth)}"
            else:
                raise _refused()
        return written

    def _operand(self, depth: int) -> str:
        before = ""
        while self._peek() == ("name", "not"):
            self._next()
            before += "not "
        kind, text = self._next()
        match kind:
            case "text" | "literal":
                return before + text
            case "name":
                return before + self._named(text, depth)
            case _ if text == "(":
                inner = self.expression(depth + 1)
                self._expect(")")
                return f"{before}({inner})"
            case _:
                raise _refused()

    def _named(self, name: str, depth: int) -> str:
        if name in _LITERALS:
            return name
        if self._peek() == ("sign", "("):
            if name not in FUNCTIONS:
                raise _refused()
            self._next()
            return f"{name}({self._arguments(depth + 1)})"
        if name in _WORDS:
            raise _refused()
        self.names.add(name)
        return name

    def _arguments(self, depth: int) -> str:
        if self._peek() == ("sign", ")"):
            self._next()
            return ""
        found = [self.expression(depth)]
        while self._next() == ("sign", ","):
            found.append(self.expression(depth))
        self.at -= 1
        self._expect(")")
        return ",".join(found)

    def _listed(self) -> str:
        """The literals behind `in`."""
        self._expect("(")
        found = []
        while True:
            kind, text = self._next()
            if kind not in {"text", "literal"} and text not in _LITERALS:
                raise _refused()
            found.append(text)
            if self._next() != ("sign", ","):
                break
        self.at -= 1
        self._expect(")")
        return f"({','.join(found)})"

    def _expect(self, sign: str) -> None:
        if self._next() != ("sign", sign):
            raise _refused()

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        found = self._peek()
        self.at += 1
        return found
