"""The looks of values: each with the right check digits, beside its neighbour with one digit changed.

Numbers are those of python-stdnum's documentation, test numbers of the card schemes and of phonenumbers.
"""

from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface
from random import Random
from uuid import UUID

import pytest

from authz.labels.schema import ValueCounts
from authz.labels.shapes import FACTS, Shape, Weight
from authz.labels.values import MAX_CHARACTERS, count_values, known_regions, missing_libraries, shapes_of

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("value", "shape", "neighbour"),
    [
        ("john@example.com", Shape.EMAIL, "john@example"),
        ("john@corp.local", Shape.EMAIL, "john@corp..local"),
        ("josé@exämple.de", Shape.EMAIL, "josé at exämple.de"),
        ("ask john@example.com.", Shape.TEXT_WITH_EMAIL, "ask john@example"),
        ("<john@example.com>", Shape.TEXT_WITH_EMAIL, "<john@>"),
        ("+49 30 901820", Shape.PHONE, "+49 1"),
        ("4012 8888 8888 1881", Shape.CARD, "4012 8888 8888 1882"),
        ("378282246310005", Shape.CARD, "178282246310003"),
        (5555555555554444, Shape.CARD, 5555555555554445),
        ("GR16 0110 1050 0000 1054 7023 795", Shape.IBAN, "GR17 0110 1050 0000 1054 7023 795"),
        ("AGRIFRPP882", Shape.BIC, "AGRIFRPP88"),
        ("536-90-4399", Shape.US_SSN, "666-90-4399"),
        ("295109912611193", Shape.FR_NIR, "295109912611194"),
        ("RCCMNL83S18D969H", Shape.IT_CODICE, "RCCMNL83S18D969I"),
        ("756.9217.0769.85", Shape.CH_AHV, "756.9217.0769.84"),
        ("360426199101010071", Shape.CN_RIC, "360426199101010072"),
        ("131052-308T", Shape.FI_HETU, "131052-308U"),
        ("54362315K", Shape.ES_DNI, "54362315Z"),
        ("390.533.447-05", Shape.BR_CPF, "390.533.447-06"),
        ("44051401359", Shape.PL_PESEL, "44051401358"),
        ("111222333", Shape.NL_BSN, "111222334"),
        ("36574261809", Shape.DE_IDNR, "36574261890"),
        ("234123412346", Shape.IN_AADHAAR, "234123412347"),
        ("943-476-5870", Shape.GB_NHS, "943-476-5871"),
        ("490154203237518", Shape.IMEI, "490154203237519"),
        ("10.1.2.3", Shape.IP, "10.1.2.300"),
        ("2001:db8::1", Shape.IP, "12:30:15"),
        (IPv4Address("10.1.2.3"), Shape.IP, IPv4Address("0.0.0.0")),
        (IPv4Interface("10.1.2.3/24"), Shape.IP, "10.1.2"),
        ("d0:50:99:84:a2:a0", Shape.MAC, "d0:50:99:84:a2"),
        (TOKEN, Shape.SECRET, TOKEN.replace(".", "")),
        ("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", Shape.SECRET, "$2,50$"),
        (b"-----BEGIN PRIVATE KEY-----", Shape.SECRET, b"-----BEGIN CERTIFICATE-----"),
    ],
)
def test_a_value_looks_like_what_it_is(value: object, shape: Shape, neighbour: object) -> None:
    """And what is nearly so does not."""
    assert shape in shapes_of(value)
    assert shape not in shapes_of(neighbour)


def test_each_shape_has_its_example() -> None:
    """One without would be one that nobody has seen recognised; national numbers need a region."""
    examples = test_a_value_looks_like_what_it_is.pytestmark[0].args[1]
    assert {example[1] for example in examples} == set(Shape) - {Shape.NATIONAL_PHONE}


def test_a_number_without_country_code_is_a_phones_in_its_region_only() -> None:
    """Nobody says of which country `030 901820` is."""
    assert Shape.NATIONAL_PHONE in shapes_of("030 901820", "DE")
    assert Shape.NATIONAL_PHONE not in shapes_of("030 901820")
    assert Shape.NATIONAL_PHONE not in shapes_of("1", "DE")
    assert "DE" in known_regions()


def test_what_is_in_a_document_is_found_in_it() -> None:
    """In lists and mappings, at any reasonable depth; not that the document were an address."""
    assert shapes_of({"a": [{"b": "john@example.com"}]}) == {Shape.TEXT_WITH_EMAIL}
    assert shapes_of(["+49 30 901820", None, 3]) == {Shape.PHONE}
    assert shapes_of({"a": [1.5, None]}) == frozenset()


@pytest.mark.parametrize(
    "value",
    [None, True, 1.5, "", " ", "hello", "0000000000000000", "000-00-0000", "111.111.111-11", UUID(int=5), float("nan"), Decimal("NaN"),
     Decimal("1E+50"), Decimal("1.5"), 10**60, -4111111111111111, b"\xff\xfe", object()],
)  # fmt: skip
def test_everything_else_looks_like_nothing(value: object) -> None:
    """Noughts and ones least of all: people write them who have no number."""
    assert shapes_of(value) == frozenset()


def test_a_decimal_without_a_fraction_is_a_number_like_any() -> None:
    """As such drivers hand over NUMERIC(16)."""
    assert Shape.CARD in shapes_of(Decimal(5555555555554444))


@pytest.mark.parametrize(
    "value",
    ["a@" * 2_048, "@" * 4_096, ("x" * 64 + "@") * 60, " -" * 2_000, "1 " * 2_000, "4" * 4_096, ":" * 4_000,
     "eyJ" + "a" * 4_000, [[[[[[[[]] * 99] * 99] * 99] * 99] * 99] * 99] * 99, {str(number): [number] for number in range(100_000)}],
    ids=range(10),
)  # fmt: skip
@pytest.mark.timeout(5)
def test_no_value_takes_long(value: object) -> None:
    """Whoever writes rows must not be able to stop whoever looks at them."""
    for _ in range(5):
        shapes_of(value, "DE")


def test_a_list_within_itself_is_looked_at_to_a_bound() -> None:
    """It ends."""
    value: list[object] = ["john@example.com"]
    value.append(value)
    assert shapes_of(value) == {Shape.TEXT_WITH_EMAIL}


def test_of_a_long_text_the_beginning_is_looked_at() -> None:
    """What stands behind is not seen."""
    assert shapes_of("x" * (MAX_CHARACTERS - 20) + " john@example.com") == {Shape.TEXT_WITH_EMAIL}
    assert shapes_of("x" * MAX_CHARACTERS + " john@example.com") == frozenset()


def test_rows_become_numbers() -> None:
    """NULL is no value; an empty text is one."""
    rows = [("a@example.com", None), ("", 1), ("b@example.com", 2)]
    assert count_values(rows, 2, None) == (
        3,
        [ValueCounts(values=3, shapes={Shape.EMAIL: 2}), ValueCounts(values=2, shapes={})],
    )
    assert count_values([], 1, None) == (0, [ValueCounts(values=0, shapes={})])


def test_keys_look_like_nothing_that_counts_by_itself() -> None:
    """Thousands of random ones have right check digits here and there, and none of it is distinct."""
    random = Random(6)
    keys = [(random.randrange(10**size), str(random.randrange(10**size)), f"{random.getrandbits(64):x}") for size in
            (6, 9, 10, 11, 12, 13, 15, 16, 18) for _ in range(400)]  # fmt: skip
    _, counts = count_values(keys, 3, "US")
    distinct = {shape for shape, facts in FACTS.items() if facts.weight is Weight.DISTINCT}
    assert not distinct & {shape for count in counts for shape in count.shapes}


def test_nothing_is_missing_here() -> None:
    """The tests have the extra."""
    assert missing_libraries() == []
