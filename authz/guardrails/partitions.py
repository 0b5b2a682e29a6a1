"""Whether a query reads no more of a table than it should: a constant condition on its partition column."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from sqlglot import exp

from authz.errors import Denied, Reason
from authz.guardrails.bounded import MAX_DIGITS, whole_number
from authz.guardrails.rules import PartitionRule, TableName

_UNITS: Final = {"DAY": 1, "WEEK": 7, "MONTH": 31, "QUARTER": 92, "YEAR": 366}
"""Days, at the most."""

_MAX_RULED: Final = 64

_TODAY: Final = ("today", "curdate", "current_date", "now", "current_timestamp")


class _Partition(NamedTuple):
    """A partition column, lower case, and what may stand before it; the empty name where nothing has to."""

    name: str
    qualifiers: frozenset[str]

    def is_(self, node: exp.Expr) -> bool:
        """Whether `node` is the column beyond doubt."""
        column = node.unnest()
        if not isinstance(column, exp.Column) or column.args.get("db") or column.name.lower() != self.name:
            return False
        qualifier = column.args.get("table")
        return (qualifier.name.lower() if qualifier is not None else "") in self.qualifiers


class _Moment(NamedTuple):
    """Days since the first of the year 1, or days from now."""

    from_now: bool
    days: float


class _Span(NamedTuple):
    low: _Moment | None
    high: _Moment | None


def check_partitions(
    tables: Mapping[int, TableName | None],
    nodes: tuple[exp.Expr, ...],
    rules: Mapping[TableName, PartitionRule],
) -> None:
    """Raise `Denied(filter_required)` for a table that is read without the condition that `rules` want on it.

    The condition stands in the WHERE (or PREWHERE) of the SELECT that names the table, joined by AND. What a day
    is in other units is taken at the most: a month has 31.
    """
    ruled = [
        (node, rules[table])
        for node in nodes
        if isinstance(node, exp.Table) and (table := tables.get(id(node))) is not None and table in rules
    ]
    if len(ruled) > _MAX_RULED:
        raise Denied(
            Reason.STATEMENT_TOO_LARGE, f"more than {_MAX_RULED} mentions of tables that need a condition"
        )
    for node, rule in ruled:
        _check_partition(node, rule)


def _check_partition(table: exp.Table, rule: PartitionRule) -> None:
    select = table.find_ancestor(exp.Select)
    names = frozenset({(table.alias or table.name).lower()})
    if select is not None and _is_alone(table, select) and not _is_renamed(rule.column, select):
        names |= {""}
    column = _Partition(rule.column.lower(), names)
    spans = [span for condition in _conditions(select) if (span := _span(condition, column)) is not None]
    if not spans:
        raise Denied(Reason.FILTER_REQUIRED, f"no constant condition on `{rule.column}`")
    if rule.within is not None and not _within(spans, rule.within):
        raise Denied(
            Reason.FILTER_REQUIRED,
            f"the condition on `{rule.column}` spans more than {rule.within.days} days",
        )


def _conditions(select: exp.Select | None) -> Iterator[exp.Expr]:
    """What holds of every row that `select` takes."""
    for clause in ("where", "prewhere"):
        where = None if select is None else select.args.get(clause)
        if where is not None:
            yield from _conjuncts(where.this)


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    open_ = [condition]
    while open_:
        node = open_.pop().unnest()
        if isinstance(node, exp.And):
            open_ += [node.left, node.right]
        else:
            yield node


def _span(condition: exp.Expr, column: _Partition) -> _Span | None:
    """What `condition` says of the partition column; None if it is no constant condition on it."""
    match condition:
        case exp.Between() if column.is_(condition.this) and not condition.args.get("symmetric"):
            low, high = condition.args["low"], condition.args["high"]
            return _Span(_moment(low), _moment(high)) if _is_constant(low) and _is_constant(high) else None
        case exp.In() if column.is_(condition.this):
            values = condition.expressions
            if not values or not all(map(_is_constant, values)) or condition.args.get("query"):
                return None
            moments = [_moment(value) for value in values]
            known = [moment for moment in moments if moment is not None]
            alike = len(known) == len(moments) and len({moment.from_now for moment in known}) == 1
            return _Span(min(known), max(known)) if alike else _Span(None, None)
        case exp.EQ() | exp.GT() | exp.GTE() | exp.LT() | exp.LTE():
            return _comparison(condition, column)
        case _:
            return None


def _comparison(condition: exp.Binary, column: _Partition) -> _Span | None:
    subject, value, kind = condition.left, condition.right, type(condition)
    if not column.is_(subject):
        subject, value = value, subject
        kind = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}.get(kind, kind)
    if not column.is_(subject) or not _is_constant(value):
        return None
    moment = _moment(value)
    if kind is exp.EQ:
        return _Span(moment, moment)
    return _Span(moment, None) if kind in {exp.GT, exp.GTE} else _Span(None, moment)


def _is_alone(table: exp.Table, select: exp.Select) -> bool:
    source = select.args["from_"].this if select.args.get("from_") is not None else None
    source = source.this if isinstance(source, exp.Final) else source
    joined = any(one.args.get(key) for one in (select, table) for key in ("joins", "laterals"))
    return source is table and not joined


def _is_renamed(column: str, select: exp.Select) -> bool:
    """Whether something else is called like `column`: ClickHouse takes the alias for the column in the WHERE, too."""
    return any(
        alias.alias.lower() == column.lower()
        and not (isinstance(alias.this, exp.Column) and alias.this.name.lower() == column.lower())
        for alias in select.find_all(exp.Alias)
    )


def _is_constant(node: exp.Expr | None) -> bool:
    return node is not None and node.find(exp.Column, exp.Query, exp.Placeholder, exp.Parameter) is None


def _moment(node: exp.Expr | None) -> _Moment | None:
    """The day that a constant stands for, if it is written in one of the usual ways."""
    match node:
        case exp.Paren():
            return _moment(node.this)
        case exp.Literal() if node.is_string:
            return _day(node.name)
        case exp.Cast() | exp.TryCast() | exp.Date() | exp.Timestamp() | exp.TsOrDsToDate() | exp.StrToDate():
            return _moment(node.this)
        case exp.CurrentDate() | exp.CurrentTimestamp():
            return _Moment(from_now=True, days=0.0)
        case exp.Anonymous() if node.name.lower() in _TODAY and not node.expressions:
            return _Moment(from_now=True, days=0.0)
        case exp.Anonymous() if node.name.lower() in {"todate", "todatetime"} and len(node.expressions) == 1:
            return _moment(node.expressions[0])
        case exp.Add() | exp.Sub():
            return _shifted(node.left, node.right, 1 if isinstance(node, exp.Add) else -1)
        case exp.DateAdd() | exp.DateSub() if str(node.args.get("unit") or "").upper() in _UNITS:
            unit = _UNITS[str(node.args["unit"]).upper()]
            return _shifted(node.this, node.expression, unit if isinstance(node, exp.DateAdd) else -unit)
        case _:
            return None


def _shifted(start: exp.Expr, by: exp.Expr, unit: int) -> _Moment | None:
    moment, days = _moment(start), _days(by)
    return None if moment is None or days is None else moment._replace(days=moment.days + days * unit)


def _days(node: exp.Expr) -> float | None:
    match node:
        case exp.Neg() | exp.Paren():
            inner = _days(node.this)
            return None if inner is None else (-inner if isinstance(node, exp.Neg) else inner)
        case exp.Interval():
            number, unit = node.this, str(node.args.get("unit") or "").upper()
            text = number.name if isinstance(number, exp.Literal) else ""
            known = text.isdecimal() and len(text) <= MAX_DIGITS and unit in _UNITS
            return int(text) * _UNITS[unit] if known else None
        case _:
            return whole_number(node)


def _day(text: str) -> _Moment | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    day = date(moment.year, moment.month, moment.day)
    return _Moment(from_now=False, days=day.toordinal() + moment.hour / 24)


def _within(spans: list[_Span], most: timedelta) -> bool:
    for from_now in (False, True):
        lows = [span.low.days for span in spans if span.low is not None and span.low.from_now is from_now]
        highs = [span.high.days for span in spans if span.high is not None and span.high.from_now is from_now]
        if from_now:
            # Nothing has happened after now.
            highs = highs or [0.0]
        if lows and highs and min(highs) - max(lows) <= most / timedelta(days=1):
            return True
    return False
