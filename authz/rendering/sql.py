"""A row filter as an SQL predicate in the dialect of the warehouse.

SQLGlot builds, quotes and writes; nothing here puts SQL together from text. What the predicate means is the
warehouse's business in these points, which the operator must know:

- Text is equal to text as the column's collation says. MySQL and SQL Server ignore case by default. Text ranges
  are written only where the order is by code point (`SCOPE_NOT_EXPRESSIBLE` elsewhere; PostgreSQL is told to).
- A dimension's type must be its column's: MySQL compares text with a number by guessing.
- Timestamps are UTC. Columns without a time zone are compared in the session's, which must then be UTC.
- Identifiers are quoted, so they are case sensitive where the dialect says so (Snowflake: `REGION`).
- Backslashes are escaped where the dialect reads them as escapes (MySQL, ClickHouse, Snowflake, BigQuery,
  Databricks). PostgreSQL is taken with `standard_conforming_strings` on, its default since 9.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, assert_never

from sqlglot import exp

from authz.errors import Denied, Reason
from authz.rendering.dialects import ANY_ZONE, DIALECTS, TARGETS, Dialect, refusal
from authz.scopes.conjunctions import Conjunction
from authz.scopes.constraints import Between, Constraint, OneOf, constraint_type
from authz.scopes.datascope import canonical_json
from authz.scopes.rowfilter import Everything, Nothing, RowFilter, Where, to_json
from authz.scopes.values import Value, ValueType

__all__ = ["DIALECTS", "predicate", "predicate_in_any_zone"]

_WITHOUT_ZONE: Final[Mapping[str, Any]] = {"timestamp_type": "TIMESTAMP(6)", "timestamp_has_offset": False}
_REMEMBERED: Final = 1_024
_LONGEST_REMEMBERED: Final = 8_192
"""In characters of the filter: what is remembered takes some 20 MB at most."""
_REFUSED_IN_IDENTIFIERS = frozenset("\"'`[]\\;")


def predicate(rows: RowFilter, columns: Mapping[str, str], dialect: str) -> str:
    """The predicate that selects the rows of a filter; `columns` maps each dimension to its column.

    `1 = 1` for everything and `1 = 0` for nothing, because not every dialect has TRUE. In parentheses where it
    needs them, so it can stand beside other conditions. Raises
    `Denied(scope_not_expressible)` for what the dialect cannot be told exactly.
    """
    told = canonical_json(to_json(rows))
    if len(told) > _LONGEST_REMEMBERED:
        return _written(rows, columns, dialect)
    return _remembered(_Told(told, tuple(columns.items()), dialect, rows))


@dataclass(frozen=True, slots=True)
class _Told:
    """A filter by its canonical form, which tells `1` from `true`, as the values themselves do not."""

    text: str
    columns: tuple[tuple[str, str], ...]
    dialect: str
    rows: RowFilter = field(compare=False)


@lru_cache(_REMEMBERED)
def _remembered(told: _Told) -> str:
    """Many people share a scope, and to write it takes longer than to verify a token."""
    return _written(told.rows, dict(told.columns), told.dialect)


def _written(rows: RowFilter, columns: Mapping[str, str], dialect: str) -> str:
    target = TARGETS.get(dialect)
    if target is None:
        raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, f"unknown SQL dialect `{dialect}`")
    # The expression is nobody else's: the generator may write into it.
    return _expression(rows, columns, target).sql(dialect=target.sqlglot, copy=False)


def predicate_in_any_zone(rows: RowFilter, columns: Mapping[str, str]) -> str:
    """`predicate` for a Trino whose session has whatever zone its client says.

    A moment and a column with a zone, or a day and a column without one, are compared as they are. What Trino would
    move to the session's zone first is never compared: which it is, the type of the column says, which Trino knows
    when it plans the query, so that nothing of the question is left by then. Raises as `predicate` does.
    """
    return _expression(rows, columns, ANY_ZONE).sql(
        dialect=ANY_ZONE.sqlglot, normalize_functions=False, copy=False
    )


def _expression(rows: RowFilter, columns: Mapping[str, str], target: Dialect) -> exp.Expr:
    match rows:
        case Everything():
            return exp.EQ(this=exp.Literal.number(1), expression=exp.Literal.number(1))
        case Nothing():
            return exp.EQ(this=exp.Literal.number(1), expression=exp.Literal.number(0))
        case Where(disjuncts):
            alternatives = [_conjunction(disjunct, columns, target) for disjunct in disjuncts]
            return _whole(exp.or_(*alternatives, copy=False))
        case _:
            assert_never(rows)


def _whole(expression: exp.Expr) -> exp.Expr:
    """In parentheses if it needs them: `active AND a OR b` would let every `b` through."""
    return exp.paren(expression, copy=False) if isinstance(expression, exp.Connector) else expression


def _conjunction(disjunct: Conjunction, columns: Mapping[str, str], target: Dialect) -> exp.Expr:
    conditions = [
        condition
        for name, constraint in disjunct
        for condition in _conditions(_column(columns, name), constraint, target)
    ]
    return exp.and_(*conditions, copy=False)


def _column(columns: Mapping[str, str], dimension: str) -> exp.Column:
    name = columns.get(dimension)
    if name is None:
        # Leaving the constraint out would select more.
        raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, f"dimension `{dimension}` has no column")
    if not name or not name.isprintable() or not _REFUSED_IN_IDENTIFIERS.isdisjoint(name):
        raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, f"the column of dimension `{dimension}` cannot be quoted")
    return exp.column(name, quoted=True)


def _conditions(column: exp.Column, constraint: Constraint, target: Dialect) -> list[exp.Expr]:
    problem = refusal(constraint, target)
    if problem is not None:
        raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, problem)
    if target.any_zone and constraint_type(constraint) in {ValueType.DATE, ValueType.TIMESTAMP}:
        return [_by_zone(column, constraint, target)]
    return _plain_conditions(column, constraint, target)


def _by_zone(column: exp.Column, constraint: Constraint, target: Dialect) -> exp.Expr:
    """One of two readings of the same bounds; whatever the column is, the values in it are taken as UTC."""
    type_name = exp.Dot.build(
        # The whole name: nothing that a client defines can stand in its place.
        [
            exp.to_identifier("system"),
            exp.to_identifier("builtin"),
            exp.Anonymous(this="typeof", expressions=[column]),
        ]
    )
    zoned = exp.Like(this=type_name, expression=exp.Literal.string("%with time zone"))
    with_zone = _plain_conditions(column.copy(), _as_moments(constraint), replace(target, any_zone=False))
    without = _plain_conditions(column.copy(), constraint, replace(target, any_zone=False, **_WITHOUT_ZONE))
    return exp.Case().when(zoned, exp.and_(*with_zone, copy=False)).else_(exp.and_(*without, copy=False))


def _as_moments(constraint: Constraint) -> Constraint:
    match constraint:
        case OneOf(values):
            return OneOf(tuple(map(_moment, values)))
        case Between(low=low, high=high):
            return replace(
                constraint,
                low=None if low is None else _moment(low),
                high=None if high is None else _moment(high),
            )
        case _:
            assert_never(constraint)


def _moment(value: Value) -> Value:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    return value


def _plain_conditions(column: exp.Column, constraint: Constraint, target: Dialect) -> list[exp.Expr]:
    match constraint:
        case OneOf((_, _)) if constraint_type(constraint) is ValueType.BOOLEAN:
            # Both of two: SQL Server has no literals for a list of them.
            return [exp.Not(this=exp.Is(this=column, expression=exp.Null()))]
        case OneOf((value,)):
            return [exp.EQ(this=column, expression=_literal(value, target))]
        case OneOf(values):
            return [exp.In(this=column, expressions=[_literal(value, target) for value in values])]
        case Between() as range_:
            return _range(column, range_, target)
        case _:
            assert_never(constraint)


def _range(column: exp.Column, range_: Between, target: Dialect) -> list[exp.Expr]:
    subject: exp.Expr = column
    if constraint_type(range_) is ValueType.STRING and target.text_order == "C":
        subject = exp.Collate(this=column, expression=exp.to_identifier("C", quoted=True))
    parts: list[exp.Expr] = []
    if range_.low is not None:
        above = exp.GT if range_.low_open else exp.GTE
        parts.append(above(this=subject, expression=_literal(range_.low, target)))
    if range_.high is not None:
        below = exp.LT if range_.high_open else exp.LTE
        parts.append(below(this=subject.copy(), expression=_literal(range_.high, target)))
    return parts


def _literal(value: Value, target: Dialect) -> exp.Expr:
    match value:
        case bool():
            return exp.true() if value else exp.false()
        case str():
            national = target.national_text and not value.isascii()
            return exp.National(this=value) if national else exp.Literal.string(value)
        case int():
            return exp.Literal.number(value)
        case Decimal():
            return _decimal(value, target)
        case datetime():
            text = value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
            return _cast(
                text + ("+00:00" if target.timestamp_has_offset else ""), target.timestamp_type, target
            )
        case date():
            return _cast(value.isoformat(), target.date_type, target)
        case _:
            assert_never(value)


def _decimal(value: Decimal, target: Dialect) -> exp.Expr:
    _, digits, exponent = value.as_tuple()
    scale = -exponent if isinstance(exponent, int) else 0
    # No wider than the number is: with DECIMAL(38, 30) the comparison with an amount could overflow.
    name = target.decimal_type.format(precision=max(len(digits), scale), scale=scale)
    return _cast(format(value, "f"), name, target)


def _cast(text: str, type_: str, target: Dialect) -> exp.Expr:
    return exp.Cast(this=exp.Literal.string(text), to=_type(type_, target.sqlglot).copy())


@lru_cache(maxsize=1024)
def _type(name: str, dialect: str) -> exp.DataType:
    """A type by name: SQLGlot parses it, which takes longer than all the rest of a literal."""
    built = exp.DataType.build(name, dialect=dialect)
    # ClickHouse would be given Nullable(…) types otherwise, which its indices do not take.
    built.set("nullable", False)
    return built
