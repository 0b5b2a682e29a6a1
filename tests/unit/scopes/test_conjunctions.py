"""Conjunctions of constraints."""

import pytest

from authz.scopes.conjunctions import both, conjunction, narrower_or_equal
from authz.scopes.constraints import OneOf

EU, US, EU_US = OneOf(("EU",)), OneOf(("US",)), OneOf(("EU", "US"))
A = OneOf(("A",))


def test_a_conjunction_of_nothing_is_refused() -> None:
    """It would select every row."""
    with pytest.raises(ValueError, match=r"say `everything\(\)`"):
        conjunction({})


def test_conjunctions_that_exclude_each_other_have_nothing_in_common() -> None:
    """One dimension is enough."""
    assert both((("region", EU),), (("region", US),)) is None
    assert both((("product", A), ("region", EU)), (("region", EU_US),)) == (("product", A), ("region", EU))


def test_a_free_dimension_is_wider_than_a_constrained_one() -> None:
    """Never the other way round, whatever its constraint."""
    assert not narrower_or_equal((("region", EU),), (("product", A), ("region", EU)))
    assert not narrower_or_equal((("region", EU),), (("product", A),))
    assert not narrower_or_equal((("region", EU_US), ("x", A)), (("region", EU),))
    assert narrower_or_equal((("product", A), ("region", EU)), (("region", EU_US),))
