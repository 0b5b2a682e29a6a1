"""What a check of somebody known costs at most: so many times the floor, in CPU time of the same run.

    .venv/bin/python bench/guard.py

The floor is what no decision can do without: the request parsed, an answer serialized. It and the check run by turns,
one call of each, and the first quartile of the ratios of all pairs counts: whatever else the machine does, it does to
both, and the floor finds the caches as a check leaves them. Measured on two cores that had five things to do each, the
figure stayed within three percent. tests/unit/test_warm_cost.py holds `AT_MOST`, and that it is tight enough to notice
a path that is half as dear again: for a question that was asked before, and for a new one of the same person.
"""

import gc
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from statistics import quantiles
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from authz._pb.envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from bench.inprocess import InProcess
from bench.questions import ask, token

AT_MOST: Final = {"again": 2.9, "new": 14.0}
"""A check with its audit record and metrics, in floors."""
PAIRS: Final = 3_000
WARM_UP: Final = 300


def floor_of(data: bytes, answer: bytes) -> Callable[[], object]:
    """Parse the request, serialize an answer."""
    message = CheckResponse.FromString(answer)

    def work() -> bytes:
        CheckRequest.FromString(data)
        return bytes(message.SerializeToString())

    return work


def ratio(work: Callable[[], object], floor: Callable[[], object]) -> float:
    """How often `floor` fits into `work`, by CPU time of this thread."""
    for _ in range(WARM_UP):
        floor()
        work()
    clock, ratios = time.thread_time_ns, []
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(PAIRS):
            began = clock()
            floor()
            between = clock()
            work()
            ratios.append((clock() - between) / (between - began))
    finally:
        if collecting:
            gc.enable()
    return quantiles(ratios)[0]


def floors_of(check: Callable[[bytes], bytes], questions: Sequence[bytes]) -> float:
    """What a check of each of the questions costs, in floors. Raises ValueError if the first is not allowed."""
    answer = check(questions[0])
    if CheckResponse.FromString(answer).status.code:
        raise ValueError("the question of the benchmark is denied")
    coming = cycle(questions)
    return ratio(lambda: check(next(coming)), floor_of(questions[0], answer))


def found() -> dict[str, float]:
    """The figures that `AT_MOST` bounds."""
    bearer = token("emma")
    new = [ask(bearer, f"/api/sales?page={number}") for number in range(1000, 1001 + PAIRS + WARM_UP)]
    return {
        "again": floors_of(InProcess(10).engine.decide, [ask(bearer)]),
        "new": floors_of(InProcess(10).engine.decide, new),
    }


def main() -> None:
    figures = found()
    for name, floors in figures.items():
        print(f"a question that is asked {name}: {floors:.1f} floors; at most {AT_MOST[name]:.1f}")
    sys.exit(any(floors > AT_MOST[name] for name, floors in figures.items()))


if __name__ == "__main__":
    main()
