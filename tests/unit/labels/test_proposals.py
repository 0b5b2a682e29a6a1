"""Evidence becomes a proposal: names, types and counts, each alone and against one another."""

import pytest

from authz.labels.categories import Category, Confidence
from authz.labels.proposals import ENOUGH, Proposal, Source, at_least, propose, readable_columns
from authz.labels.schema import Column, ValueCounts
from authz.labels.shapes import Shape

POSSIBLE, LIKELY, CERTAIN = Confidence


def best(name: str, declared: str = "", counts: ValueCounts | None = None, dialect: str = "postgres") -> Proposal | None:  # fmt: skip
    found = propose(Column(name, declared), dialect=dialect, counts=counts)
    return found[0] if found else None


def rated(
    name: str, declared: str = "", counts: ValueCounts | None = None
) -> tuple[Category, Confidence] | None:
    found = best(name, declared, counts)
    return None if found is None else (found.category, found.confidence)


def counted(values: int, **shapes: int) -> ValueCounts:
    return ValueCounts(values=values, shapes={Shape(name): number for name, number in shapes.items()})


def test_a_name_alone_is_likely_and_says_why() -> None:
    """With the term that it was."""
    found = best("customer_email", "text")
    assert found is not None
    assert (found.category, found.confidence) == (Category.EMAIL, LIKELY)
    assert [(each.source, each.text) for each in found.evidence] == [
        (Source.NAME, "the name says an e-mail address (`email`)")
    ]


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("email", "integer"),
        ("email", "boolean"),
        ("email", "timestamp"),
        ("email", "char(1)"),
        ("emails", "bigint"),
        ("salary", "date"),
        ("first_name", "bigint"),
        ("iban", "boolean"),
        ("client_ip", "double precision"),
    ],
)
def test_a_type_that_cannot_hold_it_speaks_against_the_name(name: str, declared: str) -> None:
    """And where nobody says a type, the name is believed."""
    assert best(name, declared) is None
    assert best(name) is not None


def test_an_encrypted_or_packed_one_is_still_one() -> None:
    """As bytes, in an array, in JSON."""
    assert {rated("email", kind) for kind in ("bytea", "text[]", "jsonb", "varchar(254)")} == {
        (Category.EMAIL, LIKELY)
    }


def test_a_type_speaks_for_itself() -> None:
    """Whatever the column is called; with a name that agrees it is certain."""
    assert rated("visitor", "inet") == (Category.NETWORK_ADDRESS, LIKELY)
    assert rated("client_ip", "inet") == (Category.NETWORK_ADDRESS, CERTAIN)
    assert rated("shape", "geometry") == (Category.LOCATION, POSSIBLE)
    assert rated("visitor", "text") is None


def test_the_fields_of_a_structure_speak_for_the_column() -> None:
    """It is labelled as a whole."""
    found = propose(Column("payload", "row(id bigint, email varchar)"), dialect="trino")
    assert [each.category for each in found] == [Category.EMAIL]
    assert found[0].evidence[0].text == "a field inside says an e-mail address (`email`)"


@pytest.mark.parametrize(
    ("counts", "confidence"),
    [
        (counted(0), None),
        (counted(1, email=1), LIKELY),
        (counted(100, email=99), CERTAIN),
        (counted(100, email=40), LIKELY),
        (counted(100, email=1), POSSIBLE),
        (counted(100), None),
        (counted(400, text_with_email=30), LIKELY),
        (counted(10_000, text_with_email=1), POSSIBLE),
    ],
)
def test_values_speak_where_the_name_says_nothing(counts: ValueCounts, confidence: Confidence | None) -> None:
    """One address in ten thousand texts is a question, most of them an answer; one of one is little."""
    found = best("contact", "text", counts)
    assert (None if found is None else found.confidence) is confidence


def test_check_digits_alone_need_most_of_the_values() -> None:
    """Among keys there are always some that have them."""
    assert rated("reference", "bigint", counted(1_000, card=470)) is None
    assert rated("reference", "bigint", counted(1_000, card=980)) == (Category.PAYMENT_CARD, LIKELY)


def test_what_many_things_look_like_counts_beside_a_name_only() -> None:
    """Eleven letters are no bank."""
    assert rated("reference", "text", counted(100, bic=100)) is None
    assert rated("bic", "text", counted(100)) == (Category.BANK_ACCOUNT, POSSIBLE)
    assert rated("bic", "text", counted(100, bic=100)) == (Category.BANK_ACCOUNT, CERTAIN)


def test_a_sample_makes_a_likely_name_certain_and_says_how_many() -> None:
    """The numbers, and no value."""
    found = best("email", "text", counted(100, email=97))
    assert found is not None
    assert found.confidence is CERTAIN
    assert found.evidence[-1].text == "e-mail addresses in 97 of 100 values"
    assert (found.evidence[-1].matches, found.evidence[-1].values) == (97, 100)


def test_a_sample_without_any_speaks_against_a_name_but_does_not_silence_it() -> None:
    """They may be hashed; and of a few values nothing can be said."""
    found = best("email", "text", counted(ENOUGH))
    assert found is not None
    assert found.confidence is POSSIBLE
    assert found.evidence[-1].text == (
        "none of 20 values looks like an e-mail address: hashed, or something else"
    )
    assert rated("email", "text", counted(ENOUGH - 1)) == (Category.EMAIL, LIKELY)
    assert rated("email", "text", counted(ENOUGH, email=1)) == (Category.EMAIL, LIKELY)
    # Not every telephone number has a shape that is known here.
    assert rated("phone", "text", counted(ENOUGH)) == (Category.PHONE, LIKELY)


def test_a_few_that_look_so_are_not_said_to_be_none() -> None:
    """Addresses of which some are unspecified."""
    found = best("client_ip", "text", counted(100, ip=3))
    assert found is not None
    assert (found.confidence, found.evidence[-1].text) == (LIKELY, "IP addresses in 3 of 100 values")


def test_the_likeliest_comes_first_and_then_the_worst_to_lose() -> None:
    """A column has one label; the others are told."""
    found = propose(Column("pin", "text"), counts=counted(100, email=100, card=100))
    assert [each.category for each in found] == [
        Category.EMAIL,
        Category.PAYMENT_CARD,
        Category.CREDENTIAL,
    ]
    both = propose(Column("token", "text"), counts=counted(100, secret=100, email=100))
    assert [each.category for each in both] == [Category.CREDENTIAL, Category.EMAIL]


def test_a_share_is_on_the_safe_side() -> None:
    """Wilson's interval, held against the figures that a statistician's tables have."""
    assert at_least(0, 0) == at_least(0, 10) == 0.0
    assert at_least(1, 1) == pytest.approx(0.2065, abs=1e-4)
    assert at_least(10, 10) == pytest.approx(0.7225, abs=1e-4)
    assert at_least(97, 100) == pytest.approx(0.9155, abs=1e-4)


def test_values_are_read_only_where_something_could_be_found() -> None:
    """No more than is needed leaves the warehouse."""
    columns = [
        Column("a", "text"),
        Column("b", "date"),
        Column("c", "boolean"),
        Column("d"),
        Column("e", "uuid"),
    ]
    assert [each.name for each in readable_columns(tuple(columns), "postgres")] == ["a", "d"]
