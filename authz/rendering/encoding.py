"""Text that is safe where it goes, by construction: header values, and lists of values in one text.

Percent-encoded UTF-8 (RFC 3986 section 2.1) everywhere, so that one decoder serves every header.
"""

from typing import Final, assert_never
from urllib.parse import quote

from authz.scopes.constraints import Between, Constraint, OneOf
from authz.scopes.values import Value, value_text

FREE: Final = "*"
"""A dimension that is not constrained. A value `*` is written `%2A`."""

_PRINTABLE: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

# Not "+" (some decoders make it a space), "," (separates), "*" (free), "<" and ">" (open ends of ranges), "=".
_IN_VALUES: Final = "-._~:/@"


def header_text(text: str) -> str:
    """Any text as printable ASCII: all else, `%`, and spaces at the ends (HTTP drops those) are percent-encoded.

    Lone surrogates, which have no UTF-8, become the three bytes that they would have.
    """
    encoded = quote(text, safe=_PRINTABLE, errors="surrogatepass")
    inner = encoded.strip(" ")
    if len(inner) == len(encoded):
        return encoded
    before = len(encoded) - len(encoded.lstrip(" "))
    return "%20" * before + inner + "%20" * (len(encoded) - len(inner) - before)


def item_text(text: str) -> str:
    """A text as one item of a list: it holds no comma, no `=`, no `..`, no dot at an end, and is not `*`."""
    encoded = quote(text, safe=_IN_VALUES, errors="surrogatepass").replace("..", "%2E%2E")
    # `.` as the low end of a range would move its dots: `...`.
    if encoded.startswith("."):
        encoded = "%2E" + encoded[1:]
    return encoded[:-1] + "%2E" if encoded.endswith(".") else encoded


def values_text(constraint: Constraint | None) -> str:
    """A constraint as a plain text: split it at commas, then percent-decode each item.

    - `EU,UK`: one of these values;
    - `2025-10-19..2026-11-23`: a range, both ends included; `2025-10-19..` and `..2026-11-23` have one end only;
      `>` before the low end and `<` before the high end exclude it: `>1.5..<2.5`;
    - `*`: any value, and NULL.
    """
    match constraint:
        case None:
            return FREE
        case OneOf(values):
            return ",".join(map(_item, values))
        case Between(low=low, high=high, low_open=low_open, high_open=high_open):
            below = "" if low is None else (">" if low_open else "") + _item(low)
            above = "" if high is None else ("<" if high_open else "") + _item(high)
            return f"{below}..{above}"
        case _:
            assert_never(constraint)


def _item(value: Value) -> str:
    return item_text(value_text(value))
