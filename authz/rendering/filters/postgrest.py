"""A row filter as PostgREST reads it, and what of a client's query PostgREST answers within it.

PostgREST joins all conditions of a query with AND, so a client's can only narrow. What could widen is closed by
allow-list: embedded resources (`select=…(…)`, `orders.region=…`), which no filter of the root holds for, and every
parameter that is not known. All `and` and `or` of a client's go on inside ours, written anew: an API that takes one `and`
only has ours. https://docs.postgrest.org/en/v14/references/api/tables_views.html, and its parser
(`PostgREST.ApiRequest.QueryParams`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, assert_never

from authz.errors import Denied, Reason
from authz.rendering.dialects import Dialect, refusal
from authz.rendering.filters.parameters import Parameter, check_value
from authz.rendering.filters.postgrestlogic import FIELD, NAME, condition_text, quoted, tree_text
from authz.scopes.conjunctions import Conjunction
from authz.scopes.constraints import Between, Constraint, OneOf
from authz.scopes.rowfilter import Everything, Nothing, RowFilter, Where
from authz.scopes.values import Value, value_text

_TEXT_ORDER_UNKNOWN: Final = Dialect(sqlglot="postgres", text_order=None)
"""The order of texts is the collation's: no parameter can name another."""

MAX_PARTS: Final = 1_000
"""Conditions, columns and values of lists that a client may ask for, all together."""

_CAST: Final = r"(?:::[a-z][a-z0-9_]*)?"
_ALIAS: Final = rf"(?:{NAME}:)?"
_SELECTED: Final = re.compile(
    rf"(?:\*|{_ALIAS}count\(\){_CAST}|{_ALIAS}{FIELD}{_CAST}(?:\.(?:sum|avg|count|min|max)\(\){_CAST})?)\Z"
)
_ORDERED: Final = re.compile(rf"{FIELD}(?:\.(?:asc|desc))?(?:\.nulls(?:first|last))?\Z")
_NUMBER: Final = re.compile(r"[0-9]{1,10}\Z", re.ASCII)
_FILTERED: Final = re.compile(rf"{FIELD}\Z")
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)

_LOGIC: Final = frozenset({"and", "or", "not.and", "not.or"})
_RESERVED: Final = frozenset(
    {"and", "columns", "limit", "not", "offset", "on_conflict", "or", "order", "select"}
)
"""Words that begin something else than a condition."""


def row_conditions(rows: RowFilter, columns: Mapping[str, str]) -> tuple[str, ...]:
    """What stands between the parentheses of `and=(…)`; nothing for every row. NULL satisfies none of it.

    Raises `Denied`: `scope_not_expressible`, `scope_too_large`.
    """
    conditions = tuple(_conditions_of(rows, columns))
    check_value(",".join(conditions))
    return conditions


def _conditions_of(rows: RowFilter, columns: Mapping[str, str]) -> Iterator[str]:
    match rows:
        case Everything():
            return
        case Nothing():
            column = _column(next(iter(columns.values())))
            yield from (f"{column}.is.null", f"{column}.not.is.null")
        case Where((disjunct,)):
            yield from _conjunction(disjunct, columns)
        case Where(disjuncts):
            alternatives = (_alternative(list(_conjunction(each, columns))) for each in disjuncts)
            yield f"or({','.join(alternatives)})"
        case _:
            assert_never(rows)


def query(own: Iterable[str], asked: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """The parameters of a request: `own`, which `row_conditions` gave, then what of the client's can only narrow.

    Raises `Denied`: `parameter_denied` for a parameter or a part of one that is not known to, `request_ambiguous` for
    one that came twice.
    """
    asked = tuple(asked)
    if sum(value.count(",") for _, value in asked) + len(asked) > MAX_PARTS:
        raise Denied(Reason.PARAMETER_DENIED, f"a query of more than {MAX_PARTS} parts")
    logic: list[str] = []
    kept: list[Parameter] = []
    seen: set[str] = set()
    for name, value in asked:
        if name in _LOGIC:
            logic.append(tree_text(name, value))
            continue
        kept.append((name, _checked(name, value)))
        if name in seen and name in _RESERVED:
            raise Denied(Reason.REQUEST_AMBIGUOUS, f"the parameter `{name}` was sent twice")
        seen.add(name)
    conditions = ",".join((*own, *logic))
    return (("and", f"({conditions})"), *kept) if conditions else tuple(kept)


def _checked(name: str, value: str) -> str:
    match name:
        case "select":
            _check_parts(name, value.split(","), _SELECTED)
        case "order":
            _check_parts(name, value.split(","), _ORDERED)
        case "limit" | "offset":
            _check_parts(name, [value], _NUMBER)
        case _ if name not in _RESERVED and _FILTERED.match(name):
            return condition_text(value)
        case _:
            raise Denied(Reason.PARAMETER_DENIED, f"the parameter `{name[:64]}` is not open")
    return value


def _check_parts(name: str, parts: Iterable[str], pattern: re.Pattern[str]) -> None:
    if not all(map(pattern.match, parts)):
        raise Denied(
            Reason.PARAMETER_DENIED, f"`{name}` has more than plain columns, or what it has cannot be read"
        )


def _alternative(conditions: list[str]) -> str:
    return conditions[0] if len(conditions) == 1 else f"and({','.join(conditions)})"


def _conjunction(disjunct: Conjunction, columns: Mapping[str, str]) -> Iterator[str]:
    for dimension, constraint in disjunct:
        if dimension not in columns:
            # Leaving the constraint out would select more.
            raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, f"dimension `{dimension}` has no column")
        problem = refusal(constraint, _TEXT_ORDER_UNKNOWN)
        if problem is not None:
            raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, problem)
        yield from _conditions(_column(columns[dimension]), constraint)


def _conditions(column: str, constraint: Constraint) -> Iterator[str]:
    match constraint:
        case OneOf((False, True)):
            yield f"{column}.not.is.null"
        case OneOf((bool() as value,)):
            yield f"{column}.is.{value_text(value)}"
        case OneOf((value,)):
            yield f"{column}.eq.{_quoted(value)}"
        case OneOf(values):
            yield f"{column}.in.({','.join(map(_quoted, values))})"
        case Between(low=low, high=high, low_open=low_open, high_open=high_open):
            if low is not None:
                yield f"{column}.{'gt' if low_open else 'gte'}.{_quoted(low)}"
            if high is not None:
                yield f"{column}.{'lt' if high_open else 'lte'}.{_quoted(high)}"
        case _:
            assert_never(constraint)


def _column(name: str) -> str:
    if _PLAIN.match(name) and name not in _RESERVED:
        return name
    if not name or not name.isprintable() or not frozenset('"\\*').isdisjoint(name):
        raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, "a column that cannot be quoted")
    return f'"{name}"'


def _quoted(value: Value) -> str:
    """Always in quotes, so that no character in it is reserved; a moment says its zone, the session's is unknown."""
    text = value_text(value)
    if isinstance(value, datetime):
        text = text.removesuffix("Z") + "+00:00"
    return quoted(text)
