"""The version of a policy: a hash of what it says, not of how it is written."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_FORMAT = "scopegate-policy-1"


def policy_version(document: Mapping[str, Any]) -> str:
    """32 hex digits. Comments, formatting, the order of keys and the split into files do not count."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=_decimal_text)
    return hashlib.sha256(f"{_FORMAT}\0{text}".encode()).hexdigest()[:32]


def _decimal_text(value: object) -> object:
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    raise TypeError(f"a policy holds no {type(value).__name__}")
