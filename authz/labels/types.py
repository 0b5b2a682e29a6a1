"""What a declared type can hold. SQLGlot knows the names that the warehouses give their types."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from sqlglot import exp
from sqlglot.errors import SqlglotError

from authz.policy.names import DIALECTS

MAX_TYPE_CHARACTERS: Final = 4_096
"""Of a longer type nothing is known; neither is it of one that is nested more deeply than the following."""
MAX_TYPE_DEPTH: Final = 20


class Holds(StrEnum):
    """What the values of a column are made of."""

    TEXT = "text"
    BYTES = "bytes"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    DOCUMENT = "document"
    """JSON, maps, structures: whatever is in them."""
    ADDRESS = "address"
    """Of networks."""
    PLACE = "place"
    UUID = "uuid"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """`fields` are the names inside a structure, at any depth; `length` is the longest text in characters, if there is one."""

    holds: Holds
    fields: tuple[str, ...] = ()
    length: int | None = None


_Type = exp.DType
_KNOWN: Final[tuple[tuple[Holds, frozenset[exp.DType]], ...]] = (
    (
        Holds.TEXT,
        frozenset({*exp.DataType.TEXT_TYPES, _Type.FIXEDSTRING, _Type.ENUM, _Type.ENUM8, _Type.ENUM16, _Type.XML}),
    ),
    (Holds.BYTES, frozenset({_Type.BINARY, _Type.VARBINARY, _Type.BLOB, _Type.LONGBLOB, _Type.MEDIUMBLOB, _Type.TINYBLOB})),
    (Holds.ADDRESS, frozenset({_Type.INET, _Type.IPADDRESS, _Type.IPPREFIX, _Type.IPV4, _Type.IPV6})),
    (Holds.PLACE, frozenset({_Type.GEOGRAPHY, _Type.GEOMETRY, _Type.GEOGRAPHYPOINT, _Type.POINT})),
    (Holds.BOOLEAN, frozenset({_Type.BOOLEAN, _Type.BIT})),
    (Holds.INTEGER, frozenset(exp.DataType.INTEGER_TYPES)),
    (Holds.NUMBER, frozenset({*exp.DataType.NUMERIC_TYPES, _Type.MONEY, _Type.SMALLMONEY})),
    (Holds.DATE, frozenset({_Type.DATE, _Type.DATE32})),
    (Holds.TIME, frozenset({*exp.DataType.TEMPORAL_TYPES, _Type.TIME, _Type.TIMETZ, _Type.INTERVAL, _Type.YEAR})),
    (Holds.UUID, frozenset({_Type.UUID})),
    (
        Holds.DOCUMENT,
        frozenset({_Type.JSON, _Type.JSONB, _Type.VARIANT, _Type.OBJECT, _Type.MAP, _Type.HSTORE, *exp.DataType.STRUCT_TYPES}),
    ),
)  # fmt: skip
_HOLDS: Final = {kind: holds for holds, kinds in reversed(_KNOWN) for kind in kinds}

# PostgreSQL's, which SQLGlot does not read.
_BY_NAME: Final = {
    "citext": Holds.TEXT,
    "cidr": Holds.ADDRESS,
    "macaddr": Holds.ADDRESS,
    "macaddr8": Holds.ADDRESS,
    "bytea": Holds.BYTES,
}
_AROUND: Final = frozenset({_Type.ARRAY, _Type.LIST, _Type.LOWCARDINALITY})


_LITERAL: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'?", re.DOTALL)


def without_values(declared: str) -> str:
    """A type as it may be shown: an enumeration lists what is in the column."""
    return _LITERAL.sub("'…'", declared)


@lru_cache(maxsize=4_096)
def type_facts(declared: str, dialect: str) -> TypeFacts:
    """What a type holds; of an array, what its elements are. `dialect` is one of those that a policy may name."""
    # An underscore in front: PostgreSQL's arrays, as `udt_name` has them.
    text = declared.strip().removeprefix("_")
    named = _BY_NAME.get(text.removesuffix("[]").lower())
    if named is not None:
        return TypeFacts(named)
    if not text or len(text) > MAX_TYPE_CHARACTERS or _depth(text) > MAX_TYPE_DEPTH:
        return TypeFacts(Holds.UNKNOWN)
    for each in dict.fromkeys((dialect if dialect in DIALECTS and dialect != "ansi" else "", "")):
        try:
            built = exp.DataType.build(text, dialect=each)
        except (SqlglotError, ValueError):
            continue
        return TypeFacts(_holds(built), tuple(_fields(built)), _length(built))
    return TypeFacts(Holds.UNKNOWN)


def _depth(text: str) -> int:
    deepest = depth = 0
    for sign in re.findall(r"[(<\[)>\]]", text):
        depth += 1 if sign in "(<[" else -1
        deepest = max(deepest, depth)
    return deepest


def _holds(built: exp.DataType) -> Holds:
    while built.this in _AROUND:
        inner = next((each for each in built.expressions if isinstance(each, exp.DataType)), None)
        if inner is None:
            return Holds.UNKNOWN
        built = inner
    return _HOLDS.get(built.this, Holds.UNKNOWN)


def _fields(built: exp.DataType) -> list[str]:
    return [str(field.this.name) for field in built.find_all(exp.ColumnDef)]


def _length(built: exp.DataType) -> int | None:
    if built.this not in exp.DataType.TEXT_TYPES or not built.expressions:
        return None
    given = built.expressions[0].name
    return int(given) if given.isdecimal() and given.isascii() and len(given) < 10 else None
