"""The version of a policy: a hash of what it says, not of how it is written."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

_FORMAT = "scopegate-policy-1"


def policy_version(document: Mapping[str, Any], breathe: Callable[[], None] = lambda: None) -> str:
    """32 hex digits. Comments, formatting, the order of keys and the split into files do not count.

    `breathe` is called for each rule: the encoder keeps the interpreter to itself while it writes.
    """
    digest = hashlib.sha256(f"{_FORMAT}\0".encode())
    for piece in _pieces(document):
        breathe()
        digest.update(piece.encode())
    return digest.hexdigest()[:32]


def _pieces(document: Mapping[str, Any]) -> Iterator[str]:
    """What the encoder makes of the whole, in pieces."""
    before = "{"
    for name in sorted(document):
        value = document[name]
        if isinstance(value, list) and value:
            yield f"{before}{_json(name)}:"
            for number, item in enumerate(value):
                yield f"{',' if number else '['}{_json(item)}"
            yield "]"
        else:
            yield f"{before}{_json(name)}:{_json(value)}"
        before = ","
    yield "}" if document else "{}"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_decimal_text)


def _decimal_text(value: object) -> object:
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    raise TypeError(f"a policy holds no {type(value).__name__}")
