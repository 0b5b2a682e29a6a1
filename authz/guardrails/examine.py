"""One statement against the rules: an `Examined`, or `Denied`.

The order: bounds and lexemes; the kind; then, for the query in it, the tree, its nodes, tables, functions and bounds.
What is hidden from a person is looked at last and apart (`refuse_hidden`), so that the rest can be remembered for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, assert_never

from authz.errors import Denied, Reason
from authz.guardrails.bounded import check_rows
from authz.guardrails.columns import fold, reads_of
from authz.guardrails.dialects import DIALECTS, GuardDialect
from authz.guardrails.functions import check_functions, check_table_functions
from authz.guardrails.lexer import Lexeme, LexemeKind, fingerprint, read_lexemes
from authz.guardrails.names import table_of_lexemes, tables_of
from authz.guardrails.nodes import check_nodes
from authz.guardrails.parsing import UnparsedError, parse_query
from authz.guardrails.partitions import check_partitions
from authz.guardrails.patterns import matches, matches_word
from authz.guardrails.rules import (
    Examined,
    GuardrailRules,
    Reads,
    Session,
    StatementKind,
    TableName,
    Unparsed,
)
from authz.guardrails.statements import Statement, read_statement

Hidden = Mapping[TableName, frozenset[str]]
"""Columns that a person must not see, by table."""

# In a query that was not parsed: what changes settings, writes, or hides the letters of a name.
_REFUSED_WORDS: Final = (
    "SETTINGS",
    "INTO",
    "OUTFILE",
    "UESCAPE",
    "INSERT",
    "CREATE",
    "DROP",
    "ALTER",
    "DELETE",
    "UPDATE",
)
_WHOLE_WORDS: Final = frozenset({"columns", "natural", "table", "pivot", "unpivot"})
"""Take columns, in such a query, without their names."""


def examine(text: str, rules: GuardrailRules, session: Session) -> Examined:
    """Examine one statement.

    Raises `Denied`: `statement_malformed`, `statement_too_large`, `statement_denied`, `table_denied`,
    `function_denied`, `column_hidden`, `filter_required`, `limit_required`. Nothing of a literal is in what it says or raises.
    """
    try:
        return _examine(text, rules, session)
    except RecursionError:
        raise Denied(Reason.STATEMENT_TOO_LARGE, "a statement that is nested too deep") from None


def _examine(text: str, rules: GuardrailRules, session: Session) -> Examined:
    dialect = DIALECTS[rules.dialect]
    lexemes = read_lexemes(text, dialect, rules.bounds)
    statement = read_statement(lexemes, dialect)
    if statement.kind not in rules.statements:
        raise Denied(Reason.STATEMENT_DENIED, f"statements of kind `{statement.kind.value}` are not allowed")
    functions = check_functions(lexemes, rules, dialect)
    _check_virtual_columns(lexemes, dialect)
    found = Examined(
        kind=statement.kind,
        tables=_described(statement, rules, session, dialect),
        functions=functions,
        fingerprint=fingerprint(lexemes),
        executes=statement.executes,
    )
    if statement.executes is not None and statement.executes not in session.prepared:
        raise Denied(Reason.STATEMENT_DENIED, "a prepared statement that the request does not bring along")
    _check_values(text, statement, rules, session)
    if statement.immediate is not None:
        inner_session = replace(session, prepared=frozenset())
        inner = examine(_literal(statement.immediate, dialect), rules, inner_session)
        return replace(inner, kind=statement.kind)
    if statement.query:
        return _examined_query(text, statement.query, found, rules, session)
    return found


def refuse_hidden(examined: Examined, hidden: Hidden) -> None:
    """Raise `Denied(column_hidden)` if the statement may take a hidden column from a table that it reads.

    A statement that was not parsed may read every table.
    """
    reads = examined.reads
    for table, columns in hidden.items():
        if examined.parsed and table not in examined.tables:
            continue
        names = frozenset(fold(part) for column in columns for part in (column, *column.split(".")))
        whole = table in reads.whole if examined.parsed else bool(reads.whole)
        if names and (
            whole
            or not names.isdisjoint(reads.everywhere)
            or any(table in reads.columns.get(name, ()) for name in names)
        ):
            raise Denied(
                Reason.COLUMN_HIDDEN, f"a hidden column of `{'.'.join(table)}`, or all of its columns"
            )


def _check_virtual_columns(lexemes: Sequence[Lexeme], dialect: GuardDialect) -> None:
    """By their names in the text, whatever stands there under such a name."""
    for lexeme in lexemes:
        if lexeme.kind in {LexemeKind.WORD, LexemeKind.QUOTED} and matches_word(
            dialect.virtual_columns, lexeme.text.lower()
        ):
            raise Denied(Reason.COLUMN_HIDDEN, f"the virtual column `{lexeme.text[:64]}`")


def _described(
    statement: Statement, rules: GuardrailRules, session: Session, dialect: GuardDialect
) -> tuple[TableName, ...]:
    if not statement.table:
        return ()
    table = table_of_lexemes(statement.table, session, dialect)
    if table is None:
        raise Denied(Reason.STATEMENT_DENIED, "what is described has no plain name")
    _check_table(table, rules, dialect)
    return (table,)


def _check_values(text: str, statement: Statement, rules: GuardrailRules, session: Session) -> None:
    """The values of an EXECUTE: expressions that read no table."""
    if not statement.values:
        return
    values = f"SELECT {_part(text, statement.values)}"
    own = replace(rules, statements=frozenset({StatementKind.SELECT}), max_rows=None)
    found = examine(values, own, session)
    if found.tables or not found.parsed or found.reads.columns:
        raise Denied(Reason.STATEMENT_DENIED, "a value of an EXECUTE that is no constant")


def _literal(lexeme: Lexeme, dialect: GuardDialect) -> str:
    inner = lexeme.text[1:-1]
    if dialect.backslash_escapes and "\\" in inner:
        raise Denied(Reason.STATEMENT_MALFORMED, "escapes in a statement in quotes")
    return inner.replace("''", "'")


def _part(text: str, lexemes: Sequence[Lexeme]) -> str:
    return text[lexemes[0].start : lexemes[-1].end]


def _examined_query(
    text: str, query: Sequence[Lexeme], found: Examined, rules: GuardrailRules, session: Session
) -> Examined:
    dialect = DIALECTS[rules.dialect]
    part = _part(text, query)
    shifted = [
        lexeme._replace(start=lexeme.start - query[0].start, end=lexeme.end - query[0].start)
        for lexeme in query
    ]
    try:
        tree = parse_query(part, shifted, dialect)
        nodes = check_nodes(tree, dialect)
    except UnparsedError:
        return _unparsed(
            query, found, rules, Denied(Reason.STATEMENT_MALFORMED, "the query cannot be parsed")
        )
    except Denied as denied:
        if denied.reason is not Reason.STATEMENT_DENIED:
            raise
        return _unparsed(query, found, rules, denied)
    check_table_functions(nodes, rules, dialect)
    tables = tables_of(nodes, session, dialect)
    every = tuple(sorted({table for table in tables.values() if table is not None}))
    for table in every:
        _check_table(table, rules, dialect)
    check_rows(tree, rules.max_rows)
    check_partitions(tables, nodes, rules.partitions)
    found = replace(found, tables=every, reads=reads_of(nodes, tables, query))
    refuse_hidden(found, _hidden_metadata(every, dialect))
    return found


def _unparsed(query: Sequence[Lexeme], found: Examined, rules: GuardrailRules, denied: Denied) -> Examined:
    """What can be said of a query by its words alone, if the policy lets such a query pass."""
    match rules.unparsed:
        case Unparsed.REFUSE:
            raise denied
        case Unparsed.PASS:
            if any(lexeme.is_word(*_REFUSED_WORDS) for lexeme in query):
                raise denied
            names = {fold(one.text) for one in query if one.kind in {LexemeKind.WORD, LexemeKind.QUOTED}}
            star = any(one.is_mark("*") for one in query) or not names.isdisjoint(_WHOLE_WORDS)
            return replace(
                found,
                parsed=False,
                reads=Reads(everywhere=frozenset(names), whole=frozenset({()}) if star else frozenset()),
            )
        case other:
            assert_never(other)


def _check_table(table: TableName, rules: GuardrailRules, dialect: GuardDialect) -> None:
    allowed = matches(rules.tables, table) or matches(dialect.metadata, table)
    if not allowed or matches(rules.denied_tables, table):
        raise Denied(Reason.TABLE_DENIED, f"table `{'.'.join(table)}`")


def _hidden_metadata(tables: tuple[TableName, ...], dialect: GuardDialect) -> Hidden:
    return {table: dialect.metadata_hidden.get(".".join(table), frozenset()) for table in tables}
