"""Every case of every case file, and that the files themselves say something."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from authz.config.load import load_policy
from tests.cases.casefile import Case, CaseFile, answer_of, differences, read_case_file
from tests.handed_over import handed_over

FOLDER = Path(__file__).parent
FILES = {path: read_case_file(path) for path in sorted(FOLDER.glob("*.yaml"))}
CASES = [
    pytest.param(file, case, id=f"{path.stem}: {case.name}")
    for path, file in FILES.items()
    for case in file.cases
]


@pytest.mark.parametrize(("file", "case"), CASES)
def test_case(file: CaseFile, case: Case) -> None:
    """The decision, its reason, the scope and the rewrites are those that the case expects."""
    assert list(differences(case, answer_of(file, case, FOLDER))) == []


@pytest.mark.parametrize(("file", "case"), CASES)
def test_case_of_a_policy_that_another_process_has_read(file: CaseFile, case: Case) -> None:
    """It is what a worker decides by after a reload."""
    assert (
        list(differences(case, answer_of(file, case, FOLDER, lambda path: handed_over(load_policy(path)))))
        == []
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_allow_has_denied_neighbours(path: Path) -> None:
    """A policy that lets everybody in passes every case but those; names are there once."""
    cases = FILES[path].cases
    allowed = [case for case in cases if case.expect == "allowed"]
    denied = [case for case in cases if case.expect == "denied"]
    assert len(denied) >= len(allowed) / 2
    assert len({case.name for case in cases}) == len(cases)
    assert all(case.reason is not None for case in denied)


def test_a_wrong_expectation_is_found() -> None:
    """The runner itself: each thing that can be expected is compared."""
    file = next(iter(FILES.values()))
    case = next(case for case in file.cases if case.expect == "allowed")
    answer = answer_of(file, case, FOLDER)
    wrong = {
        "expect": "denied",
        "rules": ["other"],
        "rows": "none",
        "columns": {"other": "hidden"},
        "headers": {"x-scope-id": "other"},
        "query": {"other": "x"},
        "path": "/other",
        "until": "2000-01-01T00:00:00Z",
        "per_request": not answer.decision.per_request,
    }
    for key, value in wrong.items():
        changed = Case.model_validate({**case.model_dump(), key: value})
        assert len(list(differences(changed, answer))) == 1, key


def test_a_misspelt_key_is_an_error() -> None:
    """A case that expects nothing would pass."""
    with pytest.raises(ValidationError):
        Case.model_validate(
            {"name": "x", "who": "ann", "ask": "sales", "expect": "denied", "reson": "no_grant"}
        )
