"""A row filter as an OData `$filter`, and what of a client's query options can stand beside it.

A client's `$filter` goes on behind ours, `(ours) and (theirs)`, after it was read strictly and written anew. All other
options are let through by an exact name, because OData 4.01 also takes them without `$` and in other letter case, and
more than one of them answers with rows that `$filter` does not hold for (`$expand`, `$apply`, `$compute`, `$search`,
`$deltatoken`, parameter aliases).
https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part2-url-conventions.html, section 5
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, assert_never

from authz.errors import Denied, Reason
from authz.rendering.dialects import Dialect, refusal
from authz.rendering.filters.odataexpression import NAME, Expression, expression
from authz.rendering.filters.parameters import Parameter, check_value
from authz.scopes.conjunctions import Conjunction
from authz.scopes.constraints import Between, Constraint, OneOf
from authz.scopes.rowfilter import Everything, Nothing, RowFilter, Where
from authz.scopes.values import MAX_EXACT_JSON_INTEGER, Value, value_text

METADATA: Final = "$metadata"
FILTER: Final = "$filter"

MAX_DECIMAL_DIGITS: Final = 15
"""Digits that a double keeps: a literal like `1.5` is one to some servers."""

_TEXT_ORDER_UNKNOWN: Final = Dialect(sqlglot="", text_order=None)

_SELECTED: Final = re.compile(rf"(?:\*|{NAME})\Z")
_ORDERED: Final = re.compile(rf"{NAME}(?: (?:asc|desc))?\Z")
_WHOLE: Final[Mapping[str, re.Pattern[str]]] = {
    "$top": re.compile(r"[0-9]{1,10}\Z", re.ASCII),
    "$skip": re.compile(r"[0-9]{1,10}\Z", re.ASCII),
    "$count": re.compile(r"(?:true|false)\Z"),
    "$format": re.compile(r"[A-Za-z0-9/+.;=\-]{1,128}\Z", re.ASCII),
    "$skiptoken": re.compile(r"[^\x00-\x1f]{1,2048}\Z"),
}
_LISTS: Final[Mapping[str, re.Pattern[str]]] = {"$select": _SELECTED, "$orderby": _ORDERED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """What is open to a client beside the filter."""

    closed_properties: Collection[str] = ()
    """Properties that are not to be seen as they are: they can be named nowhere, nor does `*` stand for them."""
    next_links: bool = False


def row_filter(rows: RowFilter, properties: Mapping[str, str]) -> str:
    """The filter in parentheses; empty for every row. NULL satisfies no constraint.

    Written as version 4.0 has it, without `in`. Raises `Denied`: `scope_not_expressible`, `scope_too_large`.
    """
    return check_value(_filter_of(rows, properties))


def _filter_of(rows: RowFilter, properties: Mapping[str, str]) -> str:
    match rows:
        case Everything():
            return ""
        case Nothing():
            name = _property(properties, next(iter(properties)))
            return f"({name} eq null and {name} ne null)"
        case Where((disjunct,)):
            return f"({' and '.join(_conjunction(disjunct, properties))})"
        case Where(disjuncts):
            alternatives = (f"({' and '.join(_conjunction(each, properties))})" for each in disjuncts)
            return f"({' or '.join(alternatives)})"
        case _:
            assert_never(rows)


def query(own: str, asked: Iterable[Parameter], opened: Open) -> tuple[Parameter, ...]:
    """The query options of a request for a collection: `own`, which `row_filter` gave, then the client's.

    Raises `Denied`: `parameter_denied` for an option or a part of one that is not open, `request_ambiguous` for one
    that came twice, `column_hidden`.
    """
    options = _once(asked)
    theirs = options.pop(FILTER, None)
    kept = [(name, _checked(name, value, opened)) for name, value in options.items()]
    if theirs is not None:
        theirs, names = _without_own(theirs, own)
        _check_names(names, opened)
    if opened.closed_properties and "$select" not in options:
        raise Denied(
            Reason.COLUMN_HIDDEN, "all properties of a collection that has hidden ones: `$select` says which"
        )
    text = own if not theirs else f"{own} and ({theirs})" if own else theirs
    return ((FILTER, text), *kept) if text else tuple(kept)


def description(asked: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """The query options of a request for the service's document or its metadata, which hold no rows.

    Raises `Denied`: `parameter_denied`, `request_ambiguous`.
    """
    options = _once(asked)
    for name, value in options.items():
        if name != "$format" or not _WHOLE[name].match(value):
            raise _refused(name)
    return tuple(options.items())


def _once(asked: Iterable[Parameter]) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in asked:
        if name in options:
            raise Denied(Reason.REQUEST_AMBIGUOUS, f"the parameter `{name[:64]}` was sent twice")
        options[name] = value
    return options


def _checked(name: str, value: str, opened: Open) -> str:
    if name in _LISTS:
        parts = [part.strip(" ") for part in value.split(",")]
        if not all(map(_LISTS[name].match, parts)):
            raise Denied(Reason.PARAMETER_DENIED, f"`{name}` has more than plain properties")
        _check_names((part.partition(" ")[0] for part in parts), opened)
        return ",".join(parts)
    if name not in _WHOLE or (name == "$skiptoken" and not opened.next_links):
        raise _refused(name)
    if not _WHOLE[name].match(value):
        raise _refused(name)
    return value


def _refused(name: str) -> Denied:
    return Denied(
        Reason.PARAMETER_DENIED, f"the parameter `{name[:64]}` is not open, or its value cannot be read"
    )


def _check_names(names: Iterable[str], opened: Open) -> None:
    closed = set(map(_folded, opened.closed_properties))
    if closed and any(name == "*" or _folded(name) in closed for name in names):
        raise Denied(
            Reason.COLUMN_HIDDEN, "a hidden property, or all properties of a collection that has some"
        )


def _folded(name: str) -> str:
    """Equal for names that some server takes for one."""
    return unicodedata.normalize("NFKC", name).casefold()


def _without_own(text: str, own: str) -> tuple[str, frozenset[str]]:
    """A client's filter without ours, which stands in the next links that the API has made; and what it names.

    INVARIANT: what is left is a whole expression by itself, so nothing of it can end the parentheses it is put into.
    """
    theirs = expression(text)
    if own and theirs.text == own:
        return "", frozenset()
    before = f"{own} and ("
    if own and theirs.text.startswith(before) and theirs.text.endswith(")"):
        inner = _expression_or_none(theirs.text.removeprefix(before)[:-1])
        if inner is not None:
            return inner.text, inner.names
    return theirs.text, theirs.names


def _expression_or_none(text: str) -> Expression | None:
    try:
        return expression(text)
    except Denied:
        # `(ours) and (a) or (b)`: the parentheses that were taken away do not belong together.
        return None


def _conjunction(disjunct: Conjunction, properties: Mapping[str, str]) -> Iterator[str]:
    for dimension, constraint in disjunct:
        name = _property(properties, dimension)
        problem = refusal(constraint, _TEXT_ORDER_UNKNOWN)
        if problem is not None:
            raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, problem)
        yield from _conditions(name, constraint)


def _property(properties: Mapping[str, str], dimension: str) -> str:
    name = properties.get(dimension)
    if name is None or not re.fullmatch(NAME, name):
        # Leaving the constraint out would select more.
        raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, f"dimension `{dimension}` has no property")
    return name


def _conditions(name: str, constraint: Constraint) -> Iterator[str]:
    match constraint:
        case OneOf((False, True)):
            yield f"{name} ne null"
        case OneOf((value,)):
            yield f"{name} eq {_literal(value)}"
        case OneOf(values):
            yield f"({' or '.join(f'{name} eq {_literal(value)}' for value in values)})"
        case Between(low=low, high=high, low_open=low_open, high_open=high_open):
            if low is not None:
                yield f"{name} {'gt' if low_open else 'ge'} {_literal(low)}"
            if high is not None:
                yield f"{name} {'lt' if high_open else 'le'} {_literal(high)}"
        case _:
            assert_never(constraint)


def _literal(value: Value) -> str:
    match value:
        case str():
            return "'" + value.replace("'", "''") + "'"
        case int() if abs(value) > MAX_EXACT_JSON_INTEGER:
            raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, "an integer beyond 53 bits, which some servers round")
        case Decimal() if len(value.as_tuple().digits) > MAX_DECIMAL_DIGITS:
            raise Denied(
                Reason.SCOPE_NOT_EXPRESSIBLE,
                f"a decimal of more than {MAX_DECIMAL_DIGITS} digits, which some servers round",
            )
        case _:
            return value_text(value)
