"""The query: what a client may not say there, and the plain parameters that Scopegate puts there.

Envoy's `query_parameters_to_set` takes values of `[A-Za-z0-9._-]` only and compares names undecoded, so it serves
for the cache partition alone. Plain parameters are written into the whole `:path` instead, and a request that
spells an owned name in any way is refused rather than cleaned: no two parsers agree on what would have to go.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from authz.errors import Denied, Reason
from authz.policy.decision import Allow
from authz.policy.policyset import CacheRule, Warehouse
from authz.rendering.encoding import values_text
from authz.rendering.headers import MAX_HEADER_BYTES, single_conjunction
from authz.rendering.rewrites import SCOPE_PARAMETER
from authz.request import AccessRequest
from authz.scopes.constraints import Constraint
from authz.scopes.rowfilter import RowFilter

_MAX_DECODINGS = 3

# RFC 1866 section 8.2.1: some servers also separate at ";".
_NAMES: Final = re.compile(r"(?:^|[&;])([^&;=]*)")
_SIMPLE_NAME: Final = re.compile(r"[a-z0-9_-]*\Z")
_MOST_REMEMBERED: Final = 256
"""Characters of varying headers."""

_NOT_IN_NAME: Final = re.compile(r"[\[\]\x00].*", re.DOTALL)


def owned_parameters(parameters: Iterable[str]) -> frozenset[str]:
    """The names that no client may send, in the form in which `refuse_owned` compares."""
    return frozenset(_normal(name) for name in (SCOPE_PARAMETER, *parameters))


def refuse_owned(query: str, names: frozenset[str]) -> None:
    """Raise `Denied(request_ambiguous)` if a raw query holds one of `names` in a spelling that some parser equates.

    That is: percent-encoded (up to three times), in other letter case or width, with spaces, as an array or
    object (`region[]`, PHP and Rails), with a dot for an underscore (PHP), or behind a NUL.
    """
    for raw in _NAMES.findall(query.lower()):
        if raw in names or (not _SIMPLE_NAME.match(raw) and not names.isdisjoint(_spellings(raw))):
            raise Denied(
                Reason.REQUEST_AMBIGUOUS, "the query has a parameter of a name that belongs to Scopegate"
            )


def refuse_form(request: AccessRequest) -> None:
    """Raise `Denied(request_ambiguous)` for a form body, whose fields many servers merge with the parameters."""
    for value in request.headers.get("content-type", ()):
        kind = value.lower()
        if "www-form" in kind or "form-data" in kind:
            raise Denied(
                Reason.REQUEST_AMBIGUOUS, "a form body, for a warehouse that takes its scope as parameters"
            )


def scope_parameters(warehouse: Warehouse, rows: RowFilter) -> str:
    """The plain parameters of a row filter as the beginning of a raw query; empty for a warehouse that takes none.

    A value is as `values_text` says, and percent-encoded once more, as any value in a query is. Raises `Denied`:
    `scope_not_expressible` for alternatives or a constraint without a parameter, `scope_too_large`.
    """
    if not warehouse.query:
        return ""
    if len(owned_parameters(warehouse.query.values())) != len(warehouse.query) + 1:
        raise Denied(
            Reason.SCOPE_NOT_EXPRESSIBLE, f"parameters of warehouse `{warehouse.name}` have the same name"
        )
    constraints = single_conjunction(rows)
    for dimension in constraints:
        if dimension not in warehouse.query:
            # Leaving the constraint out would select more.
            raise Denied(
                Reason.SCOPE_NOT_EXPRESSIBLE,
                f"warehouse `{warehouse.name}` takes parameters, and none for dimension `{dimension}`",
            )
    text = "&".join(
        _parameter(name, constraints.get(dimension)) for dimension, name in warehouse.query.items()
    )
    if len(text) > MAX_HEADER_BYTES:
        raise Denied(
            Reason.SCOPE_TOO_LARGE,
            f"query parameters of {len(text)} bytes, at most {MAX_HEADER_BYTES} are supported",
        )
    return text


def partition(allow: Allow, cache: CacheRule, request: AccessRequest, policy_version: str) -> str:
    """The part of the cache key that Scopegate gives: 32 hex digits.

    Two requests share an answer only if scope, warehouse and policy version are equal, and every header that the
    answer varies with.
    """
    headers = request.headers
    varying = tuple([headers.get(name, ()) for name in cache.vary])
    parts = (allow.scope.id, allow.warehouse.name, policy_version, cache.vary, varying)
    # What clients send is remembered while it is short, or they would choose how much that takes.
    is_short = sum([len(value) for values in varying for value in values]) <= _MOST_REMEMBERED
    return _remembered_digest(parts) if is_short else _digest(parts)


def _digest(parts: tuple[object, ...]) -> str:
    # `repr` of texts and tuples is unambiguous: no value can play another's part.
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


_remembered_digest: Final = lru_cache(4_096)(_digest)


def rewritten_path(request: AccessRequest, parameters: str) -> str:
    """The whole target with our parameters first.

    First, because parsers with a limit drop the rest in silence (PHP and Node after 1,000): a client could
    otherwise push ours out.
    """
    return f"{request.path}?{parameters}&{request.query}" if request.query else f"{request.path}?{parameters}"


def _parameter(name: str, constraint: Constraint | None) -> str:
    return f"{quote(name, safe='')}={quote(values_text(constraint), safe='')}"


def _spellings(raw: str) -> set[str]:
    found: set[str] = set()
    text = raw
    for _ in range(_MAX_DECODINGS):
        found.add(_normal(text))
        decoded = unquote(text.replace("+", " "), errors="replace")
        if decoded == text:
            break
        text = decoded
    found.add(_normal(text))
    return found


def _normal(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold().strip()
    return _NOT_IN_NAME.sub("", folded).strip().replace(".", "_").replace(" ", "_")
