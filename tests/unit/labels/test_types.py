"""What declared types hold, in the words of each warehouse."""

import pytest

from authz.labels.types import MAX_TYPE_CHARACTERS, Holds, TypeFacts, type_facts, without_values


@pytest.mark.parametrize(
    ("dialect", "declared", "holds"),
    [
        ("postgres", "character varying(40)", Holds.TEXT),
        ("postgres", "timestamp with time zone", Holds.TIME),
        ("postgres", "citext", Holds.TEXT),
        ("postgres", "_text", Holds.TEXT),
        ("postgres", "inet", Holds.ADDRESS),
        ("postgres", "macaddr", Holds.ADDRESS),
        ("postgres", "bytea", Holds.BYTES),
        ("postgres", "jsonb", Holds.DOCUMENT),
        ("postgres", "point", Holds.PLACE),
        ("postgres", "numeric", Holds.NUMBER),
        ("postgres", "ARRAY", Holds.UNKNOWN),
        ("postgres", "USER-DEFINED", Holds.UNKNOWN),
        ("trino", "varchar", Holds.TEXT),
        ("trino", "ipaddress", Holds.ADDRESS),
        ("trino", "array(array(varchar))", Holds.TEXT),
        ("trino", "map(varchar, varchar)", Holds.DOCUMENT),
        ("clickhouse", "LowCardinality(Nullable(String))", Holds.TEXT),
        ("clickhouse", "Array(Nullable(String))", Holds.TEXT),
        ("clickhouse", "DateTime64(3, 'UTC')", Holds.TIME),
        ("clickhouse", "IPv6", Holds.ADDRESS),
        ("clickhouse", "UInt64", Holds.INTEGER),
        ("clickhouse", "Enum8('a' = 1)", Holds.TEXT),
        ("clickhouse", "UUID", Holds.UUID),
        ("clickhouse", "Bool", Holds.BOOLEAN),
        ("bigquery", "STRING", Holds.TEXT),
        ("snowflake", "VARIANT", Holds.DOCUMENT),
        ("ansi", "DATE", Holds.DATE),
        ("ansi", "no such type", Holds.UNKNOWN),
        ("ansi", "'; DROP TABLE x", Holds.UNKNOWN),
        ("ansi", "", Holds.UNKNOWN),
    ],
)
def test_a_type_holds_what_it_is_called(dialect: str, declared: str, holds: Holds) -> None:
    """Of an array, what its elements are."""
    assert type_facts(declared, dialect).holds is holds


@pytest.mark.parametrize(
    ("dialect", "declared"),
    [
        ("trino", "row(email varchar, phones array(row(number varchar)))"),
        ("clickhouse", "Array(Tuple(email String, phones Nested(number String)))"),
        ("bigquery", "STRUCT<email STRING, phones ARRAY<STRUCT<number STRING>>>"),
    ],
)
def test_a_structure_names_its_fields(dialect: str, declared: str) -> None:
    """At any depth: a label is of the whole column."""
    facts = type_facts(declared, dialect)
    assert facts.holds is Holds.DOCUMENT
    assert set(facts.fields) >= {"email", "phones", "number"}


def test_a_text_may_have_a_longest_value() -> None:
    """Nothing of a type that has none, or is a number."""
    assert type_facts("varchar(1)", "trino").length == 1
    assert type_facts("varchar", "trino").length is None
    assert type_facts("decimal(1)", "trino").length is None


@pytest.mark.parametrize(
    "declared", ["x" * (MAX_TYPE_CHARACTERS + 1), "array(" * 200 + "varchar" + ")" * 200]
)
def test_of_a_monster_nothing_is_known(declared: str) -> None:
    """It is not even parsed."""
    assert type_facts(declared, "trino") == TypeFacts(Holds.UNKNOWN)


@pytest.mark.parametrize(
    ("declared", "shown"),
    [
        ("Enum8('Ann' = 1, 'Bob' = 2)", "Enum8('…' = 1, '…' = 2)"),
        ("enum('O''Hara','a\\'b')", "enum('…','…')"),
        ("Enum8('Ann", "Enum8('…'"),
        ("varchar(40)", "varchar(40)"),
    ],
)
def test_a_type_is_shown_without_the_values_in_it(declared: str, shown: str) -> None:
    """Whatever is listed there is in the column."""
    assert without_values(declared) == shown
