"""SQLGlot as the reader of queries: without statements other than queries, and with an end to its work.

SQLGlot tries one reading after another, which for `map(array[map(array[…` doubles the work with each bracket: ten
of them take half a minute. So its steps are counted. What the whole examination of the largest statement costs with
the default bounds (bench/statements.py; CPU time, CPython 3.11 on a small virtual machine): 5,000 tokens of columns,
joins, values or windows 40 to 75 ms, of UNIONs 110 ms; nested constructors are cut off after 20 ms. The usual
statement of a BI tool has 60 tokens and takes 0.8 ms, once: it is remembered (`authz.guardrails.examiner.Examiner`).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from authz.errors import Denied, Reason
from authz.guardrails.dialects import GuardDialect
from authz.guardrails.lexer import Lexeme, LexemeKind

if TYPE_CHECKING:
    from sqlglot.parser import Parser

_STEPS: Final = 2_000
_STEPS_A_TOKEN: Final = 3
"""Real statements take one to two."""

_QUOTES: Final = {TokenType.STRING: LexemeKind.STRING, TokenType.IDENTIFIER: LexemeKind.QUOTED}


class UnparsedError(Exception):
    """SQLGlot cannot read the query as one."""


class _TooMuchWorkError(Exception):
    """No error of SQLGlot's: it would take that for a reading that failed, and try the next."""


def parse_query(text: str, lexemes: Sequence[Lexeme], dialect: GuardDialect) -> exp.Query:
    """The tree of one query; `lexemes` are those of `text`.

    Raises `UnparsedError`; `Denied`: `statement_too_large` if it takes too much work, `statement_malformed` if
    SQLGlot sees quotes elsewhere than `authz.guardrails.lexer` does.
    """
    reader = _reader(dialect.sqlglot)
    try:
        tokens = reader.tokenize(text)
        seen = [(_QUOTES[t.token_type], t.start, t.end + 1) for t in tokens if t.token_type in _QUOTES]
        _check_agreement(seen, lexemes)
        parser = _parser(dialect.sqlglot)(dialect=reader)
        parser.steps = _STEPS + _STEPS_A_TOKEN * len(tokens)
        trees = parser.parse(tokens, text)
    except SqlglotError:
        # Its text quotes the statement.
        raise UnparsedError from None
    except (RecursionError, _TooMuchWorkError):
        raise Denied(Reason.STATEMENT_TOO_LARGE, "the statement takes too much work to read") from None
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError):
        raise UnparsedError from None  # a defect in SQLGlot at a text that makes no sense
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise UnparsedError
    return trees[0]


def _check_agreement(seen: list[tuple[LexemeKind, int, int]], lexemes: Sequence[Lexeme]) -> None:
    ours = [(x.kind, x.start, x.end) for x in lexemes if x.kind in {LexemeKind.STRING, LexemeKind.QUOTED}]
    if seen != ours:
        raise Denied(Reason.STATEMENT_MALFORMED, "two readers disagree about where a quotation ends")


@lru_cache(maxsize=16)
def _reader(name: str) -> Dialect:
    """A dialect that leaves paths into JSON as they are: it would log the text of those that it cannot read."""
    reader = Dialect.get_or_raise(name)
    reader.to_json_path = lambda path: path  # type: ignore[method-assign]
    return reader


@lru_cache(maxsize=16)
def _parser(name: str) -> Callable[..., Any]:
    """The parser of a dialect that knows queries only, and counts down `steps`."""
    base: type[Parser] = Dialect.get_or_raise(name).parser_class

    def advance(self: Any, times: int = 1) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise _TooMuchWorkError
        base._advance(self, times)  # noqa: SLF001 - every step of the parser goes through here

    def warn(_: Any) -> None:
        # It would log the text of the statement.
        raise SqlglotError

    made: Any = type(base)
    parser: Callable[..., Any] = made(
        base.__name__, (base,), {"STATEMENT_PARSERS": {}, "_advance": advance, "_warn_unsupported": warn}
    )
    return parser
