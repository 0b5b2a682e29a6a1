"""The laws of the scope algebra, held against `matches`: row by row, NULLs included."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from authz.scopes.canonical import canonical
from authz.scopes.constraints import OneOf, between, contains, implies, intersect, one_of
from authz.scopes.datascope import canonical_json, data_scope
from authz.scopes.rowfilter import (
    EVERYTHING,
    NOTHING,
    Everything,
    RowFilter,
    Where,
    about,
    all_of,
    any_of,
    contained,
    matches,
    to_json,
    where,
)
from authz.scopes.union import union
from authz.scopes.values import Value, ValueType
from tests.scope_strategies import TYPES, Row, constraints, filters, grants, rows, values

EXAMPLES = settings(max_examples=120, deadline=None)
many_rows = st.lists(rows(), min_size=1, max_size=8)


def _selected(rows_: RowFilter, table: list[Row]) -> list[bool]:
    return [matches(rows_, row) for row in table]


@EXAMPLES
@given(st.lists(grants(), max_size=5), many_rows)
def test_any_of_selects_exactly_the_rows_of_at_least_one_filter(
    parts: list[RowFilter], table: list[Row]
) -> None:
    """The key law: merging grants never gives a row that no single grant gives."""
    assert _selected(any_of(parts), table) == [any(matches(part, row) for part in parts) for row in table]


@EXAMPLES
@given(st.lists(grants(("region", "customer")), min_size=2, max_size=6), rows())
def test_any_of_is_exact_where_grants_overlap_most(parts: list[RowFilter], row: Row) -> None:
    """Two dimensions only, so that merges and absorptions happen in nearly every example."""
    assert matches(any_of(parts), row) == any(matches(part, row) for part in parts)


@EXAMPLES
@given(filters(), filters(), filters(), many_rows)
def test_all_of_selects_exactly_the_rows_of_every_filter(
    a: RowFilter, b: RowFilter, c: RowFilter, table: list[Row]
) -> None:
    """A restriction can only take away, and takes away exactly what it says."""
    expected = [matches(a, row) and matches(b, row) and matches(c, row) for row in table]
    assert _selected(all_of(a, b, c), table) == expected


@EXAMPLES
@given(
    st.lists(grants(("region", "customer", "day")), max_size=6).flatmap(
        lambda p: st.tuples(st.just(p), st.permutations(p))
    )
)
def test_the_canonical_form_does_not_depend_on_the_order(
    both: tuple[list[RowFilter], list[RowFilter]],
) -> None:
    """The same grants give the same scope id, or colleagues would not share an answer."""
    parts, shuffled = both
    assert any_of(parts) == any_of(shuffled)


@EXAMPLES
@given(filters())
def test_the_canonical_form_is_stable(a: RowFilter) -> None:
    """Canonical twice is canonical."""
    assert any_of([a]) == a
    if isinstance(a, Where):
        assert canonical(reversed(a.disjuncts)) == a.disjuncts


@EXAMPLES
@given(filters())
def test_the_canonical_form_is_sorted_distinct_absorbed_and_never_empty(a: RowFilter) -> None:
    """What `Where` and `OneOf` promise, and what readers of the JSON form rely on."""
    if not isinstance(a, Where):
        return
    assert a.disjuncts
    assert len(set(a.disjuncts)) == len(a.disjuncts)
    for disjunct in a.disjuncts:
        names = [name for name, _ in disjunct]
        assert names
        assert names == sorted(set(names))
        for _, constraint in disjunct:
            if isinstance(constraint, OneOf):
                assert all(x < y for x, y in pairwise(constraint.values))  # type: ignore[operator]
    for narrow in a.disjuncts:
        assert not any(contained(Where((narrow,)), Where((wide,))) for wide in a.disjuncts if wide != narrow)


@EXAMPLES
@given(filters(), filters())
def test_or_and_and_commute(a: RowFilter, b: RowFilter) -> None:
    """In form, not only in meaning."""
    assert any_of([a, b]) == any_of([b, a])
    assert all_of(a, b) == all_of(b, a)


@EXAMPLES
@given(filters())
def test_or_and_and_are_idempotent(a: RowFilter) -> None:
    """A grant that is matched twice is one grant."""
    assert any_of([a, a]) == a
    assert all_of(a, a) == a


@EXAMPLES
@given(filters(), filters(), many_rows)
def test_absorption(a: RowFilter, b: RowFilter, table: list[Row]) -> None:
    """A narrower grant beside a wider one changes nothing, and a wider restriction neither."""
    assert _selected(any_of([a, all_of(a, b)]), table) == _selected(a, table)
    assert _selected(all_of(a, any_of([a, b])), table) == _selected(a, table)


@EXAMPLES
@given(filters(), filters(), filters(), many_rows)
def test_or_and_and_are_associative_and_distribute(
    a: RowFilter, b: RowFilter, c: RowFilter, table: list[Row]
) -> None:
    """In meaning: the form may depend on how grants are grouped, never on their order."""
    assert _selected(any_of([any_of([a, b]), c]), table) == _selected(any_of([a, b, c]), table)
    assert _selected(all_of(all_of(a, b), c), table) == _selected(all_of(a, all_of(b, c)), table)
    assert _selected(all_of(a, any_of([b, c])), table) == _selected(
        any_of([all_of(a, b), all_of(a, c)]), table
    )


@EXAMPLES
@given(filters())
def test_identity_and_annihilator(a: RowFilter) -> None:
    """Nothing adds nothing; everything takes nothing away."""
    assert any_of([a, NOTHING]) == a
    assert any_of([a, EVERYTHING]) == EVERYTHING
    assert all_of(a, EVERYTHING) == a
    assert all_of(a, NOTHING) == NOTHING


@EXAMPLES
@given(st.lists(grants(), max_size=5))
def test_everything_comes_from_everything_only(parts: list[RowFilter]) -> None:
    """However many constraints are joined, they never become "no constraint": NULL would slip in."""
    assert (any_of(parts) == EVERYTHING) == any(isinstance(part, Everything) for part in parts)


@EXAMPLES
@given(filters(), filters(), many_rows)
def test_contained_is_sound(a: RowFilter, b: RowFilter, table: list[Row]) -> None:
    """A grant is only dropped beside another if each of its rows is the other's, too."""
    if contained(a, b):
        assert all(matches(b, row) for row in table if matches(a, row))


@EXAMPLES
@given(filters(), filters())
def test_scope_ids_are_equal_exactly_if_scopes_are(a: RowFilter, b: RowFilter) -> None:
    """The id partitions the shared cache."""
    assert (data_scope(a, {}).id == data_scope(b, {}).id) == (a == b)
    assert (canonical_json(to_json(a)) == canonical_json(to_json(b))) == (a == b)


_typed = st.sampled_from(sorted(TYPES.values()))


@EXAMPLES
@given(_typed.flatmap(lambda t: st.tuples(constraints(t), constraints(t), st.lists(values(t), max_size=8))))
def test_constraints_intersect_imply_and_unite_exactly(drawn: tuple[object, ...]) -> None:
    """Each operation on constraints is exact for every value; `implies` is sound, and complete for lists."""
    a, b, samples = drawn
    if a is None or b is None:
        return
    common, joined, follows = intersect(a, b), union([a, b]), implies(a, b)  # type: ignore[arg-type]
    for value in samples:  # type: ignore[attr-defined]
        in_a, in_b = contains(a, value), contains(b, value)  # type: ignore[arg-type]
        assert (common is not None and contains(common, value)) == (in_a and in_b)
        assert any(contains(part, value) for part in joined) == (in_a or in_b)
        assert not follows or in_b or not in_a
    if isinstance(a, OneOf):
        assert follows == all(contains(b, value) for value in a.values)  # type: ignore[arg-type]


_small = st.integers(-4, 8)
_counted = st.one_of(
    st.lists(_small, min_size=1, max_size=4).map(one_of),
    st.tuples(_small, st.integers(0, 4)).map(
        lambda ends: between(ValueType.INTEGER, low=ends[0], high=ends[0] + ends[1])
    ),
    _small.map(lambda low: between(ValueType.INTEGER, low=low)),
    _small.map(lambda high: between(ValueType.INTEGER, high=high)),
)
"""Without bounds at the ends of 64 bits: those are not taken for no bound, the warehouse may know larger numbers."""


@EXAMPLES
@given(_counted, _counted)
def test_implies_is_complete_for_integers_that_can_be_counted(a: object, b: object) -> None:
    """A short range follows from a list of all its values."""
    everywhere: list[Value] = [*range(-10, 15), -(2**63), 2**63 - 1]
    expected = all(contains(b, value) for value in everywhere if contains(a, value))  # type: ignore[arg-type]
    assert implies(a, b) == expected  # type: ignore[arg-type]


def test_two_grants_are_never_the_product_of_their_values() -> None:
    """{EU, A} or {US, B} does not give (EU, B)."""
    either = any_of(
        where({"region": OneOf((region,)), "product": OneOf((product,))})
        for region, product in (("EU", "A"), ("US", "B"))
    )
    assert not matches(either, {"region": "EU", "product": "B"})
    assert not matches(either, {"region": "US", "product": "A"})
    assert matches(either, {"region": "EU", "product": "A"})
    assert matches(either, {"region": "US", "product": "B"})


@EXAMPLES
@given(filters(), st.sets(st.sampled_from(sorted(TYPES))), many_rows)
def test_about_some_dimensions_is_what_a_filter_says_whatever_the_others_are(
    rows_: RowFilter, dimensions: set[str], table: list[Row]
) -> None:
    """No row that the filter selects is lost, and the dimensions that are left out decide nothing any more."""
    narrowed = about(rows_, dimensions)
    for row in table:
        assert matches(narrowed, row) or not matches(rows_, row)
        assert matches(narrowed, row) == matches(narrowed, {name: row.get(name) for name in dimensions})


@EXAMPLES
@given(filters(), many_rows)
def test_about_every_dimension_changes_nothing(rows_: RowFilter, table: list[Row]) -> None:
    """A table that has all dimensions is filtered by all of them."""
    assert _selected(about(rows_, TYPES), table) == _selected(rows_, table)
    assert about(NOTHING, set()) == NOTHING
