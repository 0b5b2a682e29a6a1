"""The data scope and its id."""

from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import OneOf
from authz.scopes.datascope import data_scope
from authz.scopes.rowfilter import EVERYTHING, where

EU = where({"region": OneOf(("EU",))})


def test_different_scopes_have_different_ids() -> None:
    """Rows, columns, and what happens to a column each count."""
    ids = {
        data_scope(rows, columns).id
        for rows in (EU, EVERYTHING, where({"region": OneOf(("eu",))}), where({"Region": OneOf(("EU",))}))
        for columns in (
            {},
            {"email": ColumnMask.HIDDEN},
            {"email": ColumnMask.HASH},
            {"phone": ColumnMask.HIDDEN},
        )
    }
    assert len(ids) == 16


def test_the_type_of_a_value_counts() -> None:
    """The text `1` is not the number."""
    assert data_scope(where({"n": OneOf(("1",))}), {}).id != data_scope(where({"n": OneOf((1,))}), {}).id
    assert data_scope(where({"n": OneOf((True,))}), {}).id != data_scope(where({"n": OneOf((1,))}), {}).id


def test_equal_scopes_have_equal_ids() -> None:
    """Clear columns and the order of columns do not count."""
    one = data_scope(EU, {"a": ColumnMask.HASH, "b": ColumnMask.HIDDEN, "c": ColumnMask.CLEAR})
    two = data_scope(EU, {"b": ColumnMask.HIDDEN, "a": ColumnMask.HASH})
    assert one == two
    assert list(one.columns) == ["a", "b"]


def test_the_id_is_stable_across_releases() -> None:
    """It stands in audit trails; a change of the form must change `SCOPE_FORMAT` and this test."""
    assert data_scope(EU, {"email": ColumnMask.HIDDEN}).id == "3792595eadf570877e01dd9550a8d4ff"
