"""The guardrails of a warehouse, as a person writes them."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from authz.guardrails.rules import StatementKind, Unparsed
from authz.policy.fields import Duration, Maybe, Part, Text

_KINDS = tuple(kind.value for kind in StatementKind)
_UNPARSED = tuple(word.value for word in Unparsed)


class PartitionPart(Part):
    """What a query has to say of a large table."""

    column: Text
    """The column that a constant condition must stand on, in the WHERE of the query that reads the table."""
    within: Maybe[Duration] = None
    """The longest range that the condition may span, in whole days; any, if left out."""


class GuardrailsPart(Part):
    """What statements may ask of the warehouse. They are the second line: the first is its own row filter."""

    statements: Maybe[Annotated[list[Literal[_KINDS]], Field(min_length=1)]] = None  # type: ignore[valid-type]
    """Kinds of statements that are allowed; all but `explain`, if left out. None of them writes or sets anything.
    A plan (`explain`) shows the predicates of row filters."""
    tables: list[Text] = Field(default=[])
    """Tables that are allowed beside those of `tables`, such as `system.metadata.*`: whole names, in which `*` stands
    for a word or its end."""
    denied_tables: list[Text] = Field(default=[])
    """Tables that are denied whatever else allows them."""
    functions: list[Text] = Field(default=[])
    """Functions that are allowed although they are denied by default: what reaches out, waits, or runs text as SQL."""
    denied_functions: list[Text] = Field(default=[])
    """Functions that are denied beside those."""
    partitions: dict[Text, PartitionPart] = Field(default={})
    """Table to the condition that a query of it needs."""
    max_rows: Maybe[Annotated[int, Field(ge=1, le=1_000_000_000)]] = None
    """A query must say a LIMIT of at most that, or aggregate; none is needed, if left out."""
    unparsed: Literal[_UNPARSED] = "refuse"  # type: ignore[valid-type]
    """What becomes of a query that cannot be parsed. `pass` leaves it to the warehouse which tables it reads."""
    max_bytes: Annotated[int, Field(ge=256, le=262_144)] = 65_536
    """The longest statement."""
    max_tokens: Annotated[int, Field(ge=50, le=20_000)] = 5_000
    """The most words, literals and signs of a statement: five thousand take a tenth of a second to examine."""
    max_depth: Annotated[int, Field(ge=4, le=60)] = 40
    """The most parentheses, brackets and CASEs inside one another."""


def _word_or_mapping(raw: object) -> str:
    return "word" if isinstance(raw, str) else "mapping"


Guardrails = Annotated[
    Annotated[Literal["off"], Tag("word")] | Annotated[GuardrailsPart, Tag("mapping")],
    Discriminator(_word_or_mapping),
]
