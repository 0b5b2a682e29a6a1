"""What is printed: wide, narrow, right and wrong."""

import io
import time

import pytest
from rich.console import Console

from authz.demo.client import Answer
from authz.demo.expected import Truth
from authz.demo.report import Line, Report
from authz.demo.scenes import SCENES

EMMA = next(scene for scene in SCENES if scene.key == "emma")
NOBODY = next(scene for scene in SCENES if scene.key == "nobody")
ANSWER = Answer(
    status=200,
    queries=1,
    body={
        "rows": 1_234_567,
        "query": 1,
        "scope": {"id": "ab" * 16, "where": "region = 'EU'", "hidden": ["a", "b"], "masked": {"c": "hash"}},
    },
)
TRUTH = Truth(rows=1_234_567, revenue="1", emails=())


def _printed(line: Line, width: int) -> str:
    output = io.StringIO()
    Report(Console(file=output, width=width)).act("Act", [line])
    return output.getvalue()


@pytest.mark.parametrize("width", [80, 132])
def test_a_wrong_line_is_marked_and_says_what_was_got_and_expected(width: int) -> None:
    """Whatever the width of the terminal."""
    line = Line(
        scene=EMMA,
        answer=ANSWER,
        truth=Truth(rows=5, revenue="1", emails=()),
        problems=("rows: got 1",),
        why="",
    )
    text = _printed(line, width)
    assert "✔" not in text
    assert "✘ rows: got 1" in text
    assert "≠ 5" in text


@pytest.mark.parametrize("width", [80, 132])
def test_a_right_line_shows_who_what_and_how_many(width: int) -> None:
    """The neighbour of the above."""
    text = _printed(Line(scene=EMMA, answer=ANSWER, truth=TRUTH, problems=(), why="because"), width)
    assert "✘" not in text
    for words in (
        "✔",
        "Emma",
        "1,234,567",
        "= by hand",
        "warehouse",
        "region = 'EU'",
        "a,b",
        "c=hash",
        "because",
    ):
        assert words in text, words


def test_a_denial_shows_its_reason_in_full() -> None:
    """The reason is what people search for: it is not cut off."""
    answer = Answer(status=401, body={"reason": "token_signature_invalid", "decision_id": "d"})
    for width in (80, 132):
        text = _printed(Line(scene=NOBODY, answer=answer, truth=None, problems=(), why=""), width)
        assert "token_signature_invalid" in text
        assert "Scopegate" in text


def test_a_step_is_announced_before_it_is_done() -> None:
    """Without a terminal, too: starting is never silent."""
    output = io.StringIO()
    report = Report(Console(file=output))
    with report.step("the thing"):
        assert "the thing" in output.getvalue()
    assert "✔ the thing" in output.getvalue()


def test_the_summary_names_the_wrong_lines() -> None:
    """So that the reader need not look for them in the tables."""
    output = io.StringIO()
    Report(Console(file=output, width=132)).summary(
        lines=2, wrong=[EMMA], allowed=1, queries=1, began=time.monotonic()
    )
    assert "1 of 2 lines right" in output.getvalue()
    assert "wrong: emma" in output.getvalue()
