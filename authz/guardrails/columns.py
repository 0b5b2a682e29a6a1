"""What a statement can take from its tables, by name: too much rather than too little, so nothing is resolved twice.

No two resolvers agree on every scope, so this asks less than a resolver: an unqualified name may be a column of every
table of the statement, a qualified one of every table that is called so anywhere in it. What is left over of the text,
because SQLGlot made no identifier of it, may be a column of any table.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from sqlglot import exp

from authz.guardrails.lexer import Lexeme, LexemeKind
from authz.guardrails.rules import Reads, TableName

_NAMES: Final = frozenset({LexemeKind.WORD, LexemeKind.QUOTED})
_Bindings = Mapping[str, frozenset[TableName]]


def reads_of(
    nodes: Sequence[exp.Expr],
    tables: Mapping[int, TableName | None],
    lexemes: Sequence[Lexeme],
) -> Reads:
    """`tables` are those of `authz.guardrails.names.tables_of`, `lexemes` the text that `nodes` were read from."""
    every = frozenset(name for name in tables.values() if name is not None)
    bindings = _bindings(nodes, tables)
    columns: defaultdict[str, frozenset[TableName]] = defaultdict(frozenset)
    for node in nodes:
        if isinstance(node, exp.Column):
            _read_column(node, bindings, every, columns)
        elif isinstance(node, exp.Identifier) and not _is_no_column(node):
            columns[fold(node.name)] |= every
    whole = _whole(nodes, tables, bindings, every) | _rows(nodes, bindings)
    if has_columns_call(lexemes):
        whole = every
    return Reads(columns=dict(columns), whole=whole, everywhere=_left_over(nodes, lexemes))


def has_columns_call(lexemes: Sequence[Lexeme]) -> bool:
    """Whether `COLUMNS('…')` of ClickHouse or DuckDB stands in the text: all columns that a pattern fits."""
    return any(
        one.text.upper() == "COLUMNS" and one.kind in _NAMES and other.is_mark("(")
        for one, other in pairwise(lexemes)
    )


def fold(name: str) -> str:
    """How names of columns are compared: no warehouse takes two names for one that differ in this."""
    return name.casefold()


def _bindings(nodes: Iterable[exp.Expr], tables: Mapping[int, TableName | None]) -> _Bindings:
    """What each name before a dot may stand for: tables, or none of them where it is a query's own."""
    found: defaultdict[str, frozenset[TableName]] = defaultdict(frozenset)
    for node in nodes:
        table = tables.get(id(node))
        of = frozenset() if table is None else frozenset({table})
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            # ClickHouse knows a table by its own name beside the alias.
            found[fold(node.name)] |= of
        if isinstance(node, exp.TableAlias) and isinstance(node.this, exp.Identifier):
            of_parent = tables.get(id(_aliased(node)))
            found[fold(node.name)] |= frozenset() if of_parent is None else frozenset({of_parent})
    return found


def _aliased(alias: exp.TableAlias) -> exp.Expr | None:
    parent = alias.parent
    return parent.this if isinstance(parent, exp.Final) else parent


def _read_column(
    column: exp.Column,
    bindings: _Bindings,
    every: frozenset[TableName],
    columns: defaultdict[str, frozenset[TableName]],
) -> None:
    qualifiers = [
        part for part in (column.args.get("catalog"), column.args.get("db"), column.args.get("table")) if part
    ]
    for qualifier in qualifiers:
        # `email.domain` may be a field of the column `email`, even where a table is called so.
        columns[fold(qualifier.name)] |= every
    if not isinstance(column.this, exp.Star):
        one = fold(qualifiers[0].name) if len(qualifiers) == 1 else None
        columns[fold(column.name)] |= every if one is None else bindings.get(one, every)


def _is_no_column(identifier: exp.Identifier) -> bool:
    """Whether it is part of a column that is read as a whole, names a table, or gives a name to something."""
    parent, key = identifier.parent, identifier.arg_key
    match parent:
        case exp.Column() | exp.Table():
            return True
        case exp.Alias():
            return key == "alias"
        case exp.TableAlias():
            return True
        case exp.Query():
            return key == "format"
        case _:
            return False


def _whole(
    nodes: Iterable[exp.Expr],
    tables: Mapping[int, TableName | None],
    bindings: _Bindings,
    every: frozenset[TableName],
) -> frozenset[TableName]:
    found: set[TableName] = set()
    for node in nodes:
        match node:
            case exp.Star() if not isinstance(node.parent, exp.Count):
                found |= _of_star(node, tables, bindings, every)
            case exp.Join() if str(node.args.get("method") or "").upper() == "NATURAL":
                found |= every
            case exp.TableAlias() if node.args.get("columns"):
                # `FROM customers AS c (a, b, c)` gives every column another name.
                found |= _named(tables.get(id(_aliased(node))))
            case _:
                pass
    return frozenset(found)


def _rows(nodes: Iterable[exp.Expr], bindings: _Bindings) -> frozenset[TableName]:
    """`SELECT c FROM customers AS c` is the row as one value, in PostgreSQL and DuckDB."""
    found: frozenset[TableName] = frozenset()
    for node in nodes:
        if (
            isinstance(node, exp.Column)
            and not node.args.get("table")
            and not isinstance(node.this, exp.Star)
        ):
            found |= bindings.get(fold(node.name), frozenset())
    return found


def _of_star(
    star: exp.Star,
    tables: Mapping[int, TableName | None],
    bindings: _Bindings,
    every: frozenset[TableName],
) -> frozenset[TableName]:
    parent = star.parent
    if isinstance(parent, exp.Select):
        return _sources(parent, tables, every)
    if isinstance(parent, exp.Column) and not parent.args.get("db") and parent.args.get("table"):
        return bindings.get(fold(parent.args["table"].name), every)
    return every


def _sources(
    select: exp.Select, tables: Mapping[int, TableName | None], every: frozenset[TableName]
) -> frozenset[TableName]:
    """What `SELECT *` stands for, where that is plain. What another query gives is that query's own to read."""
    from_ = select.args.get("from_")
    joined = (*(select.args.get("joins") or ()), *(select.args.get("laterals") or ()))
    found: frozenset[TableName] = frozenset()
    for place in (from_, *joined):
        source = place.this if isinstance(place, exp.From | exp.Join) else place
        source = source.this if isinstance(source, exp.Final) else source
        match source:
            case exp.Table() if not source.args.get("joins") and not source.args.get("laterals"):
                found |= _named(tables.get(id(source)))
            case exp.Subquery() if isinstance(source.this, exp.Query):
                pass
            case exp.Unnest() | exp.Values():
                pass
            case _:
                return every
    return found


def _named(table: TableName | None) -> frozenset[TableName]:
    return frozenset() if table is None else frozenset({table})


def _left_over(nodes: Iterable[exp.Expr], lexemes: Iterable[Lexeme]) -> frozenset[str]:
    """The words that stand more often in the text than in the tree."""
    names = Counter(fold(node.name) for node in nodes if isinstance(node, exp.Identifier))
    words = Counter(fold(lexeme.text) for lexeme in lexemes if lexeme.kind in _NAMES)
    return frozenset(words - names)
