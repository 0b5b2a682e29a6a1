"""YAML 1.2, strictly, with the place of everything."""

from decimal import Decimal
from typing import Any

import pytest

from authz.policy.problems import Problem, Problems
from authz.policy.yamltext import MAX_DEPTH, read_yaml
from authz.policy.yamlvalues import SourceText, YamlList, YamlMap, spot_of


def read(text: str) -> tuple[Any, list[Problem]]:
    problems = Problems()
    return read_yaml(SourceText("p.yaml", text), problems), list(problems)


def refused(text: str) -> Problem:
    _, problems = read(text)
    assert len(problems) == 1, problems
    return problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "NO",
        "no",
        "Yes",
        "on",
        "off",
        "y",
        "2026-01-31",
        "1:30",
        "1_000",
        "0o8",
        "0xg",
        "-",
        "+",
        ".",
        "1.2.3",
        "=",
        "None",
        "nil",
        "tRue",
    ],
)
def test_what_yaml_1_1_would_convert_is_text(text: str) -> None:
    """Norway stays a country, and a date a text until its dimension is known."""
    assert read(f"a: [{text}]" if text != "-" else 'a: ["-"]')[0] == {"a": [text]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-7", -7),
        ("+7", 7),
        ("012", 12),
        ("0o17", 15),
        ("0x1f", 31),
        ("1.50", Decimal("1.50")),
        (".5", Decimal("0.5")),
        ("1e3", Decimal(1000)),
        ("-.inf", float("-inf")),
        ("'12'", "12"),
        ('"true"', "true"),
        ("'~'", "~"),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    """YAML 1.2.2 section 10.3.2; a quoted one is text."""
    found = read(f"a: {text}")[0]["a"]
    assert (found, type(found)) == (value, type(value))


def test_a_decimal_is_the_number_that_is_written() -> None:
    """Not the binary fraction next to it."""
    assert read("a: 0.1")[0]["a"] == Decimal("0.1")


@pytest.mark.parametrize("key", ["on", "true", "null", "12", "1.5"])
def test_keys_are_text_as_written(key: str) -> None:
    """`on:` is a key of every grant."""
    assert read(f"{key}: 1")[0] == {key: 1}


def test_everything_knows_its_place() -> None:
    """Lines and columns from one, of keys, values and items, after characters of any width."""
    root, problems = read("a: 1\n\U0001f600b:\n  - x\n  - {c: d}\n")
    assert not problems
    assert isinstance(root, YamlMap)
    items = root["\U0001f600b"]
    assert isinstance(items, YamlList)
    key, value = root.marks["\U0001f600b"]
    assert (spot_of(key).line, spot_of(key).column) == (2, 1)
    assert (spot_of(value).line, spot_of(value).column) == (3, 3)
    assert spot_of(items.marks[1]).line == 4
    assert [spot_of(mark).column for mark in items[1].marks["c"]] == [6, 9]
    assert spot_of(items.mark).file == "p.yaml"


def test_a_duplicate_key_names_both_lines_and_the_rest_is_read() -> None:
    """The first one stays, so that the rest can be examined."""
    root, problems = read("a: 1\nb: 2\na: 3\nc: 4\n")
    assert root == {"a": 1, "b": 2, "c": 4}
    assert [p.text for p in problems] == [
        "p.yaml:3: the key `a` stands twice in this mapping; the first is in line 1"
    ]


def test_duplicates_are_the_same_in_any_quotes() -> None:
    """`1` and `'1'` are one key, because keys are text."""
    assert refused("1: a\n'1': b\n").code == "duplicate_key"


def test_aliases_are_the_value_that_they_name() -> None:
    """The place is that of the alias."""
    root, problems = read("a: &eu [EU, UK]\nb: *eu\n")
    assert not problems
    assert root["b"] == ["EU", "UK"]
    assert spot_of(root.marks["b"][1]).line == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: *b\n", "syntax"),
        ("a: &a [*a]\n", "syntax"),
        ("a: &a {b: *a}\n", "syntax"),
        ("a: &x 1\n<<: {b: 1}\n", "merge_key"),
        ("a: !!str 1\n", "tag"),
        ("a: !custom {b: 1}\n", "tag"),
        ("!!str a: 1\n", "tag"),
        ("? [a]\n: 1\n", "key_not_text"),
        ("a: 1\n---\nb: 1\n", "syntax"),
        ("---\na: 1\n", "syntax"),
        ("---\n", "syntax"),
        ("%YAML 1.2\n---\na: 1\n", "syntax"),
        ("---\na: 1\n..", "syntax"),
        ("a: [1\n", "syntax"),
        ("a:\n\t- 1\n", "syntax"),
        ("a: 'x\n", "syntax"),
        ("a: \x07\n", "syntax"),
        ("a: \x85b: 1\n", "syntax"),
        ("a: \ud800\n", "syntax"),
        (f"a: {'9' * 61}\n", "value"),
        ("[" * (MAX_DEPTH + 1), "too_deep"),
    ],
)
def test_what_could_be_read_in_two_ways_or_not_at_all_is_refused(text: str, code: str) -> None:
    """With one problem and its line."""
    problem = refused(text)
    assert problem.code == code
    assert problem.line is not None


@pytest.mark.parametrize(
    "text",
    [
        "a: '<<'\n",
        "'<<': 1\n",
        "a: &x 1\nb: *x\n",
        "%YAML 1.2\n---\na: 1\n...\n",
        "---\na: 1\n...",
        "a: 1\n...\n",
        "\ufeffa: 1\n",
        f"a: {'9' * 60}\n",
        "[" * MAX_DEPTH + "]" * MAX_DEPTH,
    ],
)
def test_their_neighbours_are_read(text: str) -> None:
    """One byte away from what is refused."""
    assert not read(text)[1]


def test_an_alias_bomb_is_refused_before_it_explodes() -> None:
    """Each line repeats the one before ten times; the values are counted, not built."""
    text = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    assert refused(text).code == "too_large"


def test_a_chain_of_aliases_is_as_deep_as_it_is_long() -> None:
    """Or whatever walks the values afterwards would run out of stack."""

    def chain(length: int) -> str:
        return "a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, length))

    assert refused(chain(MAX_DEPTH + 1)).code == "too_deep"
    assert not read(chain(MAX_DEPTH - 1))[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a:\n\t- 1\n", "use spaces"),
        ("a: @b\n", "quote a text that begins with `@`"),
        ("a: b: c\n", "quote a text that has `: `"),
        ("a: 1\n  b: 2\n", "indentation"),
    ],
)
def test_syntax_errors_say_what_helps(text: str, words: str) -> None:
    """The C parser's own words are those of its source."""
    assert words in str(refused(text).help)


def test_the_column_of_a_bad_character_counts_characters() -> None:
    """Not bytes, and not from the beginning of the file."""
    problem = refused("a: 1\né: x\x01\n")
    assert (problem.line, problem.column) == (2, 5)


@pytest.mark.parametrize("text", ["", "\n", "# a comment\n", "---\n...\n"])
def test_a_file_without_a_value_is_nothing(text: str) -> None:
    """No problem of its own: another file may have the policy."""
    assert read(text) == (None, [])
