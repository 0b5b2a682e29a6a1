"""Generated scopes and rows, for the properties of the scope algebra and of its renderings.

The values of each dimension come from a small pool, so that constraints overlap, touch and repeat; texts are as
hostile as `parse_value` lets through.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from authz.scopes.constraints import Constraint, between, one_of
from authz.scopes.rowfilter import RowFilter, any_of, everything, where
from authz.scopes.values import Value, ValueType, parse_value

TYPES: Mapping[str, ValueType] = {
    "region": ValueType.STRING,
    "customer": ValueType.INTEGER,
    "amount": ValueType.DECIMAL,
    "day": ValueType.DATE,
    "at": ValueType.TIMESTAMP,
    "active": ValueType.BOOLEAN,
}

Row = dict[str, Value | None]

_HOSTILE = (
    "EU", "UK", "US", "eu", "E", "'", "''", '"', "\\", "\\'", "\\\\'", "' OR 1=1 --", "\\' OR 1=1 --",
    "/*", "*/", "--", ";", "`", "]", "[", "%", "_", "%27", "$$", "{{x}}", "?", ":x", "@x", "#", "\u2019", "\u02bc",
    "\uff07", "\u00e9", "e\u0301", "\U0001f600", "\ufb01", "a,b", "a..b", "*", " ", " EU", "EU ", "N'", "E'", "0x00",
    "\u200b", "\ufeff", "NULL", "1", "1.0", "true", "2025-01-01", "..", "=", "&", "+", "\u00a0",
)  # fmt: skip

texts = st.sampled_from(_HOSTILE) | st.text(
    alphabet=st.sampled_from("abEU'\"\\`;-/*$[]%,. \u2019\u02bc\u00e9\U0001f600"), min_size=1, max_size=6
)
"""Texts that a policy or a claim can hold."""

_EPOCH = datetime(2025, 10, 19, tzinfo=UTC)

_VALUES: dict[ValueType, st.SearchStrategy[Value]] = {
    ValueType.STRING: texts,
    ValueType.INTEGER: st.integers(-4, 8) | st.sampled_from([-(2**63), 2**63 - 1]),
    ValueType.DECIMAL: st.integers(-4, 8).map(lambda n: parse_value(ValueType.DECIMAL, str(Decimal(n) / 4))),
    ValueType.DATE: st.integers(0, 9).map(lambda n: date(2025, 10, 19) + timedelta(days=n)),
    ValueType.TIMESTAMP: st.integers(0, 9).map(lambda n: _EPOCH + timedelta(seconds=n / 2)),
    ValueType.BOOLEAN: st.booleans(),
}


def values(type_: ValueType) -> st.SearchStrategy[Value]:
    return _VALUES[type_]


@st.composite
def constraints(draw: Callable[..., Value], type_: ValueType) -> Constraint | None:
    """A constraint as a rule would make it; None where it selects nothing."""
    of_type = values(type_)
    if type_ is ValueType.BOOLEAN or draw(st.booleans()):
        return one_of(draw(st.lists(of_type, max_size=4)))
    low, high = draw(st.none() | of_type), draw(of_type)
    low, high = (high, low) if draw(st.booleans()) else (low, high)
    return between(type_, low=low, high=high, low_open=draw(st.booleans()), high_open=draw(st.booleans()))


def grants(dimensions: tuple[str, ...] = tuple(TYPES)) -> st.SearchStrategy[RowFilter]:
    """One rule: constraints on some dimensions, or everything."""

    def build(chosen: Mapping[str, Constraint | None]) -> RowFilter:
        return where(chosen) if chosen else everything()

    return st.fixed_dictionaries({}, optional={name: constraints(TYPES[name]) for name in dimensions}).map(
        build
    )


def filters(dimensions: tuple[str, ...] = ("region", "customer", "day")) -> st.SearchStrategy[RowFilter]:
    """Several rules, combined."""
    return st.lists(grants(dimensions), max_size=5).map(any_of)


def rows() -> st.SearchStrategy[Row]:
    """A row of data; None is NULL."""
    return st.fixed_dictionaries({name: st.none() | values(type_) for name, type_ in TYPES.items()})
