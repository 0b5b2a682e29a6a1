"""Names of tables: as the warehouse folds them, completed, and told apart from the names of a WITH."""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlglot import exp

from authz.errors import Denied, Reason
from authz.guardrails.dialects import GuardDialect
from authz.guardrails.lexer import Lexeme, LexemeKind
from authz.guardrails.rules import Session, TableName

_MAX_NAME: Final = 255
"""Longest word of a table's name, in characters: more than any warehouse takes, and what a log bears."""


def folded(name: str, dialect: GuardDialect, *, quoted: bool) -> str:
    """An identifier as the warehouse compares it."""
    match dialect.folding:
        case "lower":
            return name.lower()
        case "unquoted":
            return name if quoted else name.lower()
        case "exact":
            return name


def complete(parts: tuple[str, ...], session: Session, dialect: GuardDialect) -> TableName:
    """The whole name of a table of which a statement names `parts`. Raises `Denied(table_denied)`."""
    if not all(0 < len(part) <= _MAX_NAME and "." not in part for part in parts):
        raise Denied(Reason.TABLE_DENIED, "a table has a dot in its name, or too long a name")
    if dialect.name_parts is None:
        return parts
    defaults = (session.catalog or dialect.default_catalog, session.schema or dialect.default_schema)[
        3 - dialect.name_parts :
    ]
    missing = dialect.name_parts - len(parts)
    if missing < 0:
        raise Denied(Reason.TABLE_DENIED, f"a table is named in {len(parts)} parts")
    front = tuple(folded(part, dialect, quoted=True) for part in defaults[:missing] if part)
    if len(front) != missing:
        raise Denied(Reason.TABLE_DENIED, "a table is not named in full, and the request names no default")
    if not all(len(part) <= _MAX_NAME and "." not in part for part in front):
        raise Denied(
            Reason.TABLE_DENIED, "the default of the request has a dot in its name, or too long a name"
        )
    return (*front, *parts)


def table_of_lexemes(lexemes: Iterable[Lexeme], session: Session, dialect: GuardDialect) -> TableName | None:
    """The table that `lexemes` name (`a.b."C"`), or None if they are anything else."""
    parts: list[str] = []
    due = True
    for lexeme in lexemes:
        is_name = lexeme.kind in {LexemeKind.WORD, LexemeKind.QUOTED}
        if due != is_name or not (is_name or lexeme.is_mark(".")):
            return None
        if is_name:
            parts.append(folded(lexeme.text, dialect, quoted=lexeme.kind is LexemeKind.QUOTED))
        due = not is_name
    return complete(tuple(parts), session, dialect) if parts and not due else None


def tables_of(
    nodes: Iterable[exp.Expr], session: Session, dialect: GuardDialect
) -> Mapping[int, TableName | None]:
    """By the `id` of its node, each table that the statement reads; None for what a WITH of its defines.

    Functions in place of tables are left out. Raises `Denied(table_denied)`.
    """
    return {
        id(node): None if _is_defined(node, dialect) else complete(_parts(node, dialect), session, dialect)
        for node in nodes
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier)
    }


def _parts(table: exp.Table, dialect: GuardDialect) -> tuple[str, ...]:
    parts = [part for part in (table.args.get("catalog"), table.args.get("db"), table.this) if part]
    if not all(isinstance(part, exp.Identifier) for part in parts):
        raise Denied(Reason.TABLE_DENIED, "a table is not named by identifiers")
    return tuple(_folded(part, dialect) for part in parts)


def _folded(identifier: exp.Identifier, dialect: GuardDialect) -> str:
    return folded(identifier.name, dialect, quoted=bool(identifier.args.get("quoted")))


def _is_defined(table: exp.Table, dialect: GuardDialect) -> bool:
    """Whether a WITH around the table defines its name before it, or recursively (SQL:2016 part 2, 7.17).

    `WITH orders AS (SELECT * FROM orders)` reads the real table.
    """
    if table.args.get("db") or table.args.get("catalog"):
        return False
    name = _folded(table.this, dialect)
    inner: exp.Expr = table
    around = table.parent
    while around is not None:
        if isinstance(around, exp.CTE) and name in _name(around, dialect) and _is_own_step(table, around):
            return True
        with_ = around if isinstance(around, exp.With) else around.args.get("with_")
        if isinstance(with_, exp.With) and with_ is not inner and name in _defined(with_, inner, dialect):
            return True
        inner, around = around, around.parent
    return False


def _defined(with_: exp.With, seen_from: exp.Expr, dialect: GuardDialect) -> set[str]:
    """The names of `with_` that hold at `seen_from`, which is one of its definitions or the query behind it."""
    names: set[str] = set()
    for cte in with_.expressions:
        if cte is seen_from:
            break
        names |= _name(cte, dialect)
    return names


def _is_own_step(table: exp.Table, cte: exp.Expr) -> bool:
    """Whether `table` stands in the recursive step of `cte`, where its name is the definition's own.

    Anywhere else in it DuckDB takes the name for the real table, and Trino refuses it.
    """
    with_ = cte.parent
    if (
        not isinstance(with_, exp.With)
        or not with_.args.get("recursive")
        or not isinstance(cte.this, exp.Union)
    ):
        return False
    step: exp.Expr | None = table
    while step is not None and step.parent is not cte.this:
        step = step.parent
    return step is cte.this.expression


def _name(cte: exp.Expr, dialect: GuardDialect) -> set[str]:
    alias = cte.args["alias"].this
    # `WITH 1 AS x` of ClickHouse names a value.
    is_query = isinstance(cte.this, exp.Query) and not cte.args.get("scalar")
    return {_folded(alias, dialect)} if is_query and isinstance(alias, exp.Identifier) else set()
