"""Functions by their names in the text: SQLGlot gives one function many names, the warehouse knows the one it reads."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from sqlglot import exp

from authz.errors import Denied, Reason
from authz.guardrails.dialects import GuardDialect
from authz.guardrails.lexer import Lexeme, LexemeKind
from authz.guardrails.patterns import matches_word
from authz.guardrails.rules import GuardrailRules

_NAMES: Final = frozenset({LexemeKind.WORD, LexemeKind.QUOTED})
_SHOWN: Final = 64
"""Characters of a name that go into the operator's log."""

# What may stand before a parenthesis and calls nothing.
_KEYWORDS: Final = frozenset(
    {
        "all", "and", "any", "array", "as", "between", "by", "case", "char", "cube", "decimal", "distinct", "else", "end", "except",
        "exists", "filter", "from", "group", "having", "in", "intersect", "interval", "is", "join", "lateral", "like",
        "limit", "not", "on", "or", "order", "over", "recursive", "rollup", "row", "select", "sets", "some", "table", "then", "union",
        "unnest", "using", "values", "varchar", "when", "where", "with",
    }
)  # fmt: skip

_BEFORE_OPERANDS: Final = (
    "SELECT", "WHERE", "AND", "OR", "ON", "WHEN", "THEN", "ELSE", "CASE", "BY", "HAVING", "DISTINCT", "PREWHERE",
    "BETWEEN", "LIKE", "IN",
)  # fmt: skip


def check_functions(
    lexemes: Sequence[Lexeme], rules: GuardrailRules, dialect: GuardDialect
) -> tuple[str, ...]:
    """The names that are called, lower case, sorted. Raises `Denied(function_denied)`."""
    called = _called_names(lexemes)
    for name in sorted(called):
        denied = matches_word(dialect.denied_functions, name) and not matches_word(rules.functions, name)
        if denied or matches_word(rules.denied_functions, name):
            raise Denied(Reason.FUNCTION_DENIED, f"function `{name[:_SHOWN]}`")
    return tuple(sorted(called - _KEYWORDS))


def _called_names(lexemes: Sequence[Lexeme]) -> set[str]:
    """Every name before a parenthesis, lower case, but for `x IN (…)`."""
    called: set[str] = set()
    before: Lexeme | None = None
    for one, other in pairwise(lexemes):
        if one.kind in _NAMES and other.is_mark("(") and not (one.is_word("IN") and _ends_operand(before)):
            called.add(one.text.lower())
        if not one.is_word("NOT", "GLOBAL"):
            before = one
    return called


def _ends_operand(lexeme: Lexeme | None) -> bool:
    """Whether an IN behind `lexeme` is the operator: `in(id, orders)` is a function of ClickHouse's."""
    if lexeme is None:
        return False
    if lexeme.kind is LexemeKind.MARK:
        return lexeme.text in {")", "]", "}"}
    return not lexeme.is_word(*_BEFORE_OPERANDS)


def check_table_functions(nodes: Iterable[exp.Expr], rules: GuardrailRules, dialect: GuardDialect) -> None:
    """Refuse a call in place of a table that is not on a list of allowed ones.

    Raises `Denied`: `function_denied`; `table_denied` for what is neither a call nor a name.
    """
    for node in nodes:
        if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
            if not isinstance(node.this, exp.Func):
                raise Denied(Reason.TABLE_DENIED, "a table is not named by identifiers")
            name = _called(node)
            if name is None or not (name in dialect.table_functions or matches_word(rules.functions, name)):
                raise Denied(Reason.FUNCTION_DENIED, f"the table function `{(name or 'unknown')[:_SHOWN]}`")


def _called(table: exp.Table) -> str | None:
    """The name of the function that stands for a table; the inner one of Trino's `TABLE(f(…))`."""
    call = table.this
    if table.args.get("db") or table.args.get("catalog"):
        return None
    if isinstance(call, exp.Anonymous) and call.name.upper() == "TABLE" and len(call.expressions) == 1:
        call = call.expressions[0]
    if isinstance(call, exp.GenerateSeries):
        return "sequence" if call is not table.this else "generate_series"
    return call.name.lower() if isinstance(call, exp.Anonymous) else None
