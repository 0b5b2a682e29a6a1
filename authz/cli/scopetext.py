"""Rows and columns in words."""

import json
from collections.abc import Mapping
from typing import assert_never

from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import Between, Constraint, OneOf
from authz.scopes.rowfilter import Everything, Nothing, RowFilter, Where
from authz.scopes.values import Value, value_to_json

MAX_VALUES = 12
"""Values of one dimension that are written out."""


def rows_text(rows: RowFilter) -> str:
    """`rows where region is EU or UK, and ordered_at from 2025-02-03 through 2026-03-10`."""
    match rows:
        case Everything():
            return "all rows"
        case Nothing():
            return "no rows"
        case Where(disjuncts):
            parts = [
                ", and ".join(_constraint(name, each) for name, each in disjunct) for disjunct in disjuncts
            ]
            return "rows where " + (
                parts[0] if len(parts) == 1 else "; or ".join(f"({part})" for part in parts)
            )
        case _:
            assert_never(rows)


def columns_text(columns: Mapping[str, ColumnMask]) -> str:
    """`; email hidden, salary hash`; empty if every column is clear."""
    shown = [f"{name} {mask.value}" for name, mask in sorted(columns.items()) if mask is not ColumnMask.CLEAR]
    return f"; {', '.join(shown)}" if shown else ""


def _constraint(name: str, constraint: Constraint) -> str:
    match constraint:
        case OneOf(values):
            shown = [_value(value) for value in values[:MAX_VALUES]]
            rest = [f"{len(values) - MAX_VALUES:,} more"] if len(values) > MAX_VALUES else []
            return f"{name} is {' or '.join(shown + rest)}"
        case Between(low=low, high=high, low_open=low_open, high_open=high_open):
            after = "" if low is None else f" {'after' if low_open else 'from'} {_value(low)}"
            before = "" if high is None else f" {'before' if high_open else 'through'} {_value(high)}"
            return name + after + before
        case _:
            assert_never(constraint)


def _value(value: Value) -> str:
    """Bare where that is plain; quoted otherwise, so that a value out of a claim cannot forge a line."""
    plain = value_to_json(value)
    text = str(plain)
    return text if text.isascii() and text.isprintable() and " " not in text else json.dumps(plain)
