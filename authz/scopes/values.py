"""Typed values of dimensions."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

Value = str | int | Decimal | date | datetime | bool
"""A value of a dimension. Timestamps are aware and in UTC; a `bool` is never an integer here."""


class ValueType(StrEnum):
    STRING = "string"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    TIMESTAMP = "timestamp"
    BOOLEAN = "boolean"
