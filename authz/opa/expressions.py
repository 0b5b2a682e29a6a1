"""What Trino filters and masks with, in its SQL. Whoever may EXPLAIN reads it: no secret is in any of it."""

import re
from typing import Final, assert_never

from sqlglot import exp

from authz.errors import Denied, Reason
from authz.policy.tables import Table
from authz.rendering.sql import predicate_in_any_zone
from authz.scopes.columns import ColumnMask
from authz.scopes.datascope import TableScope
from authz.scopes.rowfilter import Everything

NOTHING: Final = "FALSE"
NULL: Final = "NULL"
"""Of every type, so that it fits any column."""

UNTOLD: Final = frozenset({ColumnMask.HIDDEN, ColumnMask.HASH})
"""What a column is closed for: a hash would need its key in SQL that people can read."""

_TEXT: Final = re.compile(r"(?P<name>varchar|char)(?:\((?P<length>[0-9]{1,10})\))?\Z", re.ASCII)
_MOMENT: Final = re.compile(r"date\Z|timestamp\([0-9]{1,2}\)(?: with time zone)?\Z", re.ASCII)


def row_filter(table: Table, scope: TableScope) -> str | None:
    """The predicate of a table; None for every row. Raises `Denied(scope_not_expressible)`."""
    if isinstance(scope.rows, Everything):
        return None
    return predicate_in_any_zone(scope.rows, table.columns)


def column_mask(mask: ColumnMask, column: str, type_: str) -> str | None:
    """The expression that a column of a type is shown as; None for as it is.

    What the type cannot be shown as is NULL, as with the plugin that reads assertions.
    """
    match mask:
        case ColumnMask.CLEAR:
            return None
        case ColumnMask.LAST4 if (text := _TEXT.match(type_)) is not None:
            length = text["length"]
            return _last_four(column, text["name"] if length is None else f"{text['name']}({int(length)})")
        case ColumnMask.YEAR if _MOMENT.match(type_):
            return _sql(_call("date_trunc", exp.Literal.string("year"), _column(column)))
        case ColumnMask.LAST4 | ColumnMask.YEAR | ColumnMask.NULL | ColumnMask.HIDDEN | ColumnMask.HASH:
            return NULL
        case _:
            assert_never(mask)


def _last_four(column: str, type_: str) -> str:
    text = exp.cast(_column(column), "varchar", dialect="trino")
    # A char is padded with blanks, which would count as characters of the value.
    value = _call("rtrim", text) if type_.startswith("char") else text
    # The last four of four would be all of it.
    shown = (
        exp.Case()
        .when(
            exp.GT(this=_call("length", value), expression=exp.Literal.number(4)),
            _call("substr", value.copy(), exp.Literal.number(-4)),
        )
        .when(_column(column).is_(exp.null()).not_(), exp.Literal.string("****"))
    )
    # Trino refuses a mask of another type than the column's.
    return _sql(exp.cast(shown, type_, dialect="trino"))


def _column(name: str) -> exp.Column:
    if not name.isprintable():
        raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, "a column's name cannot be quoted")
    return exp.column(name, quoted=True)


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _sql(expression: exp.Expr) -> str:
    return expression.sql(dialect="trino", normalize_functions=False)
