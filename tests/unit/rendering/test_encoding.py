"""Texts that are safe where they go."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from authz.rendering.encoding import header_text, item_text, values_text
from authz.scopes.constraints import Between, Constraint, OneOf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nx-scope-id: 0", "a%0D%0Ax-scope-id: 0"),
        ("\x00\x7f", "%00%7F"),
        ("100%", "100%25"),
        (" a b ", "%20a b%20"),
        ("  ", "%20%20"),
        ("Zo\u00eb", "Zo%C3%AB"),
        ("\ud800", "%ED%A0%80"),
        ("", ""),
        ("alice@acme.example", "alice@acme.example"),
        ("\"region\" IN ('EU')", "\"region\" IN ('EU')"),
    ],
)
def test_a_header_value_is_printable_ascii(text: str, expected: str) -> None:
    """Nothing ends the header, nothing is lost at its ends."""
    assert header_text(text) == expected


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (OneOf(("A,B", "C")), "A%2CB,C"),
        (OneOf(("*",)), "%2A"),
        (OneOf(("a..b",)), "a%2E%2Eb"),
        (OneOf(("..",)), "%2E%2E"),
        (OneOf((".", "...", "a.b")), "%2E,%2E%2E%2E,a.b"),
        (Between(low=".a", high="b."), "%2Ea..b%2E"),
        (OneOf((">1", "<2")), "%3E1,%3C2"),
        (OneOf(("a b", "a+b")), "a%20b,a%2Bb"),
        (None, "*"),
        (OneOf(("EU", "UK")), "EU,UK"),
        (OneOf((1, 2)), "1,2"),
        (OneOf((True,)), "true"),
        (Between(low=date(2025, 10, 19), high=date(2026, 11, 23)), "2025-10-19..2026-11-23"),
        (Between(low=date(2025, 10, 19)), "2025-10-19.."),
        (Between(high=date(2026, 11, 23)), "..2026-11-23"),
        (Between(low=Decimal("1.5"), high=Decimal("2.5"), low_open=True, high_open=True), ">1.5..<2.5"),
        (Between(low=-5, high=-1), "-5..-1"),
        (Between(low=datetime(2025, 10, 19, tzinfo=UTC)), "2025-10-19T00:00:00Z.."),
    ],
)
def test_a_constraint_as_a_plain_text(constraint: Constraint | None, expected: str) -> None:
    """What separates and what marks never comes from a value."""
    assert values_text(constraint) == expected


def test_an_item_holds_no_separator() -> None:
    """Neither of lists nor of pairs."""
    assert item_text("a=b,c") == "a%3Db%2Cc"
