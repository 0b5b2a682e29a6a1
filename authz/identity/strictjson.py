"""JSON objects that every parser reads the same way.

RFC 8259 leaves to the parser what duplicate names, huge numbers, a byte order mark or a lone surrogate
mean. Two parsers that differ there see two different tokens; so none of it is read here.
"""

import json
import math
from typing import NoReturn

MAX_DEPTH = 16
"""Deepest nesting that is read; a token or key set needs four."""

_MAX_INTEGER = 2**63 - 1
_MAX_INTEGER_DIGITS = 20


class StrictJsonError(ValueError):
    """The bytes are not one JSON object that can be read in exactly one way. Never quotes the input."""


def parse_object(data: bytes) -> dict[str, object]:
    """The JSON object in `data`: strict UTF-8, no byte order mark, no duplicate names, bounded depth and numbers.

    Raises `StrictJsonError`. Bound the size of `data` before calling.
    """
    try:
        # A string, not bytes: json.loads guesses UTF-16 and UTF-32 from bytes. It refuses a BOM in a string.
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_distinct,
            parse_constant=_no_constant,
            parse_int=_bounded_integer,
            parse_float=_finite_number,
        )
    except StrictJsonError:
        raise
    except UnicodeDecodeError:
        raise StrictJsonError("not UTF-8") from None
    except RecursionError:
        raise StrictJsonError(f"nested deeper than {MAX_DEPTH}") from None
    except ValueError:
        # The message of json quotes the input, and the input may be a secret.
        raise StrictJsonError("not JSON") from None
    if not isinstance(value, dict):
        raise StrictJsonError("not a JSON object")
    _check_shape(value)
    return value


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise StrictJsonError("a name occurs twice in one object")
    return made


def _no_constant(_: str) -> NoReturn:
    raise StrictJsonError("NaN and Infinity are no JSON")


def _bounded_integer(text: str) -> int:
    # The length first: converting a long run of digits takes quadratic time.
    number = int(text) if len(text) <= _MAX_INTEGER_DIGITS else _MAX_INTEGER + 1
    if abs(number) > _MAX_INTEGER:
        raise StrictJsonError("an integer does not fit in 64 bits")
    return number


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise StrictJsonError("a number is too large")
    return number


def _check_shape(value: dict[str, object]) -> None:
    """Refuse depth and lone surrogates (they parse, and then break every encoder down the line)."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for item in level:
            match item:
                case dict():
                    below.extend(item)
                    below.extend(item.values())
                case list():
                    below.extend(item)
                case str() if not item.isascii():
                    _check_surrogates(item)
                case _:
                    pass
        if not below:
            return
        level = below
    raise StrictJsonError(f"nested deeper than {MAX_DEPTH}")


def _check_surrogates(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise StrictJsonError("a string has half of a surrogate pair") from None
