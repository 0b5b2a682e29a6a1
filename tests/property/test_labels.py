"""What holds of proposals whatever a schema says and a sample has in it."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from authz.cli.labelpiece import as_yaml
from authz.labels.categories import DEFAULT_LABELS, Category
from authz.labels.names import found_in, words_of
from authz.labels.proposals import at_least, propose
from authz.labels.review import Looked, PolicyTable, Standing, review
from authz.labels.rules import RULES
from authz.labels.schema import Column, SchemaTable, ValueCounts
from authz.labels.shapes import Shape
from authz.labels.types import type_facts
from authz.labels.values import count_values, shapes_of
from authz.policy.names import DIALECTS
from tests.policies import policy

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
TYPES = ["text", "varchar(20)", "integer", "inet", "date", "jsonb", "row(email varchar)", "", "x("]
NAMES = [
    "email",
    "phone",
    "notes",
    "client_ip",
    "card_number",
    "reference",
    "bic",
    "pin",
    "email_count",
    "ssn",
]
COLUMNS = st.builds(Column, st.sampled_from(NAMES), st.sampled_from(TYPES))
POLICY = """
version: 1
issuers: {okta: {issuer: https://acme.okta.com, audiences: [a]}}
dimensions: {region: {type: string}}
warehouses:
  w:
    routes: [{prefix: /}]
    upstream: http://w
    headers: [json]
    tables:
      s.t:
        columns: {region: region}
grants: [{id: g, to: {issuers: [okta]}, on: [w], scope: {region: all}}]
"""
PLACE = "        columns: {region: region}\n"


@settings(deadline=None)
@given(st.text(), st.text(), st.sampled_from(DIALECTS))
def test_no_name_and_no_type_makes_it_fail(name: str, declared: str, dialect: str) -> None:
    """Whoever creates tables chooses them."""
    words_of(name)
    list(found_in(name, declared))
    type_facts(declared, dialect)
    propose(Column(name, declared), table=name, dialect=dialect)


@settings(deadline=None)
@given(DOCUMENTS)
def test_no_value_makes_it_fail(value: object) -> None:
    """Whoever writes rows chooses them."""
    shapes_of(value, "US")


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z]{1,8}[0-9]{0,3}@[a-z]{2,8}[.](?:com|org|local|co[.]uk)", fullmatch=True))
def test_an_address_is_one_whoever_has_it(address: str) -> None:
    """By itself, and in a text or a document around it."""
    assert shapes_of(address) == {Shape.EMAIL}
    assert shapes_of(f"write to {address}, please") == shapes_of({"a": [address]}) == {Shape.TEXT_WITH_EMAIL}


@settings(deadline=None)
@given(st.lists(DOCUMENTS, max_size=20))
def test_as_many_values_are_counted_as_there_are(values: list[object]) -> None:
    """And no shape more often than there are values."""
    rows, (counts,) = count_values(([value] for value in values), 1, None)
    assert rows == len(values)
    assert counts.values == sum(value is not None for value in values)
    assert all(0 < number <= counts.values for number in counts.shapes.values())


@st.composite
def countings(draw: st.DrawFn) -> tuple[ValueCounts, ValueCounts]:
    """Two samples of one size, of which the second has more of one shape."""
    values = draw(st.integers(1, 300))
    fewer = draw(st.dictionaries(st.sampled_from(Shape), st.integers(0, values), max_size=3))
    shape = draw(st.sampled_from(Shape))
    more = {**fewer, shape: draw(st.integers(fewer.get(shape, 0), values))}
    return ValueCounts(values=values, shapes=fewer), ValueCounts(values=values, shapes=more)


@settings(deadline=None)
@given(COLUMNS, countings())
def test_more_that_looks_so_never_makes_it_less_likely(
    column: Column, counts: tuple[ValueCounts, ValueCounts]
) -> None:
    """Of no category."""
    fewer, more = (
        {each.category: each.confidence for each in propose(column, counts=each)} for each in counts
    )
    assert all(more[category] >= confidence for category, confidence in fewer.items())


@settings(deadline=None)
@given(COLUMNS, countings())
def test_a_sample_silences_no_name(column: Column, counts: tuple[ValueCounts, ValueCounts]) -> None:
    """What the name says is proposed in any case, if less surely."""
    without = {each.category for each in propose(column)}
    assert without <= {each.category for each in propose(column, counts=counts[0])}


@given(st.integers(0, 500), st.integers(0, 500))
def test_a_share_on_the_safe_side_is_one(matches: int, others: int) -> None:
    """Never more than what was counted."""
    values = matches + others
    assert 0.0 <= at_least(matches, values) <= (matches / values if values else 0.0) + 1e-9


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), unique=True, max_size=6), st.sampled_from(Category))
@example(
    ["NO", "on", "null", "a: b", '"', "# x", "- a", "{", "\U0001f600", "\u2028", "x" * 129], Category.EMAIL
)
def test_the_piece_of_yaml_is_a_piece_of_a_policy(names: list[str], category: Category) -> None:
    """Columns of any names, pasted where it says: the policy has these labels on these columns, and no others."""
    columns = tuple(Column(name) for name in names if name)
    table = Looked(
        policy=PolicyTable("s.t", {"region": "region"}),
        schema=SchemaTable(("", "s", "t"), columns),
        counts={each.name: ValueCounts(values=9, shapes={Shape.EMAIL: 9}) for each in columns},
    )
    labels = {**DEFAULT_LABELS, category: "other"}
    found = review([table], dialect="ansi", labels=labels)
    assert [finding.column for finding in found] == [column.name for column in columns]
    warehouse = policy(POLICY).warehouses["w"]
    _, _, piece = as_yaml(warehouse, found).partition("      s.t:\n")
    is_empty = all(line.lstrip().startswith(("#", "labels:")) for line in piece.splitlines())
    written = (
        policy(POLICY.replace(PLACE, PLACE + ("" if is_empty else piece)))
        .warehouses["w"]
        .tables["s.t"]
        .labels
    )
    can = {
        finding.column: finding.label
        for finding in found
        if len(finding.column) <= 128
        and not any(ord(sign) < 0x20 or 0x7F <= ord(sign) <= 0x9F for sign in finding.column)
    }
    assert written == can
    assert all(finding.standing is Standing.NEW for finding in found)


def test_the_rules_are_about_what_they_say() -> None:
    """Each category has one rule, and a term is one rule's alone, and as names are taken apart: else it is never heard."""
    assert [rule.category for rule in RULES] == list(dict.fromkeys(rule.category for rule in RULES))
    assert {rule.category for rule in RULES} == set(Category)
    seen: dict[tuple[str, ...], str] = {}
    for rule in RULES:
        for term in (*rule.likely, *rule.possible, *rule.whole):
            assert seen.setdefault(term, rule.category) == rule.category, term
            assert words_of("_".join(term)) == term
            assert rule in [heard for heard, _, _ in found_in("_".join(term))]
        assert not rule.likely & rule.possible
