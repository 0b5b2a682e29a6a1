"""What a warehouse's guardrails say, and what an examination finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

TableName = tuple[str, ...]
"""A whole name, such as catalog, schema and table, as the warehouse folds it."""


class StatementKind(StrEnum):
    """Kinds of statements that may be allowed: there is none that writes, or that changes a setting."""

    SELECT = "select"
    SHOW = "show"
    DESCRIBE = "describe"
    EXPLAIN = "explain"
    PREPARE = "prepare"
    """To prepare, to execute and to forget a prepared statement: what is prepared is examined, too."""
    TRANSACTION = "transaction"
    USE = "use"


DEFAULT_KINDS: Final = frozenset(StatementKind) - {StatementKind.EXPLAIN}
"""A plan shows the predicates of the row filters, so it is told to nobody unless the policy says so."""


class Unparsed(StrEnum):
    """What happens to a query that cannot be parsed."""

    REFUSE = "refuse"
    PASS = "pass"
    """It passes if no name and no function in it is refused as text; which tables it reads is the warehouse's to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRule:
    """Whoever reads the table says a constant condition on `column`; with `within` one that spans no more than that."""

    column: str
    within: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How large a statement may be. What the largest costs is said in `authz.guardrails.parsing`."""

    bytes: int = 65_536
    """In UTF-8."""
    tokens: int = 5_000
    depth: int = 40
    """Parentheses, brackets, braces and CASE inside one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailRules:
    """What may be asked of one warehouse. Patterns are as `authz.guardrails.patterns` says."""

    dialect: str
    """A name of `authz.guardrails.dialects`."""
    statements: frozenset[StatementKind] = DEFAULT_KINDS
    tables: frozenset[str] = frozenset()
    """Patterns of whole names; what none of them matches is denied."""
    denied_tables: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    """Names that are allowed although the dialect's own list denies them."""
    denied_functions: frozenset[str] = frozenset()
    """Beside those of the dialect's own list."""
    partitions: Mapping[TableName, PartitionRule] = field(default_factory=dict)
    max_rows: int | None = None
    """A query has a LIMIT of at most that, or aggregates; None asks for neither."""
    unparsed: Unparsed = Unparsed.REFUSE
    bounds: Bounds = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a name in the statement is completed with, as the request says."""

    catalog: str | None = None
    schema: str | None = None
    prepared: frozenset[str] = frozenset()
    """Names of the statements that are prepared; each of them has been examined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What a statement can take from its tables, as far as names tell: too much rather than too little."""

    columns: Mapping[str, frozenset[TableName]] = field(default_factory=dict)
    """Case-folded name to the tables of the statement in which it may be a column."""
    whole: frozenset[TableName] = frozenset()
    """Tables of which every column is read: by `*`, as a row, by position."""
    everywhere: frozenset[str] = frozenset()
    """Case-folded words of the text of which nobody can say what they are: names of any table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A statement that is allowed, but for the columns that are hidden from a person (`refuse_hidden`).

    `fingerprint` is 32 hex digits, equal for statements that differ in literals, spaces and comments only.
    `executes` is the name of the prepared statement that this one executes or describes.
    """

    kind: StatementKind
    tables: tuple[TableName, ...]
    functions: tuple[str, ...]
    fingerprint: str
    reads: Reads = Reads()
    executes: str | None = None
    parsed: bool = True
