"""What Trino's OPA plugin asks is read in one way, or not at all."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.errors import Denied, Reason
from authz.opa.questions import parse_question
from tests.opa_questions import body, catalog, column, question, several, table


def test_a_question_says_who_asks_for_what() -> None:
    """As Trino 476 sends it; what a later one adds is passed over."""
    asked = question("SelectFromColumns", table(("lake", "sales", "orders"), "id", "email"))
    asked["input"]["context"]["queryId"] = "20261127_080910_00001_ab3de"
    found = parse_question(body(asked))
    assert (found.user, found.groups, found.operation, found.several) == (
        "emma",
        frozenset({"emea"}),
        "SelectFromColumns",
        False,
    )
    (resource,) = found.resources
    assert resource.table is not None
    assert resource.table.columns == ["id", "email"]


def test_a_question_may_be_about_several_things_or_about_none() -> None:
    """Also about an empty list, which is not the same as none."""
    assert parse_question(body(question("ExecuteQuery"))).resources == ()
    empty = parse_question(body(several("FilterTables", [])))
    assert (empty.resources, empty.several) == ((), True)
    assert len(parse_question(body(several("FilterCatalogs", [catalog(), catalog("b")]))).resources) == 2


def _without(*path: str) -> dict[str, Any]:
    made = question("GetColumnMask", column("email"))
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return made


WHO = ("input", "context", "identity")
WHAT = ("input", "action")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"input": {}, "input": {}}',
        *(
            body(made)
            for made in (
                {},
                _without("input"),
                _without(*WHO),
                _without(*WHO, "user"),
                _without(*WHO, "groups"),
                _without(*WHAT, "operation"),
                _without(*WHAT, "resource", "column", "columnType"),
                question("Execute Query"),
                question(""),
                question("x" * 65),
                question("ExecuteQuery", user=""),
                question("ExecuteQuery", user="u" * 1025),
                question("ExecuteQuery", groups=["g"] * 5001),
                question("ShowTables", {"schema": {"catalogName": "lake"}}),
                question("AccessCatalog", {"catalog": {"name": 7}}),
                question("AccessCatalog", {"catalog": "lake"}),
            )
        ),
    ],
)
def test_what_is_no_question_is_refused(data: bytes) -> None:
    """Somebody of whom the groups are not told is nobody in no group: rules about groups narrow, too."""
    with pytest.raises(Denied) as caught:
        parse_question(data)
    assert caught.value.reason is Reason.REQUEST_MALFORMED


@pytest.mark.parametrize(
    "identity",
    [{"user": "emma", "groups": None}, {"user": "emma", "groups": "emea"}, {"user": ["emma"], "groups": []}],
)
def test_no_value_is_taken_for_another(identity: dict[str, Any]) -> None:
    """A text is no list of groups, however it is iterated."""
    made = question("ExecuteQuery")
    made["input"]["context"]["identity"] = identity
    with pytest.raises(Denied):
        parse_question(body(made))


def test_one_thing_beside_several_is_ambiguous() -> None:
    """Which of the two was decided on, only one of the two parsers would know."""
    made = several("FilterCatalogs", [catalog()])
    made["input"]["action"]["resource"] = catalog("secret")
    with pytest.raises(Denied) as caught:
        parse_question(body(made))
    assert caught.value.reason is Reason.REQUEST_AMBIGUOUS


def test_what_is_said_of_a_bad_question_quotes_nothing_of_it() -> None:
    """It is for logs."""
    made = question("AccessCatalog", {"catalog": {"name": {"canary": "canary"}}})
    with pytest.raises(Denied) as caught:
        parse_question(body(made))
    assert "canary" not in str(caught.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | _JSON.map(lambda value: json.dumps({"input": value}).encode()))
def test_hostile_bodies_are_read_or_refused(data: bytes) -> None:
    """Nothing else is raised."""
    with suppress(Denied):
        parse_question(data)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["identity", "action"]), _JSON)
def test_hostile_parts_are_read_or_refused(part: str, value: Any) -> None:
    """In the place of any part."""
    made = question("SelectFromColumns", table())
    if part == "identity":
        made["input"]["context"]["identity"] = value
    else:
        made["input"]["action"] = value
    with suppress(Denied):
        parse_question(body(made))
