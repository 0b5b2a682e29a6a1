"""The regression guard: what a warm check costs beside what none can do without."""

import pytest

from bench.guard import AT_MOST, floors_of, found
from bench.inprocess import InProcess
from bench.questions import ask, forged


@pytest.fixture(scope="module")
def floors() -> dict[str, float]:
    return found()


@pytest.mark.parametrize("name", AT_MOST)
def test_a_check_of_somebody_known_costs_no_more_floors_than_allowed(
    name: str, floors: dict[str, float]
) -> None:
    """Measured in one run with its floor. If it fails, the hot path has become dearer: `python bench/decide.py`."""
    assert floors[name] <= AT_MOST[name]


@pytest.mark.parametrize("name", AT_MOST)
def test_a_path_half_as_dear_again_is_noticed(name: str, floors: dict[str, float]) -> None:
    """After the path is made faster, the bound is to follow, or it would let the gain be lost again."""
    assert 1.5 * floors[name] > AT_MOST[name]


def test_a_denied_question_is_not_measured() -> None:
    """A path that denies early would look fast."""
    with pytest.raises(ValueError, match="denied"):
        floors_of(InProcess(10).engine.decide, [ask(forged())])
