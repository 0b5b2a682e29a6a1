"""Row filters: closed, three-valued, canonical."""

from datetime import date
from typing import Any, cast

import pytest

from authz.errors import Denied, Reason
from authz.scopes.canonical import MAX_CONJUNCTIONS
from authz.scopes.constraints import Between, OneOf, one_of
from authz.scopes.rowfilter import (
    EVERYTHING,
    NOTHING,
    RowFilter,
    Where,
    all_of,
    any_of,
    contained,
    everything,
    matches,
    to_json,
    where,
)


def _grant(**values: str) -> RowFilter:
    return where({name: OneOf((value,)) for name, value in values.items()})


def test_a_filter_without_constraints_is_refused() -> None:
    """A lost constraint never becomes every row; that is said in words."""
    with pytest.raises(ValueError, match=r"say `everything\(\)`"):
        where({})
    assert everything() is EVERYTHING


def test_a_constraint_that_selects_nothing_selects_nothing() -> None:
    """Whatever stands beside it."""
    assert where({"region": one_of([]), "product": OneOf(("A",))}) is NOTHING


def test_no_filter_at_all_is_nothing() -> None:
    """No matching grant: denied, never unfiltered."""
    assert any_of([]) is NOTHING
    assert any_of([NOTHING]) is NOTHING


def test_null_satisfies_no_constraint() -> None:
    """Neither does a dimension that the row does not have."""
    rows = any_of([where({"n": Between(high=5)}), where({"n": Between(low=6)})])
    assert not matches(rows, {"n": None})
    assert not matches(rows, {})
    assert matches(rows, {"n": 5})
    assert matches(EVERYTHING, {"n": None})
    assert not matches(NOTHING, {"n": 5})


def test_grants_that_differ_in_two_dimensions_stay_two() -> None:
    """The product of their values would be wider."""
    assert (
        len(
            cast(
                "Where", any_of([_grant(region="EU", product="A"), _grant(region="US", product="B")])
            ).disjuncts
        )
        == 2
    )


def test_grants_that_differ_in_one_dimension_become_one() -> None:
    """So that a flat header can say them, and equal scopes have equal ids."""
    merged = any_of([_grant(region="EU", product="A"), _grant(region="US", product="A")])
    assert merged == where({"region": OneOf(("EU", "US")), "product": OneOf(("A",))})


def test_merging_goes_on_until_nothing_changes() -> None:
    """Four corners make one box."""
    corners = [_grant(region=region, product=product) for region in ("EU", "US") for product in ("A", "B")]
    assert any_of(corners) == where({"region": OneOf(("EU", "US")), "product": OneOf(("A", "B"))})


def test_a_narrower_grant_is_absorbed() -> None:
    """Also where the wider one leaves a dimension free."""
    assert any_of([_grant(region="EU", product="A"), _grant(region="EU")]) == _grant(region="EU")
    assert any_of([_grant(region="EU"), EVERYTHING]) == EVERYTHING


def test_a_restriction_never_widens() -> None:
    """Not even everything: it is the grants that give."""
    assert all_of(NOTHING, EVERYTHING) == NOTHING
    assert all_of(_grant(region="EU"), EVERYTHING) == _grant(region="EU")
    assert all_of(EVERYTHING, _grant(region="EU"), _grant(region="US")) == NOTHING


def test_containment_is_never_claimed_without_proof() -> None:
    """Everything is in nothing but everything."""
    eu, eu_a = _grant(region="EU"), _grant(region="EU", product="A")
    assert not contained(EVERYTHING, eu)
    assert not contained(eu, NOTHING)
    assert not contained(eu, eu_a)
    assert contained(eu_a, eu)
    assert contained(NOTHING, NOTHING)
    assert contained(eu, EVERYTHING)


def test_dimensions_of_two_types_are_a_defect() -> None:
    """An error, which ends in a denial; never a guess."""
    with pytest.raises(TypeError, match="dimension `n` is constrained as"):
        any_of([where({"n": OneOf((1,))}), where({"n": OneOf(("1",))})])


def test_too_many_alternatives_are_refused() -> None:
    """A limit, so that a policy cannot make a check take seconds."""
    grants = [_grant(a=f"a{n}", b=f"b{n}") for n in range(MAX_CONJUNCTIONS + 1)]
    with pytest.raises(Denied) as caught:
        any_of(grants)
    assert caught.value.reason is Reason.SCOPE_TOO_LARGE
    assert len(cast("Where", any_of(grants[:-1])).disjuncts) == MAX_CONJUNCTIONS


def test_filters_too_large_to_combine_are_refused() -> None:
    """Before the product of their alternatives is built."""
    left = any_of(_grant(a=f"a{n}", b=f"b{n}") for n in range(MAX_CONJUNCTIONS))
    right = any_of(_grant(c=f"a{n}", d=f"b{n}") for n in range(21))
    with pytest.raises(Denied) as caught:
        all_of(left, right)
    assert caught.value.reason is Reason.SCOPE_TOO_LARGE


def test_the_json_form_says_everything_in_words_that_cannot_be_missing() -> None:
    """`all` and `none` are words; an empty list would be a guess."""
    assert to_json(EVERYTHING) == "all"
    assert to_json(NOTHING) == "none"


def test_the_json_form_names_types_and_bounds() -> None:
    """Each of the four words for a bound."""
    rows = any_of(
        [
            where(
                {
                    "day": Between(low=date(2025, 10, 19), high=date(2026, 11, 23)),
                    "region": OneOf(("EU", "UK")),
                }
            ),
            where({"name": Between(low="a", high="b", low_open=True, high_open=True)}),
            where({"n": Between(low=1)}),
        ]
    )
    assert to_json(rows) == [
        {
            "day": {"type": "date", "from": "2025-10-19", "through": "2026-11-23"},
            "region": {"type": "string", "in": ["EU", "UK"]},
        },
        {"n": {"type": "integer", "from": 1}},
        {"name": {"type": "string", "after": "a", "before": "b"}},
    ]


def test_what_is_no_filter_is_a_type_error() -> None:
    """Closed unions stay closed at run time, too."""
    wrong = cast("Any", object())
    for operation in (
        lambda: all_of(NOTHING, EVERYTHING) and all_of(where({"a": OneOf((1,))}), wrong),
        lambda: contained(wrong, where({"a": OneOf((1,))})),
    ):
        with pytest.raises(TypeError):
            operation()
