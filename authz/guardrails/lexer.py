"""Text in lexemes, by a grammar that is the same in every warehouse it is used for.

What two readers could take apart in two ways is refused here: nested comments, hints, escapes in quoted names,
prefixed strings (`U&'…'`, `E'…'`), dollar quotes, characters outside of ASCII beyond quotes, lone carriage returns.
So a quote, a comment or a semicolon is the same thing to the warehouse, to SQLGlot and to us; the first is by
construction, the second is checked (`authz.guardrails.parsing`).
"""

import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from authz.errors import Denied, Reason
from authz.guardrails.dialects import GuardDialect
from authz.guardrails.rules import Bounds

_MAX_CHAIN: Final = 8
"""Most signs and NOTs in a row, and subscripts: each takes a parser one level deeper."""

_MAX_BRACKETS: Final = 256
"""SQLGlot works out the type of whatever has a subscript: 150 us for each."""


class LexemeKind(StrEnum):
    WORD = "word"
    QUOTED = "quoted"
    """An identifier in quotes."""
    STRING = "string"
    NUMBER = "number"
    MARK = "mark"


class Lexeme(NamedTuple):
    """`text` is what stands there, of a quoted identifier what is in the quotes. `end` is exclusive."""

    kind: LexemeKind
    text: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Whether it is one of `words` (upper case), unquoted."""
        return self.kind is LexemeKind.WORD and self.text.upper() in words

    def is_mark(self, mark: str) -> bool:
        return self.kind is LexemeKind.MARK and self.text == mark


# No escape and no line end is in a quoted name, and none stands right beside another: `"a""b"` is refused.
_STANDARD_STRING: Final = r"'(?>[^']+|'')*'"
_ESCAPING_STRING: Final = r"'(?>[^'\\]+|''|\\.)*'"
_DOUBLE_QUOTED: Final = r'"[^"\\`\r\n]+"'
_BACK_QUOTED: Final = r"`[^\"\\`\r\n]+`"

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ud800-\udfff]")


@lru_cache(maxsize=16)
def _grammar(dialect: GuardDialect) -> re.Pattern[str]:
    string = _ESCAPING_STRING if dialect.backslash_escapes else _STANDARD_STRING
    quoted = f"(?:{_DOUBLE_QUOTED}|{_BACK_QUOTED})" if dialect.backquotes else _DOUBLE_QUOTED
    # `{{`, `{%` and `{#` begin a template for SQLGlot, `{` a literal or a parameter elsewhere.
    braces = r"|\{(?![{%\#])|\}" if dialect.braces else ""
    return re.compile(
        rf"""
          (?P<skipped> (?:[ \t\n]|\r\n)+
                     | --[^\r\n]*(?=\r?\n|\Z)
                     | /\*(?![+!])(?>[^*/]+|\*(?!/)|/(?!\*))*\*/ )
        | (?P<string>  {string}(?!['"`$]) )
        | (?P<quoted>  {quoted}(?!['"`\w$]) )
        | (?P<number>  (?>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?>(?:[eE][+-]?[0-9]+)?)(?!['"`\w$.]) )
        | (?P<word>    (?>[A-Za-z_][A-Za-z0-9_]*)(?:(?!['"`\w$])|(?<=[dD][aA][tT][eE])(?=')|(?<=[tT][iI][mM][eE][sS][tT][aA][mM][pP])(?=')) )
        | (?P<mark>    <> | != | <= | >= | == | \|\| | -> | => | :: | /(?!\*) | -(?!-) | \*(?!/) | &(?!['"])
                     | [(),.;+%=<>|^~?:\[\]]{braces} )
        """,
        re.VERBOSE | re.DOTALL | re.ASCII,
    )


def read_lexemes(text: str, dialect: GuardDialect, bounds: Bounds) -> tuple[Lexeme, ...]:
    """The lexemes of `text`, without spaces and comments.

    Raises `Denied`: `statement_too_large` beyond `bounds`, `statement_malformed` for what could be read in two ways.
    """
    if len(text) > bounds.bytes or len(text.encode(errors="replace")) > bounds.bytes:
        raise Denied(Reason.STATEMENT_TOO_LARGE, f"a statement of more than {bounds.bytes} bytes")
    if _CONTROL.search(text):
        raise Denied(Reason.STATEMENT_MALFORMED, "the statement has a control character")
    grammar, found, at = _grammar(dialect), list[Lexeme](), 0
    while at < len(text):
        match = grammar.match(text, at)
        if match is None:
            raise Denied(
                Reason.STATEMENT_MALFORMED, f"character {at + 1} can be read in more than one way, or in none"
            )
        at, kind = match.end(), match.lastgroup
        if kind is not None and kind != "skipped":
            if len(found) >= bounds.tokens:
                raise Denied(Reason.STATEMENT_TOO_LARGE, f"a statement of more than {bounds.tokens} tokens")
            found.append(_lexeme(LexemeKind(kind), match))
    _check_depth(found, bounds.depth)
    return tuple(found)


def _lexeme(kind: LexemeKind, match: re.Match[str]) -> Lexeme:
    whole = match.group()
    return Lexeme(kind, whole[1:-1] if kind is LexemeKind.QUOTED else whole, match.start(), match.end())


_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_CLOSERS: Final = frozenset(_CLOSING.values())
_SIGNS: Final = frozenset({"-", "+", "~", "NOT"})


def _check_depth(lexemes: Sequence[Lexeme], most: int) -> None:
    """Before a parser sees it: its recursion is as deep as this."""
    expected: list[str] = []
    cases = signs = subscripts = brackets = 0
    before = ""
    for lexeme in lexemes:
        here = lexeme.text.upper() if lexeme.kind in {LexemeKind.WORD, LexemeKind.MARK} else ""
        if here in _CLOSING:
            expected.append(_CLOSING[here])
        elif here in _CLOSERS and (not expected or expected.pop() != here):
            raise Denied(Reason.STATEMENT_MALFORMED, f"`{here}` closes nothing")
        cases += (here == "CASE") - (here == "END" and cases > 0)
        brackets += here == "["
        signs = signs + 1 if here in _SIGNS else 0
        if before == "]":
            subscripts = subscripts + 1 if here == "[" else 0
        if len(expected) + cases > most or max(signs, subscripts) > _MAX_CHAIN or brackets > _MAX_BRACKETS:
            raise Denied(Reason.STATEMENT_TOO_LARGE, f"a statement nested more than {most} deep")
        before = here
    if expected:
        raise Denied(Reason.STATEMENT_MALFORMED, "something that was opened is not closed")


def fingerprint(lexemes: Sequence[Lexeme]) -> str:
    """32 hex digits: equal for statements that differ in literals, lengths of lists, letter case, spaces and comments."""
    parts: list[str] = []
    for kind, text, _, _ in lexemes:
        part = "?" if kind in {LexemeKind.STRING, LexemeKind.NUMBER} else text.casefold()
        part = f'"{part}"' if kind is LexemeKind.QUOTED else part
        if part == "?" and parts[-2:] == ["?", ","]:
            parts.pop()
        else:
            parts.append(part)
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]
