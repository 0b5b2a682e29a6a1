"""What Trino filters and masks with. That it means what it should, a real Trino says (tests/warehouses)."""

from datetime import UTC, date, datetime

import pytest

from authz.errors import Denied
from authz.opa.expressions import column_mask, row_filter
from authz.policy.tables import Table
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import Between, OneOf
from authz.scopes.datascope import TableScope
from authz.scopes.rowfilter import EVERYTHING, NOTHING, RowFilter, any_of, where

ORDERS = Table(
    name="lake.sales.orders", columns={"region": "region", "day": "ordered_at", "at": "seen_at"}, labels={}
)


def filtered(rows: RowFilter) -> str | None:
    return row_filter(ORDERS, TableScope(rows=rows, columns={}))


def test_everything_needs_no_filter_and_nothing_is_one() -> None:
    """The empty list that stands for the first must never be the second."""
    assert filtered(EVERYTHING) is None
    assert filtered(NOTHING) == "1 = 0"


def test_each_grant_stays_whole() -> None:
    """Alternatives are joined by OR, in parentheses."""
    rows = any_of(
        [
            where({"region": OneOf(("EU", "O'K"))}),
            where({"region": OneOf(("US",)), "day": Between(low=date(2025, 1, 1))}),
        ]
    )
    sql = filtered(rows)
    assert sql is not None
    assert sql.startswith("(")
    assert "\"region\" IN ('EU', 'O''K')" in sql


def test_days_and_moments_do_not_depend_on_a_session() -> None:
    """Which of the two readings it is, the column's type says; both take what has no zone as UTC."""
    assert filtered(where({"day": Between(low=date(2025, 9, 1))})) == (
        "CASE WHEN system.builtin.typeof(\"ordered_at\") LIKE '%with time zone' "
        "THEN \"ordered_at\" >= CAST('2025-09-01 00:00:00.000000+00:00' AS TIMESTAMP(6) WITH TIME ZONE) "
        "ELSE \"ordered_at\" >= CAST('2025-09-01' AS DATE) END"
    )
    at = datetime(2025, 9, 1, 12, 0, 0, 5, tzinfo=UTC)
    assert filtered(where({"at": Between(high=at, high_open=True)})) == (
        "CASE WHEN system.builtin.typeof(\"seen_at\") LIKE '%with time zone' "
        "THEN \"seen_at\" < CAST('2025-09-01 12:00:00.000005+00:00' AS TIMESTAMP(6) WITH TIME ZONE) "
        "ELSE \"seen_at\" < CAST('2025-09-01 12:00:00.000005' AS TIMESTAMP(6)) END"
    )


def test_listed_days_are_read_in_both_ways() -> None:
    """A list, too."""
    sql = filtered(where({"day": OneOf((date(2025, 9, 1), date(2025, 9, 2)))}))
    assert sql is not None
    assert sql.count(" IN (") == 2


@pytest.mark.parametrize("mask", [mask for mask in ColumnMask if mask is not ColumnMask.CLEAR])
@pytest.mark.parametrize("type_", ["bigint", "row(a varchar)", "varchar(8)) OR (1=1", "array(date)", ""])
def test_what_a_type_cannot_be_shown_as_is_null(mask: ColumnMask, type_: str) -> None:
    """Never the value; and nothing of a type's text gets into SQL."""
    assert column_mask(mask, "email", type_) == "NULL"


def test_a_clear_column_has_no_mask_and_every_other_has_one() -> None:
    """The neighbour of all these."""
    assert column_mask(ColumnMask.CLEAR, "email", "varchar") is None
    assert {
        column_mask(mask, "x", "varchar") is None for mask in ColumnMask if mask is not ColumnMask.CLEAR
    } == {False}


@pytest.mark.parametrize("type_", ["varchar", "varchar(40)"])
def test_the_last_four_are_of_the_columns_own_type(type_: str) -> None:
    """Trino refuses a mask of another type, and a quote in a name ends nothing."""
    assert column_mask(ColumnMask.LAST4, 'e"m', type_) == (
        'CAST(CASE WHEN length(CAST("e""m" AS VARCHAR)) > 4 THEN substr(CAST("e""m" AS VARCHAR), -4) '
        f'WHEN NOT "e""m" IS NULL THEN \'****\' END AS {type_.upper()})'
    )


def test_the_blanks_that_pad_a_char_do_not_count_among_the_last_four() -> None:
    """`ab` in a char(6) would be longer than four, and two of its last four."""
    shown = column_mask(ColumnMask.LAST4, "pin", "char(6)")
    assert shown is not None
    assert shown.startswith('CAST(CASE WHEN length(rtrim(CAST("pin" AS VARCHAR))) > 4 THEN')


@pytest.mark.parametrize("type_", ["date", "timestamp(3)", "timestamp(6) with time zone"])
def test_a_year_is_of_days_and_moments(type_: str) -> None:
    """Text that looks like a day is none."""
    assert column_mask(ColumnMask.YEAR, "day", type_) == "date_trunc('year', \"day\")"
    assert column_mask(ColumnMask.YEAR, "day", "varchar") == "NULL"


@pytest.mark.parametrize("mask", [ColumnMask.HASH, ColumnMask.HIDDEN])
def test_a_hash_would_show_its_key_to_whoever_explains(mask: ColumnMask) -> None:
    """So it is NULL where it is asked for, and the column is closed."""
    assert column_mask(mask, "email", "varchar") == "NULL"


def test_a_column_that_cannot_be_quoted_is_refused() -> None:
    """It fails the question, and with it the query."""
    with pytest.raises(Denied):
        column_mask(ColumnMask.LAST4, "e\nm", "varchar")
