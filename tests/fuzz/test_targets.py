"""The fuzz targets themselves, on their seeds and on small changes of them: no fuzzer is needed for that."""

import random

import pytest

from tests.fuzz.connection import connection_targets
from tests.fuzz.query import query_targets
from tests.fuzz.statement import statement_targets
from tests.fuzz.targets import BrokenInvariantError, check_answer, engine_of, targets
from tests.unit.transport.questions import question

ALL = {**targets(), **connection_targets(), **statement_targets(), **query_targets()}


@pytest.mark.parametrize("name", tuple(ALL))
def test_seeds_and_their_neighbours_hold_the_invariant(name: str) -> None:
    """A byte changed, left out or doubled, a piece repeated or cut off: our error, a denial, or what it was."""
    fuzzed = ALL[name]
    chance = random.Random(name)
    fuzzed.run(b"")
    for seed in fuzzed.seeds:
        fuzzed.run(seed)
        for _ in range(60):
            fuzzed.run(_changed(seed, chance))


def _changed(seed: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(seed))
    match chance.randrange(5):
        case 0:
            return seed[:at] + bytes([chance.randrange(256)]) + seed[at + 1 :]
        case 1:
            return seed[:at] + seed[at + 1 :]
        case 2:
            return seed[:at] + seed[at:] * 2
        case 3:
            return seed[:at]
        case _:
            return seed[:at] + bytes([seed[at] ^ (1 << chance.randrange(8))]) + seed[at + 1 :]


class Broken:
    """A snapshot in which everything raises."""

    @property
    def policy(self) -> object:
        raise RuntimeError("defect")


def test_a_target_notices_a_defect() -> None:
    """A decision that raises something of its own is a defect, although the answer is a denial."""
    with pytest.raises(BrokenInvariantError):
        check_answer(*engine_of(Broken()), question().SerializeToString())  # type: ignore[arg-type]
