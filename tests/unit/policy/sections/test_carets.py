"""A place inside a value becomes a place in the file, however the value is written."""

import pytest

from authz.policy.problems import Problems
from authz.policy.sections.carets import spot_inside
from authz.policy.yamltext import read_yaml
from authz.policy.yamlvalues import SourceText

STYLES = {
    "plain": "k: one two X three\n",
    "plain on several lines": "k: one\n  two\n\n  X three\n",
    "plain after an anchor": "k: &a  one X\n",
    "single-quoted": "k: 'it''s ''quoted'' X'\n",
    "single-quoted on several lines": "k: 'it''s\n  two\n\n\n  X three'\n",
    "double-quoted": 'k: "a \\"b\\" \\u00e9 \\x41 \\\\ X"\n',
    "double-quoted with escaped breaks": 'k: "one \\\n  two\\n X"\n',
    "literal": "k: |\n  one\n    two\n\n  X three\nj: 1\n",
    "literal with its own indentation": "k: |2\n    one\n   X\n",
    "literal with carriage returns": "k: |\r\n  one\r\n  X\r\n",
    "literal at the end of the file": "k: |-\n  one\n\n  two X",
    "literal after an empty line": "k: |\n\n  one\n  X\n",
    "folded": "k: >\n  one\n  two\n\n  three\n  four X\n",
    "folded with more indented lines": "k: >-\n  one\n    two\n    three\n  four\n  X\n",
    "in a flow mapping": "k: {a: [1], k: 'X y'}\n",
    "wide characters": "k: '\U0001f600\U0001f600 é X'\n",
}


@pytest.mark.parametrize("style", STYLES)
def test_the_marked_character_is_found(style: str) -> None:
    """`X` of the value is `X` of the file."""
    text = STYLES[style]
    problems = Problems()
    root = read_yaml(SourceText("p.yaml", text), problems)
    assert not len(problems)
    value, mark = root["k"], root.marks["k"][1]
    if isinstance(value, dict):
        value, mark = value["k"], value.marks["k"][1]
    lines = value.split("\n")
    line = next(number for number, part in enumerate(lines, 1) if "X" in part)
    column = lines[line - 1].index("X") + 1

    spot = spot_inside(text, mark, value, line, column)

    assert spot.line is not None
    assert spot.column is not None
    assert text.replace("\r\n", "\n").split("\n")[spot.line - 1][spot.column - 1] == "X"


def test_in_an_alias_it_is_the_alias() -> None:
    """The text stands elsewhere; who uses it is what matters."""
    text = "a: &c one X\nb: *c\n"
    root = read_yaml(SourceText("p.yaml", text), Problems())
    spot = spot_inside(text, root.marks["b"][1], root["b"], 1, 5)
    assert (spot.line, spot.column) == (2, 4)


@pytest.mark.parametrize(("line", "column"), [(1, 1), (1, 99), (99, 1), (0, 1)])
def test_a_place_outside_of_the_value_is_no_error(line: int, column: int) -> None:
    """A caret that is a little wrong is better than no message."""
    text = "k: |\n  one\n  two\n"
    root = read_yaml(SourceText("p.yaml", text), Problems())
    assert spot_inside(text, root.marks["k"][1], root["k"], line, column).file == "p.yaml"
