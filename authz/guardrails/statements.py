"""What kind of statement a text is, by its first words; whatever is no query is read here, word by word.

SQLGlot does not read these statements (it keeps them as text), and a list of what they may say is short.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from authz.errors import Denied, Reason
from authz.guardrails.dialects import GuardDialect
from authz.guardrails.lexer import Lexeme, LexemeKind
from authz.guardrails.rules import StatementKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement taken apart.

    `query` is the part that is a query, if there is one; `immediate` an inner statement as a literal, in quotes;
    `values` the list after USING; `table` what a table's name is made of; `executes` a prepared statement's name.
    """

    kind: StatementKind
    query: Sequence[Lexeme] = ()
    immediate: Lexeme | None = None
    values: Sequence[Lexeme] = ()
    table: Sequence[Lexeme] = ()
    executes: str | None = None


_QUERY_WORDS: Final = ("SELECT", "WITH", "TABLE")
_NAMES: Final = frozenset({LexemeKind.WORD, LexemeKind.QUOTED})
_REFUSED: Final = frozenset(
    {
        "ALTER", "ANALYZE", "ATTACH", "CALL", "COMMENT", "COPY", "CREATE", "DELETE", "DENY", "DETACH", "DROP", "EXISTS",
        "GRANT", "INSERT", "KILL", "MERGE", "OPTIMIZE", "REFRESH", "RENAME", "RESET", "REVOKE", "SET", "SYSTEM", "TRUNCATE",
        "UNDROP", "UPDATE", "VALUES", "WITH",
    }
)  # fmt: skip
"""Named in the operator's log; any other word could be anything."""
_SHOWN: Final = ("CATALOGS", "SCHEMAS", "DATABASES", "TABLES", "COLUMNS", "FUNCTIONS", "SESSION")
_EXPLAINED: Final = {"trino": (), "clickhouse": ("PLAN", "AST", "SYNTAX", "PIPELINE", "ESTIMATE")}


def read_statement(lexemes: Sequence[Lexeme], dialect: GuardDialect) -> Statement:
    """Raises `Denied`: `statement_malformed` for none or several, `statement_denied` for one that is never allowed."""
    if lexemes and lexemes[-1].is_mark(";"):
        lexemes = lexemes[:-1]
    if not lexemes:
        raise Denied(Reason.STATEMENT_MALFORMED, "the statement is empty")
    if any(lexeme.is_mark(";") for lexeme in lexemes):
        raise Denied(Reason.STATEMENT_DENIED, "more than one statement")
    if _begins_query(lexemes):
        return Statement(kind=StatementKind.SELECT, query=lexemes)
    return _read_other(lexemes[0], lexemes[1:], dialect)


def _read_other(first: Lexeme, rest: Sequence[Lexeme], dialect: GuardDialect) -> Statement:
    match first.text.upper() if first.kind is LexemeKind.WORD else "":
        case "SHOW":
            return _show(rest, dialect)
        case "DESCRIBE" | "DESC":
            return _describe(rest, dialect)
        case "EXISTS" if dialect.backquotes:
            return _exists(rest)
        case "EXPLAIN":
            return _explain(rest, dialect)
        case "PREPARE" | "EXECUTE" | "DEALLOCATE" as word if dialect.prepares:
            return _prepared(word, rest)
        case "START" | "COMMIT" | "ROLLBACK" as word:
            return _transaction(word, rest)
        case "USE" if dialect.prepares and _is_name(rest):
            # Trino's clients send what they use with each request. In a session of ClickHouse's the next statement
            # would have another default than its request says.
            return Statement(kind=StatementKind.USE)
        case word:
            raise _denied(f"{word}" if word in _REFUSED else "no statement that is known here")


def _begins_query(lexemes: Sequence[Lexeme]) -> bool:
    for number, lexeme in enumerate(lexemes):
        if not lexeme.is_mark("("):
            # `WITH FUNCTION` of Trino defines one.
            has_function = lexemes[number + 1 : number + 2] and lexemes[number + 1].is_word("FUNCTION")
            return lexeme.is_word(*_QUERY_WORDS) and not has_function
    return False


def _show(rest: Sequence[Lexeme], dialect: GuardDialect) -> Statement:
    """`SHOW TABLES [FROM name] [LIKE '…' [ESCAPE '…']]`, and so on; SHOW STATS and SHOW CREATE tell of rows and filters."""
    if not rest or not rest[0].is_word(*_SHOWN):
        raise _denied("a SHOW of something else than names")
    shown, rest = rest[0].text.upper(), rest[1:]
    name: Sequence[Lexeme] = ()
    if rest and rest[0].is_word("FROM", "IN"):
        name = _leading_name(rest[1:])
        rest = rest[1 + len(name) :]
    rest = _without_pattern(rest)
    if (
        len(rest) == 2
        and rest[0].is_word("FORMAT")
        and rest[1].kind is LexemeKind.WORD
        and dialect.backquotes
    ):
        rest = ()
    if rest or (shown == "COLUMNS" and not name):
        raise _denied("a SHOW of another form")
    return Statement(kind=StatementKind.SHOW, table=name if shown == "COLUMNS" else ())


def _without_pattern(rest: Sequence[Lexeme]) -> Sequence[Lexeme]:
    for word in ("LIKE", "ESCAPE"):
        if len(rest) >= 2 and rest[0].is_word(word) and rest[1].kind is LexemeKind.STRING:
            rest = rest[2:]
    return rest


def _describe(rest: Sequence[Lexeme], dialect: GuardDialect) -> Statement:
    if dialect.prepares and len(rest) == 2 and rest[0].is_word("INPUT", "OUTPUT") and rest[1].kind in _NAMES:
        return Statement(kind=StatementKind.PREPARE, executes=_prepared_name(rest[1]))
    if len(rest) > 1 and rest[0].is_word("TABLE") and rest[1].kind in _NAMES:
        rest = rest[1:]
    if (
        len(rest) > 2
        and rest[-2].is_word("FORMAT")
        and rest[-1].kind is LexemeKind.WORD
        and dialect.backquotes
    ):
        rest = rest[:-2]
    if not _is_name(rest):
        # `DESCRIBE url('…')` of ClickHouse goes and looks.
        raise _denied("a DESCRIBE of something else than a table")
    return Statement(kind=StatementKind.DESCRIBE, table=rest)


def _exists(rest: Sequence[Lexeme]) -> Statement:
    """ClickHouse's `EXISTS TABLE orders` and `EXISTS DATABASE sales`."""
    is_database = bool(rest) and rest[0].is_word("DATABASE")
    name = _without_format(rest[1:] if rest and rest[0].is_word("TABLE", "DATABASE") else rest)
    if not _is_name(name):
        raise _denied("an EXISTS of another form")
    return Statement(kind=StatementKind.DESCRIBE, table=() if is_database else name)


def _without_format(rest: Sequence[Lexeme]) -> Sequence[Lexeme]:
    """Without ClickHouse's `FORMAT word` at the end."""
    has_format = len(rest) >= 2 and rest[-2].is_word("FORMAT") and rest[-1].kind is LexemeKind.WORD
    return rest[:-2] if has_format else rest


def _explain(rest: Sequence[Lexeme], dialect: GuardDialect) -> Statement:
    """Of a query; what it says beside is one word of a list, or in parentheses. ANALYZE would run it."""
    if rest and rest[0].is_word(*_EXPLAINED.get(dialect.sqlglot, ())):
        rest = rest[1:]
    elif len(rest) > 1 and rest[0].is_mark("(") and not _begins_query(rest):
        end = next((number for number, lexeme in enumerate(rest) if lexeme.is_mark(")")), 0)
        allowed = all(lexeme.kind is LexemeKind.WORD or lexeme.is_mark(",") for lexeme in rest[1:end])
        if not allowed or any(lexeme.is_word("ANALYZE") for lexeme in rest[1:end]):
            raise _denied("an EXPLAIN with other options")
        rest = rest[end + 1 :]
    if not _begins_query(rest):
        raise _denied("an EXPLAIN of something else than a query")
    return Statement(kind=StatementKind.EXPLAIN, query=rest)


def _prepared(word: str, rest: Sequence[Lexeme]) -> Statement:
    """Trino's: https://trino.io/docs/current/sql/prepare.html, execute.html and execute-immediate.html."""
    kind = StatementKind.PREPARE
    match word:
        case "PREPARE" if len(rest) > 2 and rest[0].kind in _NAMES and rest[1].is_word("FROM"):
            if _begins_query(rest[2:]):
                return Statement(kind=kind, query=rest[2:])
        case "DEALLOCATE" if len(rest) == 2 and rest[0].is_word("PREPARE") and rest[1].kind in _NAMES:
            return Statement(kind=kind)
        case "EXECUTE" if (
            len(rest) > 1 and rest[0].is_word("IMMEDIATE") and rest[1].kind is LexemeKind.STRING
        ):
            return Statement(kind=kind, immediate=rest[1], values=_using(rest[2:]))
        case "EXECUTE" if rest and rest[0].kind in _NAMES:
            return Statement(kind=kind, executes=_prepared_name(rest[0]), values=_using(rest[1:]))
        case _:
            pass
    raise _denied(f"a statement that begins with `{word}`, of another form")


def _prepared_name(lexeme: Lexeme) -> str:
    return lexeme.text.lower()


def _using(rest: Sequence[Lexeme]) -> Sequence[Lexeme]:
    if not rest:
        return ()
    if not rest[0].is_word("USING") or len(rest) == 1:
        raise _denied("an EXECUTE of another form")
    return rest[1:]


def _transaction(word: str, rest: Sequence[Lexeme]) -> Statement:
    is_plain = all(lexeme.kind is LexemeKind.WORD or lexeme.is_mark(",") for lexeme in rest)
    if not is_plain or (word == "START" and not (rest and rest[0].is_word("TRANSACTION"))):
        raise _denied("a statement about a transaction, of another form")
    return Statement(kind=StatementKind.TRANSACTION)


def _leading_name(rest: Sequence[Lexeme]) -> Sequence[Lexeme]:
    end = 0
    while end < len(rest) and rest[end].kind in _NAMES:
        end += 1
        if end == len(rest) or not rest[end].is_mark("."):
            break
        end += 1
    return rest[:end]


def _is_name(lexemes: Sequence[Lexeme]) -> bool:
    return 0 < len(lexemes) == len(_leading_name(lexemes)) and lexemes[-1].kind in _NAMES


def _denied(what: str) -> Denied:
    return Denied(Reason.STATEMENT_DENIED, what)
