"""What may be seen of a labelled column."""

from enum import StrEnum


class ColumnMask(StrEnum):
    """How a column is shown. `CLEAR` is the widest, `HIDDEN` the narrowest; `NULL` keeps the column without its values."""

    CLEAR = "clear"
    HASH = "hash"
    LAST4 = "last4"
    YEAR = "year"
    NULL = "null"
    HIDDEN = "hidden"


def narrower(a: ColumnMask, b: ColumnMask) -> ColumnMask:
    """What both masks let through.

    HIDDEN beats all, CLEAR loses to all. Two different masks meet in NULL: each shows something that the other
    hides, so neither may stand for both.
    """
    if a is b or b is ColumnMask.CLEAR:
        return a
    if a is ColumnMask.CLEAR:
        return b
    return ColumnMask.HIDDEN if ColumnMask.HIDDEN in {a, b} else ColumnMask.NULL


def as_narrow(a: ColumnMask, b: ColumnMask) -> bool:
    """Whether `a` shows nothing that `b` does not show, too."""
    return narrower(a, b) is a
