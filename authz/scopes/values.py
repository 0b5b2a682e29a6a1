"""Typed values of dimensions: the one strict reading of what a policy file or a claim says.

Each value has one canonical form and one canonical text, so that two spellings of a value (`1.0` and `1.00`,
two offsets of one instant) give one scope, one scope id and one entry in the edge cache.
"""

import re
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

Value = str | int | Decimal | date | datetime | bool
"""A value of a dimension. Timestamps are aware and in UTC; a `bool` is never an integer here."""

MAX_STRING_CHARACTERS = 256
"""Longest text value. It ends up in a header and in SQL, where a longer one is an attack or a mistake."""

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
"""What every warehouse's widest common integer type holds."""

MAX_DECIMAL_DIGITS = 38
"""Digits before and after the point together: what DECIMAL holds in every dialect."""

MAX_DECIMAL_PLACES = 30
"""Digits after the point: the smallest limit of the dialects (MySQL)."""

MAX_EXACT_JSON_INTEGER = 2**53 - 1
"""RFC 7493 section 2.2: beyond it a reader may round, and a rounded key is somebody else's key."""

# Cc: CR and LF split headers, NUL ends C strings. Cs: lone surrogates have no UTF-8. Zl, Zp: line breaks to some.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})

# Written out, because `Decimal`, `int` and `fromisoformat` also take `1_000`, digits of other scripts and week dates.
_DECIMAL = re.compile(r"-?[0-9]{1,64}(?:\.[0-9]{1,64})?(?:[eE][+-]?[0-9]{1,3})?\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})\Z"
)


class ValueType(StrEnum):
    STRING = "string"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    TIMESTAMP = "timestamp"
    BOOLEAN = "boolean"


class InvalidValueError(ValueError):
    """A raw value that is not one of its type.

    `expected` never contains the value: a denial's detail quotes it alone, because a claim value must not reach a
    log. The whole text (`got …, expected …`) is for what stands in the policy file.
    """

    def __init__(self, raw: object, expected: str) -> None:
        super().__init__(f"got {_shown(raw)}, expected {expected}")
        self.expected = expected


def _shown(raw: object) -> str:
    """A raw value for a message: never long, and never at the cost of writing out a huge one."""
    kind = type(raw).__name__
    if isinstance(raw, int) and abs(raw) >= 2**128:
        return f"a number beyond 128 bits ({kind})"
    if not isinstance(raw, str | int | float | None):
        return f"a value of another kind ({kind})"
    text = repr(raw[:60] if isinstance(raw, str) else raw)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}` ({kind})"


def parse_value(type: ValueType, raw: object) -> Value:  # noqa: A002 - the word of the policy file
    """Read a raw value (of YAML, or of a claim's JSON) as one of `type`, in canonical form.

    Nothing is converted between kinds: the text `1` is no integer, `1` is no boolean, `1.0` is no integer. A
    decimal may be written as text, because JSON and YAML would round it. Raises `InvalidValueError`.
    """
    match type:
        case ValueType.STRING:
            return _parse_string(raw)
        case ValueType.INTEGER:
            return _parse_integer(raw)
        case ValueType.DECIMAL:
            return _parse_decimal(raw)
        case ValueType.DATE:
            return _parse_date(raw)
        case ValueType.TIMESTAMP:
            return _parse_timestamp(raw)
        case ValueType.BOOLEAN:
            if not isinstance(raw, bool):
                raise InvalidValueError(raw, "true or false")
            return raw
        case _:
            assert_never(type)


def type_of(value: Value) -> ValueType:
    """The type of a canonical value."""
    match value:
        case bool():  # before int: a bool is an int to Python
            return ValueType.BOOLEAN
        case str():
            return ValueType.STRING
        case int():
            return ValueType.INTEGER
        case Decimal():
            return ValueType.DECIMAL
        case datetime():  # before date: a datetime is a date to Python
            return ValueType.TIMESTAMP
        case date():
            return ValueType.DATE
        case _:
            assert_never(value)


def value_text(value: Value) -> str:
    """The canonical text: the same for every spelling of a value. `parse_value` reads it back, but for integers and booleans."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.replace(tzinfo=None).isoformat() + "Z"
        case date():
            return value.isoformat()
        case _:
            assert_never(value)


def value_to_json(value: Value) -> str | int | bool:
    """The value as JSON that no reader rounds: decimals and integers beyond 53 bits stand as text (RFC 7493 section 2.2)."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= MAX_EXACT_JSON_INTEGER:
        return value
    return value_text(value)


def _parse_string(raw: object) -> str:
    # An empty text is what an unset user attribute looks like; some warehouses even read it as NULL.
    if not isinstance(raw, str) or not raw:
        raise InvalidValueError(raw, "text that is not empty")
    if len(raw) > MAX_STRING_CHARACTERS:
        raise InvalidValueError(raw, f"text of at most {MAX_STRING_CHARACTERS} characters")
    if not raw.isprintable() and any(unicodedata.category(c) in _REFUSED_CATEGORIES for c in raw):
        raise InvalidValueError(raw, "text without control characters, line breaks and lone surrogates")
    return raw


def _parse_integer(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise InvalidValueError(raw, "an integer")
    if not MIN_INTEGER <= raw <= MAX_INTEGER:
        raise InvalidValueError(raw, "an integer of 64 bits")
    return raw


def _parse_decimal(raw: object) -> Decimal:
    expected = "a decimal number, best written as text: `'12.50'`"
    match raw:
        case bool():
            raise InvalidValueError(raw, expected)
        case int() if abs(raw) < 10**MAX_DECIMAL_DIGITS:
            text = str(raw)
        case float():
            # The shortest text that gives this float back is what stood in the JSON; nan and inf fail the pattern.
            text = repr(raw)
        case str():
            text = raw
        case Decimal() if raw.is_finite():
            text = str(raw)
        case _:
            raise InvalidValueError(raw, expected)
    if not _DECIMAL.match(text):
        raise InvalidValueError(raw, expected)
    number = _canonical_decimal(text)
    digits = len(number.as_tuple().digits)
    places = _places(number)
    if max(digits, places) > MAX_DECIMAL_DIGITS or places > MAX_DECIMAL_PLACES:
        raise InvalidValueError(
            raw,
            f"a decimal number of at most {MAX_DECIMAL_DIGITS} digits, at most {MAX_DECIMAL_PLACES} after the point",
        )
    return number


def _canonical_decimal(text: str) -> Decimal:
    # Not `normalize()`: that rounds to the context's 28 digits.
    plain = format(Decimal(text), "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    sign, digits = ("-", plain[1:]) if plain.startswith("-") else ("", plain)
    whole, point, fraction = digits.partition(".")
    whole = whole.lstrip("0") or "0"
    return Decimal(0) if whole == "0" and not point else Decimal(f"{sign}{whole}{point}{fraction}")


def _places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _parse_date(raw: object) -> date:
    expected = "a date: `2025-10-19` (RFC 3339 full-date)"
    if isinstance(raw, date) and not isinstance(raw, datetime):
        return raw
    if not isinstance(raw, str) or not _DATE.match(raw):
        raise InvalidValueError(raw, expected)
    try:
        return date.fromisoformat(raw)
    except ValueError:
        raise InvalidValueError(raw, expected) from None


def _parse_timestamp(raw: object) -> datetime:
    expected = "a timestamp with an offset, to the microsecond: `2025-10-19T08:00:00Z` (RFC 3339)"
    try:
        if isinstance(raw, datetime) and raw.tzinfo is not None:
            return raw.astimezone(UTC)
        if isinstance(raw, str) and _TIMESTAMP.match(raw):
            return datetime.fromisoformat(raw.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        # 30 February, a leap second, or an offset that leads out of the calendar.
        pass
    raise InvalidValueError(raw, expected)
