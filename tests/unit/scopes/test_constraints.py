"""Constraints on one dimension: empty ones are none, and equal ones have one form."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from authz.scopes.constraints import (
    Between,
    Constraint,
    OneOf,
    between,
    constraint_type,
    contains,
    following,
    implies,
    intersect,
    one_of,
)
from authz.scopes.values import MAX_INTEGER, MIN_INTEGER, Value, ValueType

INTEGER, DATE, DECIMAL = ValueType.INTEGER, ValueType.DATE, ValueType.DECIMAL


def test_an_empty_list_selects_nothing() -> None:
    """It is no constraint, so it cannot be mistaken for one that was left out."""
    assert one_of([]) is None
    with pytest.raises(ValueError, match="selects nothing"):
        OneOf(())


def test_values_of_two_types_are_refused() -> None:
    """True is not 1, a date is not a timestamp."""
    mixed: list[list[Value]] = [
        [1, True],
        [1, "1"],
        [1, Decimal(1)],
        [date(2025, 1, 1), datetime(2025, 1, 1, tzinfo=UTC)],
    ]
    for values in mixed:
        with pytest.raises(TypeError, match="different types"):
            one_of(values)


def test_values_are_sorted_by_code_point_and_distinct() -> None:
    """Capitals before small letters, and no locale."""
    assert one_of(["b", "a", "B", "b", "\u00e9", "z"]) == OneOf(("B", "a", "b", "z", "\u00e9"))
    assert one_of([Decimal("1.0"), Decimal(1)]) == OneOf((Decimal(1),))


@pytest.mark.parametrize(
    ("type_", "low", "high", "low_open", "high_open"),
    [
        (INTEGER, 5, 4, False, False),
        (INTEGER, 5, 5, True, False),
        (INTEGER, 5, 6, True, True),
        (INTEGER, MAX_INTEGER, None, True, False),
        (INTEGER, None, MIN_INTEGER, False, True),
        (DATE, date.max, None, True, False),
        (DATE, None, date.min, False, True),
        (DECIMAL, Decimal(1), Decimal(1), False, True),
        (ValueType.STRING, "b", "a", False, False),
    ],
)
def test_an_empty_range_selects_nothing(
    type_: ValueType,
    low: Value | None,
    high: Value | None,
    low_open: bool,  # noqa: FBT001 - a table of cases
    high_open: bool,  # noqa: FBT001 - a table of cases
) -> None:
    """Also at the ends of what a type holds."""
    assert between(type_, low=low, high=high, low_open=low_open, high_open=high_open) is None


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (between(INTEGER, low=1, high=5, low_open=True, high_open=True), Between(low=2, high=4)),
        (between(INTEGER, low=1, high=3, low_open=True, high_open=True), OneOf((2,))),
        (between(INTEGER, low=1, high=1), OneOf((1,))),
        (between(DATE, low=date(2025, 1, 1), high=date(2026, 1, 1), high_open=True), Between(low=date(2025, 1, 1), high=date(2025, 12, 31))),
        (between(DECIMAL, low=Decimal(1), high=Decimal(2), low_open=True), Between(low=Decimal(1), high=Decimal(2), low_open=True)),
        (between(DECIMAL, low=Decimal(1), high_open=True), Between(low=Decimal(1))),
    ],
)  # fmt: skip
def test_ranges_have_one_form(made: Constraint | None, expected: Constraint) -> None:
    """Counted types are closed, a range of one value is that value, and a missing bound is neither open nor closed."""
    assert made == expected


def test_a_range_without_bounds_or_of_another_type_is_a_mistake() -> None:
    """It would be every value; whoever means that says `all`."""
    with pytest.raises(ValueError, match="at least one side"):
        between(INTEGER)
    with pytest.raises(ValueError, match="at least one side"):
        Between()
    with pytest.raises(ValueError, match="selects nothing"):
        Between(low=2, high=1)
    with pytest.raises(ValueError, match="booleans"):
        between(ValueType.BOOLEAN, low=True)
    with pytest.raises(TypeError, match="got a bound of type date, expected timestamp"):
        between(ValueType.TIMESTAMP, low=date(2025, 1, 1))
    with pytest.raises(TypeError, match="got a bound of type boolean, expected integer"):
        between(INTEGER, low=True)


def test_a_value_of_another_type_satisfies_nothing() -> None:
    """True is 1 to Python, and not to us."""
    assert not contains(OneOf((1,)), True)
    assert not contains(Between(low=0), True)
    assert not contains(OneOf((Decimal(1),)), 1)
    assert contains(OneOf((1,)), 1)


def test_constraints_of_different_types_do_not_meet() -> None:
    """A defect elsewhere ends in an error, which is a denial."""
    with pytest.raises(TypeError, match="different types: string and integer"):
        intersect(OneOf(("1",)), OneOf((1,)))
    with pytest.raises(TypeError, match="different types"):
        implies(OneOf((True,)), OneOf((1,)))


def test_a_list_within_a_range_is_a_list() -> None:
    """Both ways round; and nothing, if nothing is left."""
    assert intersect(OneOf((1, 5, 9)), Between(low=2, high=9)) == OneOf((5, 9))
    assert intersect(Between(low=2, high=9), OneOf((1, 5, 9))) == OneOf((5, 9))
    assert intersect(OneOf((1,)), Between(low=2)) is None
    assert intersect(OneOf(("a",)), OneOf(("b",))) is None


def test_ranges_meet_in_the_tighter_bounds() -> None:
    """An excluded bound is tighter than the same bound included."""
    one, two = Decimal(1), Decimal(2)
    assert intersect(Between(low=one), Between(high=two)) == Between(low=one, high=two)
    assert intersect(Between(low=one, low_open=True), Between(low=one, high=two)) == Between(
        low=one, high=two, low_open=True
    )
    assert intersect(Between(high=one), Between(low=one)) == OneOf((one,))
    assert intersect(Between(high=one, high_open=True), Between(low=one)) is None


def test_the_next_value_exists_for_counted_types_only() -> None:
    """And not after the last one."""
    assert following(MAX_INTEGER) is None
    assert following(date.max) is None
    assert following("a") is None
    assert following(True) is None
    assert following(1) == 2
    assert following(date(2025, 12, 31)) == date(2026, 1, 1)


def test_the_type_of_a_constraint_is_that_of_its_values() -> None:
    """Whichever bound there is."""
    assert constraint_type(Between(high=date(2025, 1, 1))) is DATE
    assert constraint_type(OneOf((True,))) is ValueType.BOOLEAN
