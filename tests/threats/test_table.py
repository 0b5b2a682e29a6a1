"""The tables of threats are about the code and the tests as they are now."""

import ast
from functools import cache

import pytest

from tests.threats.table import ROOT, Defence, defences

ALL = tuple(defences())


@cache
def _tests_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@pytest.mark.parametrize("defence", ALL, ids=lambda defence: defence.what)
def test_a_defence_is_where_the_table_says_and_has_its_tests(defence: Defence) -> None:
    """What is not found could not be taken away, and nothing would be proven."""
    assert defence.changes
    assert defence.fails
    for change in defence.changes:
        assert change.applied((ROOT / change.file).read_text(encoding="utf-8"))
    for name in defence.fails:
        file, _, test = name.partition("::")
        assert test in _tests_in(file), name


def test_each_defence_is_named_once() -> None:
    """So that a report of one says which."""
    names = [(defence.threat, defence.what) for defence in ALL]
    assert len(set(names)) == len(names)
