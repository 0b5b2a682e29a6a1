"""Scopes in words."""

from datetime import date

import pytest

from authz.cli.scopetext import columns_text, rows_text
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import Constraint, between, one_of
from authz.scopes.rowfilter import EVERYTHING, NOTHING, any_of, where
from authz.scopes.values import Value, ValueType

FIRST, LAST = date(2026, 1, 1), date(2026, 3, 31)


def dates(**bounds: Value | bool) -> Constraint | None:
    return between(ValueType.DATE, **bounds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (one_of(["EU"]), "x is EU"),
        (one_of(["EU", "US"]), "x is EU or US"),
        (one_of(["a b", "é\n\x1b"]), 'x is "a b" or "\\u00e9\\n\\u001b"'),
        (one_of(range(15)), "x is 0 or 1 or 2 or 3 or 4 or 5 or 6 or 7 or 8 or 9 or 10 or 11 or 3 more"),
        (dates(low=FIRST, high=LAST), "x from 2026-01-01 through 2026-03-31"),
        (dates(low=FIRST), "x from 2026-01-01"),
        (dates(high=LAST), "x through 2026-03-31"),
    ],
)
def test_a_constraint_reads_like_a_sentence(constraint: Constraint | None, words: str) -> None:
    """Values that are not plain are quoted: they may come out of a claim."""
    assert rows_text(where({"x": constraint})) == f"rows where {words}"


def test_open_bounds_say_so() -> None:
    """After and before are not from and through."""
    prices = between(ValueType.STRING, low="a", high="b", low_open=True, high_open=True)
    assert rows_text(where({"x": prices})) == "rows where x after a before b"


def test_alternatives_stand_in_brackets() -> None:
    """OR of ANDs must not read like AND of ORs."""
    rows = any_of(
        [where({"x": one_of(["a"]), "y": one_of(["b"])}), where({"x": one_of(["c"]), "y": one_of(["d"])})]
    )
    assert rows_text(rows) == "rows where (x is a, and y is b); or (x is c, and y is d)"


def test_all_and_none_are_words() -> None:
    """The two ends."""
    assert (rows_text(EVERYTHING), rows_text(NOTHING)) == ("all rows", "no rows")


def test_clear_columns_are_not_mentioned() -> None:
    """What is not hidden or masked needs no word."""
    assert (
        columns_text({"b": ColumnMask.HASH, "a": ColumnMask.HIDDEN, "c": ColumnMask.CLEAR})
        == "; a hidden, b hash"
    )
    assert columns_text({"c": ColumnMask.CLEAR}) == ""
