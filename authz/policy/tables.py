"""What kind of warehouse it is, and which tables of it are shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class WarehouseKind(StrEnum):
    """How a warehouse takes a scope."""

    HTTP = "http"
    """Anything that obeys headers or query parameters."""
    TRINO = "trino"
    CLICKHOUSE = "clickhouse"
    POSTGREST = "postgrest"
    CUBE = "cube"


OWN_DIALECT: Final[Mapping[WarehouseKind, str]] = {
    WarehouseKind.TRINO: "trino",
    WarehouseKind.CLICKHOUSE: "clickhouse",
    WarehouseKind.POSTGREST: "postgres",
}
"""Kinds that speak one SQL."""

TABLED: Final = frozenset({*OWN_DIALECT, WarehouseKind.CUBE})
"""Kinds that filter table by table, so that the policy has to name the tables (of Cube: the cubes)."""

SIGNED_FOR: Final = frozenset({WarehouseKind.TRINO, WarehouseKind.POSTGREST, WarehouseKind.CUBE})
"""Kinds that believe a scope for its signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that may be seen at all; one that the policy does not name is closed.

    INVARIANT: every dimension of the warehouse is in `columns` or in `unfiltered`, so that a dimension that was
    forgotten is a policy that does not load, and never a table without a filter.
    """

    name: str
    """As the warehouse qualifies it: `catalog.schema.table` (Trino), `database.table`, `schema.table`."""
    columns: Mapping[str, str]
    """Dimension to column."""
    unfiltered: frozenset[str] = frozenset()
    """Dimensions by which the rows of this table are not told apart."""
    labels: Mapping[str, str]
    """Column to label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgrest:
    """The database's side of a warehouse of kind `postgrest`."""

    schema: str = "scopegate_api"
    """Of the views that PostgREST shows."""
    role: str = "scopegate_reader"
    """As whom PostgREST asks; it may read the views and nothing else."""
    owner: str = "scopegate_owner"
    """Whose the views are: row-level security holds for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trino:
    """A warehouse of kind `trino`."""

    proxy: str = "scopegate-proxy"
    """The user as whom Scopegate's token logs in: it may ask in people's names, and has no rights of its own."""
    opa_issuer: str | None = None
    """Whose subjects and groups the users and groups are that Trino's OPA plugin asks about; None: it is not answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonName:
    """What a warehouse that knows people by name is told: the subject, or a claim; with the issuer's name in front
    (`okta:emma`) if `qualified`, so that two issuers' people are never one.
    """

    claim: str | None = None
    qualified: bool = False
