"""Typed values: what is refused first, then what is read."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from authz.scopes.values import (
    MAX_STRING_CHARACTERS,
    InvalidValueError,
    Value,
    ValueType,
    parse_value,
    value_text,
    value_to_json,
)


@pytest.mark.parametrize(
    ("type_", "raw"),
    [
        (ValueType.STRING, ""),
        (ValueType.STRING, "a\r\nx-admin: 1"),
        (ValueType.STRING, "a\x00"),
        (ValueType.STRING, "\ud800"),
        (ValueType.STRING, "a\u2028b"),
        (ValueType.STRING, "x" * (MAX_STRING_CHARACTERS + 1)),
        (ValueType.STRING, 1),
        (ValueType.STRING, None),
        (ValueType.STRING, ["EU"]),
        (ValueType.STRING, b"EU"),
        (ValueType.INTEGER, True),
        (ValueType.INTEGER, 1.0),
        (ValueType.INTEGER, "1"),
        (ValueType.INTEGER, 2**63),
        (ValueType.INTEGER, -(2**63) - 1),
        (ValueType.DECIMAL, True),
        (ValueType.DECIMAL, float("nan")),
        (ValueType.DECIMAL, float("inf")),
        (ValueType.DECIMAL, "NaN"),
        (ValueType.DECIMAL, "Infinity"),
        (ValueType.DECIMAL, "1_000"),
        (ValueType.DECIMAL, " 1"),
        (ValueType.DECIMAL, "+1"),
        (ValueType.DECIMAL, "\u0661"),
        (ValueType.DECIMAL, "1e999"),
        (ValueType.DECIMAL, "1e-31"),
        (ValueType.DECIMAL, "1" * 39),
        (ValueType.DECIMAL, Decimal("sNaN")),
        (ValueType.DATE, "2025-2-1"),
        (ValueType.DATE, "20250201"),
        (ValueType.DATE, "2025-W05-1"),
        (ValueType.DATE, "2025-02-30"),
        (ValueType.DATE, "\u0662025-02-01"),
        (ValueType.DATE, "2025-02-01T00:00:00Z"),
        (ValueType.DATE, datetime(2025, 2, 1, tzinfo=UTC)),
        (ValueType.TIMESTAMP, "2025-02-01"),
        (ValueType.TIMESTAMP, "2025-02-01T00:00:00"),
        (ValueType.TIMESTAMP, "2025-02-01 00:00:00Z"),
        (ValueType.TIMESTAMP, "2025-02-01T00:00:60Z"),
        (ValueType.TIMESTAMP, "2025-02-01T00:00:00.1234567Z"),
        (ValueType.TIMESTAMP, "2025-02-01T00:00:00+24:00"),
        (ValueType.TIMESTAMP, "0001-01-01T00:00:00+01:00"),
        (ValueType.TIMESTAMP, datetime(2025, 2, 1)),  # noqa: DTZ001 - a naive one is what is refused
        (ValueType.TIMESTAMP, date(2025, 2, 1)),
        (ValueType.TIMESTAMP, 1738368000),
        (ValueType.BOOLEAN, 1),
        (ValueType.BOOLEAN, "true"),
        (ValueType.BOOLEAN, None),
    ],
)
def test_what_is_not_a_value_of_the_type_is_refused(type_: ValueType, raw: object) -> None:
    """Nothing is guessed, trimmed, rounded or converted between kinds."""
    with pytest.raises(InvalidValueError, match=r"^got .*, expected "):
        parse_value(type_, raw)


@pytest.mark.parametrize(
    ("type_", "raw", "value", "text"),
    [
        (ValueType.STRING, "x" * MAX_STRING_CHARACTERS, "x" * MAX_STRING_CHARACTERS, "x" * MAX_STRING_CHARACTERS),
        (ValueType.STRING, "NO", "NO", "NO"),
        (ValueType.STRING, "Gr\u00f6\u00dfe \U0001f600\u200d", "Gr\u00f6\u00dfe \U0001f600\u200d", "Gr\u00f6\u00dfe \U0001f600\u200d"),
        (ValueType.INTEGER, 2**63 - 1, 2**63 - 1, "9223372036854775807"),
        (ValueType.INTEGER, -(2**63), -(2**63), "-9223372036854775808"),
        (ValueType.DECIMAL, "1.00", Decimal(1), "1"),
        (ValueType.DECIMAL, 1.5, Decimal("1.5"), "1.5"),
        (ValueType.DECIMAL, 0.1, Decimal("0.1"), "0.1"),
        (ValueType.DECIMAL, -0.0, Decimal(0), "0"),
        (ValueType.DECIMAL, "-0.00", Decimal(0), "0"),
        (ValueType.DECIMAL, "1e2", Decimal(100), "100"),
        (ValueType.DECIMAL, "007.10", Decimal("7.1"), "7.1"),
        (ValueType.DECIMAL, "9" * 38, Decimal("9" * 38), "9" * 38),
        (ValueType.DECIMAL, "1e-30", Decimal("1e-30"), "0." + "0" * 29 + "1"),
        (ValueType.DECIMAL, 12, Decimal(12), "12"),
        (ValueType.DATE, "2025-10-19", date(2025, 10, 19), "2025-10-19"),
        (ValueType.DATE, "0001-01-01", date.min, "0001-01-01"),
        (ValueType.TIMESTAMP, "2025-10-19t10:00:00.500+02:00", datetime(2025, 10, 19, 8, 0, 0, 500000, UTC), "2025-10-19T08:00:00.500000Z"),
        (ValueType.TIMESTAMP, "2025-10-19T08:00:00Z", datetime(2025, 10, 19, 8, tzinfo=UTC), "2025-10-19T08:00:00Z"),
        (ValueType.BOOLEAN, True, True, "true"),
        (ValueType.BOOLEAN, False, False, "false"),
    ],
)  # fmt: skip
def test_a_value_has_one_canonical_form_and_text(
    type_: ValueType, raw: object, value: Value, text: str
) -> None:
    """Whatever its spelling."""
    parsed = parse_value(type_, raw)
    assert parsed == value
    assert type(parsed) is type(value)
    assert value_text(parsed) == text


def test_a_decimal_of_38_digits_is_not_rounded() -> None:
    """Python's decimal context has 28 digits; a customer number as a decimal has more."""
    digits = "12345678901234567890123456789012345678"
    assert value_text(parse_value(ValueType.DECIMAL, digits)) == digits


def test_the_expectation_never_holds_the_value() -> None:
    """A claim's value must not reach a log through a denial's detail."""
    with pytest.raises(InvalidValueError) as caught:
        parse_value(ValueType.DATE, "canary-1234")
    assert "canary" not in caught.value.expected
    assert "canary" in str(caught.value)


@pytest.mark.parametrize("type_", ValueType)
def test_a_huge_number_is_refused_without_writing_it_out(type_: ValueType) -> None:
    """Python refuses to write more than 4,300 digits, and a claim must not find that out."""
    with pytest.raises(InvalidValueError, match="got a number beyond 128 bits"):
        parse_value(type_, 10**5000)
    with pytest.raises(InvalidValueError, match=r"a value of another kind \(list\)"):
        parse_value(type_, [10**5000])


def test_a_long_value_is_cut_in_the_message() -> None:
    """An error about a megabyte is not a megabyte."""
    with pytest.raises(InvalidValueError) as caught:
        parse_value(ValueType.STRING, "x" * 10_000)
    assert len(str(caught.value)) < 200


def test_json_keeps_what_a_reader_would_round_as_text() -> None:
    """RFC 7493 section 2.2: 53 bits; decimals always."""
    assert value_to_json(2**53) == "9007199254740992"
    assert value_to_json(2**53 - 1) == 2**53 - 1
    assert value_to_json(Decimal("1.5")) == "1.5"
    assert value_to_json(True) is True
