"""What two treatments of a column let through together."""

from itertools import product

from authz.scopes.columns import ColumnMask, as_narrow, narrower


def test_hidden_beats_all_and_clear_loses_to_all() -> None:
    """The two ends of the order."""
    for mask in ColumnMask:
        assert narrower(mask, ColumnMask.HIDDEN) is ColumnMask.HIDDEN
        assert narrower(mask, ColumnMask.CLEAR) is mask


def test_two_different_masks_meet_in_null() -> None:
    """Each shows what the other hides."""
    masks = [ColumnMask.HASH, ColumnMask.LAST4, ColumnMask.YEAR, ColumnMask.NULL]
    for a, b in product(masks, masks):
        assert narrower(a, b) is (a if a is b else ColumnMask.NULL)


def test_narrower_is_a_meet() -> None:
    """Commutative, associative, idempotent: the order of grants does not matter."""
    for a, b, c in product(ColumnMask, repeat=3):
        assert narrower(a, b) is narrower(b, a)
        assert narrower(narrower(a, b), c) is narrower(a, narrower(b, c))
        assert narrower(a, a) is a
        assert as_narrow(narrower(a, b), a)


def test_a_clearer_mask_is_not_as_narrow() -> None:
    """Nor is another one of the same depth."""
    assert not as_narrow(ColumnMask.CLEAR, ColumnMask.HASH)
    assert not as_narrow(ColumnMask.YEAR, ColumnMask.HASH)
    assert as_narrow(ColumnMask.NULL, ColumnMask.HASH)
