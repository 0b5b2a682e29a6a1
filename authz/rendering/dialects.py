"""How each SQL dialect is written, and what it cannot be told exactly. Facts only: `authz.rendering.sql` writes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from authz.scopes.constraints import Between, Constraint, OneOf, constraint_type
from authz.scopes.values import ValueType


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a dialect is written, and what it cannot be told."""

    sqlglot: str
    decimal_type: str = "DECIMAL({precision}, {scale})"
    date_type: str = "DATE"
    timestamp_type: str = "TIMESTAMPTZ"
    timestamp_has_offset: bool = True
    text_order: str | None = "code point"
    """None: the collation decides, and no predicate of ours can. `C`: the name of a collation by code point."""
    national_text: bool = False
    """Whether text outside ASCII must be `N'...'`: it would be squeezed into a code page, best fit, otherwise."""
    refused_text: str | None = None
    """Text that would not be read as it stands inside a literal."""
    earliest: date = date.min
    latest: date = date.max
    """Beyond these the warehouse moves a date to the nearest that it knows, which is another one."""
    any_zone: bool = False
    """Whether the zone of the session is the client's, so that nothing may be compared by it."""


TARGETS: Final[Mapping[str, Dialect]] = {
    # The default, so it may be the wrong one: `\\'` in a literal would end it where backslashes escape.
    "ansi": Dialect(sqlglot="", text_order=None, refused_text="\\"),
    "duckdb": Dialect(sqlglot="duckdb"),
    "postgres": Dialect(sqlglot="postgres", text_order="C"),
    # Without a precision it is milliseconds: a bound would be rounded, and could let rows in.
    "trino": Dialect(sqlglot="trino", timestamp_type="TIMESTAMP(6) WITH TIME ZONE"),
    # DATE begins in 1970 and DateTime has whole seconds: the wide types hold what we say.
    "clickhouse": Dialect(
        sqlglot="clickhouse",
        date_type="DATE32",
        timestamp_type="DateTime64(6, 'UTC')",
        timestamp_has_offset=False,
        earliest=date(1900, 1, 1),
        latest=date(2299, 12, 31),
    ),
    "snowflake": Dialect(sqlglot="snowflake"),
    # A literal 1.5 is a FLOAT64, and NUMERIC has 29 digits before the point only.
    "bigquery": Dialect(sqlglot="bigquery", decimal_type="BIGNUMERIC"),
    # `spark.sql.variable.substitute` replaces `${env:HOME}` inside literals, too.
    "databricks": Dialect(sqlglot="databricks", timestamp_type="TIMESTAMP", refused_text="${"),
    # CAST AS DATETIME alone would round to seconds.
    "mysql": Dialect(
        sqlglot="mysql", timestamp_type="DATETIME(6)", timestamp_has_offset=False, text_order=None
    ),
    "tsql": Dialect(sqlglot="tsql", timestamp_type="DATETIMEOFFSET", text_order=None, national_text=True),
}

ANY_ZONE: Final = replace(TARGETS["trino"], any_zone=True)
"""Trino, where nobody sets the zone of a session."""

DIALECTS: Final = tuple(TARGETS)
"""The names that `Warehouse.dialect` may have."""


def refusal(constraint: Constraint, target: Dialect) -> str | None:
    """Why a dialect cannot be told a constraint exactly; None if it can. The text holds no value."""
    values = (
        constraint.values
        if isinstance(constraint, OneOf)
        else [bound for bound in (constraint.low, constraint.high) if bound is not None]
    )
    match constraint_type(constraint):
        case ValueType.STRING:
            if isinstance(constraint, Between) and target.text_order is None:
                return "a range of text has another meaning in this dialect: its order is the collation's"
            if target.refused_text is not None and any(target.refused_text in str(v) for v in values):
                return f"a text value holds `{target.refused_text}`, which this dialect may not read as it stands"
        case ValueType.DATE | ValueType.TIMESTAMP:
            days = [v.date() if isinstance(v, datetime) else v for v in values if isinstance(v, date)]
            if min(days) < target.earliest or max(days) > target.latest:
                return f"a date outside of {target.earliest} to {target.latest}, all that this dialect knows"
        case ValueType.INTEGER | ValueType.DECIMAL | ValueType.BOOLEAN:
            pass
    return None
