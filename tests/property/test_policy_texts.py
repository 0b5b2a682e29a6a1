"""Whatever stands in a policy file: a policy, or problems with their places. Never another exception."""

import copy
import json
from contextlib import suppress
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from authz.policy.parse import SourceText, parse_policy
from authz.policy.policyset import PolicySet
from authz.policy.problems import PolicyError, Problems
from authz.policy.sections.carets import spot_inside
from authz.policy.sections.units import (
    WrongError,
    duration_text,
    parse_duration,
    parse_moment,
    parse_rate,
    rate_text,
)
from authz.policy.yamltext import read_yaml
from authz.policy.yamlvalues import SourceText as Source
from tests.policies import SMALL
from tests.policy_mistakes import MISTAKES, text_of

PIECES = [
    "~", "null", "[]", "{}", "-1", "1e999999", "0x", "!!str", "&a", "*a", "<<:", "'", '"', "|", ">", "all", "true", ".nan", ".inf",
    "\ud800", "\x00", "\x85", "\u2028", "é", "\U0001f600", "-", "?", ":", ",", "]", "}", "[", "{", "#", "%", "@", "\r", "\t",
    "on", "\n", "  ", "{last: 1d}", "999999999999999999999", "2026-01-01",
]  # fmt: skip

ODD: list[Any] = [
    None, True, 0, -1, 1.5, 10**50, "", "all", "x", " ", "é", "/", "/a b", "http://[", "https://a:99999999", "a:b@c", "1s", "0s",
    "999999999w", "1/s", "*", [], {}, [None], [[]], {"a": None}, {"last": "1d"}, {"from": None}, {"claim": "a..b"}, ["all"], "unix:",
    "[::1]:1", "spiffe://", "spiffe:///", "spiffe://a/*", "@", "2026-13-01", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
]  # fmt: skip


def answer(text: str) -> PolicySet | PolicyError:
    try:
        return parse_policy([SourceText("p.yaml", text)])
    except PolicyError as error:
        return error


def check(text: str) -> None:
    found = answer(text)
    if isinstance(found, PolicyError):
        lines = len(text.split("\n")) + text.count("\r")
        assert found.problems
        for problem in found.problems:
            assert problem.text
            assert problem.line is None or 1 <= problem.line <= lines


@settings(max_examples=150, deadline=None)
@given(st.text())
@example("a: &a [*a]")
@example("? ? ? a")
@example("\ufeff")
def test_any_text(text: str) -> None:
    """Text from nowhere."""
    check(text)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([None, *MISTAKES]),
    st.lists(
        st.tuples(st.integers(0, 1_500), st.integers(0, 20), st.sampled_from(PIECES)), min_size=1, max_size=4
    ),
)
def test_a_policy_with_something_typed_over_it(
    mistake: str | None, edits: list[tuple[int, int, str]]
) -> None:
    """Slips of the keyboard, in good policies and in bad ones."""
    text = SMALL if mistake is None else text_of(mistake)
    for at, length, piece in edits:
        text = text[:at] + piece + text[at + length :]
    check(text)


WHOLE: dict[str, Any] = json.loads(json.dumps(read_yaml(Source("p", SMALL), Problems())))
WHOLE["denies"] = [{"id": "d", "to": {"issuers": ["okta"]}, "when": "true", "on": "all"}]
WHOLE["edge"] = {
    "listen": "1.2.3.4:8",
    "public_url": "https://a",
    "scopegate": ["a:1"],
    "admin": "127.0.0.1:1",
    "check_timeout": "1s",
}
WHOLE["grants"][0] |= {"mask": {"pii": "hash"}, "valid": {"from": "2026-01-01", "until": "2027-01-01"}}
WHOLE["warehouses"]["sales"] |= {"query": {"region": "r"}, "authentication": "any", "issuers": ["okta"]}


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] * bool(path) + [found for key, value in inner for found in paths(value, (*path, key))]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0), st.sampled_from(["put", "drop", "add"]), st.sampled_from(ODD)),
        min_size=1,
        max_size=3,
    )
)
def test_a_policy_with_another_value_somewhere(edits: list[tuple[int, str, Any]]) -> None:
    """Every key with every kind of wrong value."""
    document = copy.deepcopy(WHOLE)
    for number, how, value in edits:
        places = paths(document)
        if not places:
            break
        path = places[number % len(places)]
        node = document
        for step in path[:-1]:
            node = node[step]
        if how == "drop":
            del node[path[-1]]
        elif how == "put" or isinstance(node, list):
            node[path[-1]] = copy.deepcopy(value)
        else:
            node[str(value)] = copy.deepcopy(value)
    check(json.dumps(document, ensure_ascii=False))


def test_the_policy_that_is_changed_above_is_a_good_one() -> None:
    """Or the properties would hold for the wrong reason."""
    assert isinstance(answer(json.dumps(WHOLE)), PolicySet)
    assert isinstance(answer(SMALL), PolicySet)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30))
def test_any_text_as_a_small_one(text: str) -> None:
    """Durations, rates and moments are read back as they are written, or refused."""
    for parse, back in ((parse_duration, duration_text), (parse_rate, rate_text)):
        try:
            value = parse(text)
        except WrongError:
            continue
        assert parse(back(value)) == value  # type: ignore[operator]  # each with its own
    with suppress(WrongError):
        assert isinstance(parse_moment(text), float)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**8), st.sampled_from(["ms", "s", "m", "h", "d", "w"]))
def test_durations_come_back(number: int, unit: str) -> None:
    """In the shortest form."""
    try:
        duration = parse_duration(f"{number}{unit}")
    except WrongError:
        return
    assert parse_duration(duration_text(duration)) == duration


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=40),
    st.integers(-2, 5),
    st.integers(-2, 60),
    st.sampled_from(["k: |\n  {}", "k: >\n  {}", "k: '{}'", 'k: "{}"', "k: {}"]),
)
def test_a_place_inside_any_scalar(text: str, line: int, column: int, style: str) -> None:
    """A caret somewhere in the file, whatever the condition says of its mistake."""
    whole = style.replace("{}", text.replace("\n", "\n  "))
    root = read_yaml(Source("p", whole), Problems())
    if not isinstance(root, dict) or not isinstance(root.get("k"), str):
        return
    spot = spot_inside(whole, root.marks["k"][1], root["k"], line, column)  # type: ignore[attr-defined]  # a YamlMap
    assert spot.line is not None
    assert 1 <= spot.line <= len(whole) + 1
