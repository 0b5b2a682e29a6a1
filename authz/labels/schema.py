"""What is known of a warehouse's tables, whichever way it was read."""

from collections.abc import Mapping
from dataclasses import dataclass

from authz.labels.shapes import Shape


@dataclass(frozen=True, slots=True)
class Column:
    """`declared` is the type in the warehouse's own words; empty where nothing says it."""

    name: str
    declared: str = ""


@dataclass(frozen=True, slots=True)
class SchemaTable:
    """`path` is catalog, schema and name; what the source does not say of the first two is empty there."""

    path: tuple[str, str, str]
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """`catalog.schema.name`, as far as it is known."""
        return ".".join(part for part in self.path if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCounts:
    """What a sample says of a column: how many values there were, and how many look like what. Never a value."""

    values: int
    """Those that are not null."""
    shapes: Mapping[Shape, int]
    """Each at most `values`; a shape that no value has may be left out."""
