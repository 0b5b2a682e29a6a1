"""Mutations of one request, as values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

OWNED_PREFIX = "x-scope-"
"""Every request header under this prefix is Scopegate's: a client's copy never survives."""

SCOPE_PARAMETER = "__scope"
"""The query parameter that partitions the edge cache; set on every cached route, removed before the warehouse."""


# Not frozen, as `AccessRequest` is not.
@dataclass(slots=True, kw_only=True, eq=False)
class Rewrites:
    """What the PEP must do to an allowed request, in this order of thought: remove, then set.

    `set_headers` overwrite; `remove_headers` never names one of them (Envoy removes last). `path` replaces the
    whole `:path` if set. `set_query` values are from `[A-Za-z0-9._-]` only (Envoy refuses others). `valid_until`
    (seconds since the epoch) is when they have to be made anew, although the decision still holds: what is signed ends.
    """

    set_headers: Final[tuple[tuple[str, str], ...]]
    remove_headers: Final[tuple[str, ...]]
    set_query: Final[tuple[tuple[str, str], ...]] = ()
    remove_query: Final[tuple[str, ...]] = ()
    path: Final[str | None] = None
    valid_until: Final[float] = math.inf
    metadata: Final[Mapping[str, str]]
    """For the PEP's access log and rate limits; never a header."""


NO_METADATA: Final = MappingProxyType[str, str]({})

NO_REWRITES: Final = Rewrites(set_headers=(), remove_headers=(), metadata=NO_METADATA)
"""What most requests need beside the constant part."""
