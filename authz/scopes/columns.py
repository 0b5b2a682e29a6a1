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
