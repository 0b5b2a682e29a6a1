"""The regression guard: what a warm check costs beside what none can do without."""

import pytest

from bench.guard import AT_MOST, floors_of
from bench.inprocess import InProcess
from bench.questions import ask, forged, token


@pytest.fixture(scope="module")
def floors() -> float:
    return floors_of(InProcess(10).engine.decide, ask(token("emma")))


def test_a_warm_check_costs_no_more_floors_than_allowed(floors: float) -> None:
    """Measured in one run with its floor. If it fails, the hot path has become dearer: `python bench/decide.py`."""
    assert floors <= AT_MOST


def test_a_path_half_as_dear_again_is_noticed(floors: float) -> None:
    """After the path is made faster, the bound is to follow, or it would let the gain be lost again."""
    assert 1.5 * floors > AT_MOST


def test_a_denied_question_is_not_measured() -> None:
    """A path that denies early would look fast."""
    with pytest.raises(ValueError, match="denied"):
        floors_of(InProcess(10).engine.decide, ask(forged()))
