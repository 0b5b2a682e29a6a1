"""Filters in a query: PostgREST, as its source reads them, selects what `matches` says; a client's only narrows."""

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from authz.errors import Denied
from authz.rendering.filters import odata, postgrest
from authz.rendering.filters.odataexpression import expression
from authz.rendering.filters.parameters import read_parameters, written
from authz.scopes.constraints import OneOf
from authz.scopes.rowfilter import RowFilter, Where, matches, where
from tests.postgrest_reading import Reading, read, selects
from tests.scope_strategies import TYPES, Row, filters, grants, rows, texts

COLUMNS = {name: name for name in TYPES} | {"region": "Region of it", "customer": "not"}
PROPERTIES = {name: name.title() for name in TYPES}

_of_texts = st.sets(texts, min_size=1, max_size=3).map(
    lambda chosen: where({"region": OneOf(tuple(sorted(chosen)))})
)
scopes = filters(tuple(TYPES)) | grants() | _of_texts


def _likely(scope: RowFilter) -> list[Row]:
    """Rows that the scope speaks of: each alternative's first values, and nothing beside."""
    if not isinstance(scope, Where):
        return []
    return [
        dict.fromkeys(TYPES)
        | {
            name: each.values[0] if isinstance(each, OneOf) else each.low or each.high
            for name, each in disjunct
        }
        for disjunct in scope.disjuncts
    ]


def _by_column(row: Row) -> dict[str, Any]:
    return {COLUMNS[name]: value for name, value in row.items()}


def _asked(scope: RowFilter, query: str) -> Reading | None:
    """What PostgREST reads, or None for a scope or a query that is refused."""
    try:
        return read(
            written(postgrest.query(postgrest.row_conditions(scope, COLUMNS), read_parameters(query)))
        )
    except Denied:
        return None


@settings(max_examples=100, deadline=None)
@given(scopes, st.lists(rows(), min_size=1, max_size=8))
def test_postgrest_selects_what_matches_says(scope: RowFilter, table: list[Row]) -> None:
    """All types, NULLs, alternatives, and texts full of quotes, commas, parentheses and backslashes."""
    reading = _asked(scope, "")
    assume(reading is not None)
    assert reading is not None
    for row in (*table, *_likely(scope)):
        assert selects(reading, _by_column(row)) is matches(scope, row)


_words = st.sampled_from(
    (
        "and", "or", "not.", "(", ")", ",", ".", "eq", "gte", "in", "is", "neq", "customer", "day", '"', "\\", '"x"', "1", "2025-10-20",
        "null", "{", "}", "->", " ", "*", "select", "=", "&", ";", "%22", "%29", "%2529", "!", "+", "customers(*)", "...", "count()",
    )
)  # fmt: skip
_conditions = st.sampled_from(
    (
        "customer.eq.1",
        "customer.not.in.(1,2)",
        "day.gte.2025-10-20",
        "active.is.true",
        "or(customer.gt.2,active.is.null)",
    )
)
_groups = st.lists(_conditions, min_size=1, max_size=3).map(",".join)
_queries = st.one_of(
    st.lists(_words, max_size=8).map("".join),
    st.tuples(st.sampled_from(("and", "or", "not.and", "not.or")), _groups).map(lambda p: f"{p[0]}=({p[1]})"),
    st.tuples(_groups, st.lists(_words, max_size=3).map("".join)).map(lambda p: f"or=({p[0]}){p[1]}"),
    st.tuples(_groups, st.lists(_words, max_size=3).map("".join)).map(lambda p: f"or=({p[1]},{p[0]})"),
    st.sampled_from(
        ("customer=gte.1", "day=not.is.null&customer=lt.5", "select=day,customer.sum()&order=day.desc")
    ),
)


@settings(max_examples=150, deadline=None)
@given(scopes, _queries, st.lists(rows(), min_size=1, max_size=4))
def test_a_client_of_postgrest_only_narrows(scope: RowFilter, query: str, table: list[Row]) -> None:
    """Whatever it says: what is let through embeds nothing, and selects no row that the scope does not."""
    reading = _asked(scope, query)
    if reading is None:
        return
    assert not reading.embedded
    assert all(not path for path, _ in reading.conditions)
    for row in (*table, *_likely(scope)):
        try:
            seen = selects(reading, _by_column(row))
        except (KeyError, ValueError, ArithmeticError, NotImplementedError, TypeError):
            continue  # PostgreSQL answers with an error
        assert not seen or matches(scope, row)


@settings(max_examples=200, deadline=None)
@given(_of_texts | scopes)
def test_what_is_written_for_odata_is_read_as_it_is_written(scope: RowFilter) -> None:
    """So that a client who follows the next link of an API sends our own filter back, and it is known again."""
    try:
        own = odata.row_filter(scope, PROPERTIES)
    except Denied:
        return
    if not own:
        return
    assert expression(own).text == own
    again = odata.query(own, [("$filter", f"{own} and (Total gt 5)")], odata.Open())
    assert again == (("$filter", f"{own} and (Total gt 5)"),)


_tokens = st.sampled_from(
    (
        "(", ")", "'", "''", " ", ",", "and", "or", "not", "eq", "in", "Region", "Day", "1", "'EU'", "null", "contains", "/", "$it", "@p",
        "any", ":", "cast", "2025-10-20", "-", ".", "\\", '"', "%27", "\u2019",
    )
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(_tokens, max_size=12).map("".join) | st.lists(_tokens, max_size=12).map(" ".join))
def test_what_is_let_through_of_a_filter_ends_no_parentheses(text: str) -> None:
    """Outside of its texts every parenthesis is closed, in order; and a second reading finds the same."""
    try:
        read_ = expression(text)
    except Denied:
        return
    depth, quoted = 0, False
    for character in read_.text:
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(character, 0)
            assert depth >= 0
            assert character not in '/$@:;"\\%' or character == ":"
    assert depth == 0
    assert not quoted
    assert expression(read_.text) == read_
