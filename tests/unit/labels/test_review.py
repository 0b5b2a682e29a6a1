"""Proposals beside a policy: new, labelled, known; dimensions, closed tables, tables that are matched by their parts."""

import pytest

from authz.labels.categories import DEFAULT_LABELS, Category, Confidence
from authz.labels.review import Finding, Looked, PolicyTable, Standing, gone, matching, policy_tables, review
from authz.labels.schema import Column, SchemaTable
from tests.policies import SMALL, policy

ORDERS = SchemaTable(
    ("lake", "sales", "orders"), (Column("id"), Column("email"), Column("phone"), Column("city"), Column("region"))
)  # fmt: skip
TABLE = PolicyTable("lake.sales.orders", {"region": "region", "town": "city"}, {"email": "contact"})


def reviewed(table: PolicyTable = TABLE, **options: object) -> dict[str, Finding]:
    options = {"dialect": "trino", "labels": DEFAULT_LABELS, **options}
    found = review([Looked(policy=table, schema=ORDERS)], **options)  # type: ignore[arg-type]
    return {finding.column: finding for finding in found}


def test_a_column_with_a_label_is_no_news_whatever_the_label_is_called() -> None:
    """Labels are free words: one that somebody chose is not doubted."""
    found = reviewed()
    assert (found["email"].standing, found["email"].labelled) == (Standing.LABELLED, "contact")
    assert (found["phone"].standing, found["phone"].labelled) == (Standing.NEW, None)


def test_what_an_earlier_report_has_is_known_as_the_same_thing_and_as_sure() -> None:
    """If it looks like something else now, or more like it, somebody has to look again."""
    key = ("lake.sales.orders", "phone", "phone")
    for confidence in (Confidence.LIKELY, Confidence.CERTAIN):
        assert reviewed(known={key: confidence})["phone"].standing is Standing.KNOWN
    assert reviewed(known={key: Confidence.POSSIBLE})["phone"].standing is Standing.NEW
    for other in ((*key[:2], "email"), ("lake.sales.other", *key[1:])):
        assert reviewed(known={other: Confidence.CERTAIN})["phone"].standing is Standing.NEW
    assert reviewed()["phone"].key == key


def test_a_dimension_is_said() -> None:
    """Rows are told apart by it."""
    found = reviewed()
    assert found["city"].dimensions == ("town",)
    assert found["phone"].dimensions == ()


def test_a_label_is_the_one_of_its_category() -> None:
    """Or the one that it was mapped to."""
    assert reviewed()["phone"].label == "pii"
    assert reviewed(labels={**DEFAULT_LABELS, Category.PHONE: "contact"})["phone"].label == "contact"


def test_what_is_less_sure_can_be_left_out() -> None:
    """And what is as sure cannot."""
    assert set(reviewed()) == {"email", "phone", "city"}
    assert set(reviewed(at_least=Confidence.LIKELY)) == {"email", "phone"}


def test_a_type_is_told_without_the_values_that_it_lists() -> None:
    """An enumeration of names is the column."""
    people = SchemaTable(("", "s", "t"), (Column("first_name", "Enum8('Ann' = 1)"),))
    table = Looked(policy=PolicyTable("s.t"), schema=people)
    (found,) = review([table], dialect="clickhouse", labels=DEFAULT_LABELS)
    assert found.declared == "Enum8('…' = 1)"


def test_every_category_has_a_label_that_a_policy_can_have() -> None:
    """Of those in the documentation."""
    assert set(DEFAULT_LABELS) == set(Category)
    assert set(DEFAULT_LABELS.values()) == {"pii", "financial", "credential"}


@pytest.mark.parametrize(
    ("name", "path", "matches"),
    [
        ("lake.sales.orders", ("lake", "sales", "orders"), True),
        ("lake.sales.orders", ("", "sales", "orders"), True),
        ("sales.orders", ("lake", "sales", "orders"), True),
        ("orders", ("lake", "sales", "orders"), True),
        ("lake.sales.orders", ("other", "sales", "orders"), False),
        ("sales.orders", ("lake", "crm", "orders"), False),
        ("sales.orders", ("lake", "sales", "Orders"), False),
        ("sales.orders", ("lake", "sales", "order"), False),
    ],
)
def test_a_table_is_found_by_the_parts_that_both_sides_know(
    name: str,
    path: tuple[str, str, str],
    matches: bool,  # noqa: FBT001 - a case
) -> None:
    """Exactly as they are written."""
    assert bool(matching(PolicyTable(name), [SchemaTable(path, ())])) is matches


def test_columns_that_the_policy_names_and_the_table_has_not_are_gone() -> None:
    """A label on one of them protects nothing."""
    renamed = PolicyTable("lake.sales.orders", {"region": "area"}, {"e_mail": "pii", "phone": "pii"})
    assert gone(Looked(policy=renamed, schema=ORDERS)) == ("e_mail", "area")
    assert gone(Looked(policy=TABLE, schema=ORDERS)) == ()


def test_a_warehouse_of_one_table_has_one_without_a_name() -> None:
    """Its labels stand beside its columns."""
    (only,) = policy_tables(policy(SMALL).warehouses["sales"])
    assert (only.name, only.labels) == ("", {"customer_email": "pii"})
    assert only.path == ("", "", "")
