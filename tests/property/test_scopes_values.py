"""Values read strictly: one canonical form for each, and a clear refusal for everything else."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.scopes.values import InvalidValueError, ValueType, parse_value, type_of, value_text, value_to_json
from tests.scope_strategies import TYPES, values

EXAMPLES = settings(max_examples=300, deadline=None)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=4)
    | st.decimals(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)


@EXAMPLES
@given(st.sampled_from(ValueType), anything)
def test_hostile_input_gives_a_value_of_the_type_or_our_error(type_: ValueType, raw: object) -> None:
    """Never another exception, never a value of another type."""
    try:
        value = parse_value(type_, raw)
    except InvalidValueError:
        pass
    else:
        assert type_of(value) is type_
        assert parse_value(type_, value) == value


@EXAMPLES
@given(st.sampled_from(sorted(TYPES.values())).flatmap(lambda t: st.tuples(st.just(t), values(t))))
def test_the_canonical_text_reads_back(drawn: tuple[ValueType, object]) -> None:
    """Text, decimals, dates and timestamps have a text that gives the value again."""
    type_, value = drawn
    if type_ not in {ValueType.INTEGER, ValueType.BOOLEAN}:
        assert parse_value(type_, value_text(value)) == value  # type: ignore[arg-type]


@EXAMPLES
@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20),
    st.integers(0, 9),
)
def test_a_decimal_has_one_text_however_it_is_written(number: Decimal, zeros: int) -> None:
    """1.0 and 1.00 are one value, one text, one scope id."""
    plain = format(number, "f")
    spelled = [plain, plain + "0" * zeros, format(number, "E")]
    parsed = {value_text(parse_value(ValueType.DECIMAL, text)) for text in spelled}
    assert len(parsed) == 1
    assert Decimal(parsed.pop()) == number


@EXAMPLES
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e8, max_value=1e8))
def test_a_float_is_read_by_its_shortest_text(number: float) -> None:
    """0.1 of a JSON claim is 0.1, not 0.1000000000000000055."""
    try:
        value = parse_value(ValueType.DECIMAL, number)
    except InvalidValueError:
        assert len(repr(number)) > 20 or "e-" in repr(number)
    else:
        assert value == Decimal(repr(number))


@EXAMPLES
@given(
    st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis takes naive bounds
        max_value=datetime(9998, 1, 1),  # noqa: DTZ001 - as above
    ),
    st.integers(-23 * 60, 23 * 60),
)
def test_one_instant_is_one_value_whatever_the_offset(moment: datetime, minutes: int) -> None:
    """Timestamps are normalised to UTC."""
    there = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    value = parse_value(ValueType.TIMESTAMP, there.isoformat())
    assert value == there
    assert value_text(value) == value_text(
        parse_value(ValueType.TIMESTAMP, there.astimezone(UTC).isoformat())
    )
    assert value_text(value).endswith("Z")


@EXAMPLES
@given(st.integers(-(2**63), 2**63 - 1))
def test_no_json_reader_rounds_an_integer(number: int) -> None:
    """Beyond 53 bits an integer is text: a rounded customer number is another customer's."""
    rendered = value_to_json(parse_value(ValueType.INTEGER, number))
    assert int(float(rendered)) == number if isinstance(rendered, int) else int(rendered) == number
    assert json.loads(json.dumps(rendered)) == rendered


@pytest.mark.parametrize("code", range(256))
def test_every_byte_as_a_character_is_kept_or_refused(code: int) -> None:
    """Control characters are refused, everything else of Latin-1 is kept as it is."""
    character = chr(code)
    control = code < 0x20 or 0x7F <= code < 0xA0
    if control:
        with pytest.raises(InvalidValueError, match="control characters"):
            parse_value(ValueType.STRING, f"a{character}b")
    else:
        assert parse_value(ValueType.STRING, f"a{character}b") == f"a{character}b"
