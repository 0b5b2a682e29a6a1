"""Problems: their text, their order, and what they suggest."""

import pytest

from authz.policy.problems import PolicyError, Problem, Severity, did_you_mean, in_file_order


def test_the_text_of_a_problem_begins_with_its_place() -> None:
    """File, line and path, then what is wrong, then what to do about it."""
    problem = Problem(
        code="unknown_name",
        file="policy/sales.yaml",
        line=12,
        column=5,
        path="grants[3].to.groups",
        message="unknown group `analist`",
        help="did you mean `analyst`?",
    )
    assert (
        problem.text
        == "policy/sales.yaml:12: grants[3].to.groups: unknown group `analist`; did you mean `analyst`?"
    )


def test_a_problem_without_line_and_path_is_about_the_file() -> None:
    """Nothing is written for what is not known."""
    assert (
        Problem(code="unreadable", file="p.yaml", message="permission denied").text
        == "p.yaml: permission denied"
    )


def test_the_error_carries_every_problem() -> None:
    """One line each."""
    problems = [Problem(code="x", file="p", line=line, message="m") for line in (1, 2)]
    error = PolicyError(problems)
    assert error.problems == tuple(problems)
    assert str(error) == "p:1: m\np:2: m"


def test_problems_are_sorted_by_file_as_it_was_read_then_by_place() -> None:
    """And said once each."""
    made = [
        Problem(code="x", file=file, line=line, column=column, message="m", severity=Severity.WARNING)
        for file, line, column in (("b", 1, 1), ("a", 9, 1), ("b", 1, 1), ("a", 2, 7), ("a", 2, 3))
    ]
    places = [(p.file, p.line, p.column) for p in in_file_order(made, ["b", "a"])]
    assert places == [("b", 1, 1), ("a", 2, 3), ("a", 2, 7), ("a", 9, 1)]


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("analist", ["analyst", "admin"], "did you mean `analyst`?"),
        ("SALES", ["sales"], "did you mean `sales`?"),
        ("x", ["b", "a"], "known: `a`, `b`"),
        ("x", [], None),
        (
            "zz",
            [f"n{number:02}" for number in range(20)],
            "known: " + ", ".join(f"`n{n:02}`" for n in range(10)) + " and 10 more",
        ),
    ],
)
def test_a_suggestion_is_the_nearest_name_or_a_short_list(
    word: str, known: list[str], said: str | None
) -> None:
    """A list of hundreds helps nobody."""
    assert did_you_mean(word, known) == said
