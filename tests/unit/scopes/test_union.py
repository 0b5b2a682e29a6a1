"""Unions of constraints on one dimension."""

from decimal import Decimal

import pytest

from authz.scopes.constraints import Between, Constraint, OneOf
from authz.scopes.union import union

ONE, TWO, THREE = Decimal(1), Decimal(2), Decimal(3)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        # The union of these two is "any value", for which there is no constraint: NULL would come in.
        ([Between(high=5), Between(low=6)], [Between(high=5), Between(low=6)]),
        ([Between(high=5), Between(low=3)], [Between(high=5), Between(low=3)]),
        ([Between(high=5), Between(low=4, high=10), Between(low=8)], [Between(high=10), Between(low=8)]),
        ([OneOf((False,)), OneOf((True,))], [OneOf((False, True))]),
        # A gap stays a gap.
        ([Between(low=1, high=3), Between(low=5, high=7)], [Between(low=1, high=3), Between(low=5, high=7)]),
        ([Between(low=ONE, high=TWO, high_open=True), Between(low=TWO, high=THREE, low_open=True)], [Between(low=ONE, high=TWO, high_open=True), Between(low=TWO, high=THREE, low_open=True)]),
        # Neighbours join where there is nothing between them.
        ([Between(low=1, high=3), Between(low=4, high=7)], [Between(low=1, high=7)]),
        ([Between(low=1, high=3), OneOf((4,)), Between(low=5, high=7)], [Between(low=1, high=7)]),
        ([Between(low=ONE, high=TWO, high_open=True), OneOf((TWO,))], [Between(low=ONE, high=TWO)]),
        ([Between(low=ONE, high=TWO, low_open=True), OneOf((ONE,))], [Between(low=ONE, high=TWO)]),
        ([OneOf((8, 9)), Between(low=10, high=12), OneOf((20,))], [Between(low=8, high=12), OneOf((20,))]),
        # A list stays a list.
        ([OneOf((1,)), OneOf((2, 3))], [OneOf((1, 2, 3))]),
        ([OneOf((3,)), Between(low=1, high=5)], [Between(low=1, high=5)]),
        ([Between(low=1, high=9), Between(low=2, high=3)], [Between(low=1, high=9)]),
        ([Between(low=1), Between(low=2, high=3)], [Between(low=1)]),
    ],
)  # fmt: skip
def test_a_union_is_exact_and_short(parts: list[Constraint], expected: list[Constraint]) -> None:
    """In either order."""
    assert union(parts) == expected
    assert union(parts[::-1]) == expected
