"""A policy that is written in place, under load."""

from collections.abc import Iterator

import pytest

from tests.drills.breakages import half_written
from tests.drills.load import Person
from tests.drills.system import POLICY, Drill, drill_system
from tests.drills.table import ROWS
from tests.envoy_process import wait_until
from tests.integration.scopegate_server import replace

# The part of the policy that takes something away stands at its end, where a half does not have it.
RESTRICTIONS = """\
restrictions:
  - {{id: temps, to: {{groups: [temps]}}, scope: {{region: [EU]}}}}
"""


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    with drill_system(policy_text=f"---\n{POLICY}{RESTRICTIONS}...\n") as running:
        yield running


def _people(drill: Drill) -> list[Person]:
    tom = drill.whole.token("tom", "analysts-emea", "temps")
    return [*drill.people(), Person(name="tom", bearer=lambda: tom, regions=frozenset({"EU"}))]


def _refusals(drill: Drill, problem: str) -> list[int]:
    """How often each worker has said that."""
    return [
        sum(problem in line["problem"] for line in worker.events("policy_problem"))
        for worker in drill.whole.workers
    ]


def _reloads(drill: Drill) -> int:
    return sum(len(worker.events("policy_reloaded")) for worker in drill.whole.workers)


def test_half_of_a_policy_is_none(drill: Drill) -> None:
    """While somebody writes it, and after a copy has died: nobody sees a row more, and the whole is taken at once."""
    row = ROWS["policy-half-written"]
    policy = drill.whole.directory / "scopegate.yaml"
    whole = policy.read_text()
    with drill.load(_people(drill)) as load:
        load.until_well()
        before, mark = drill.scrape(), load.mark
        changed = whole.replace("id: emea", "id: emea-b")
        with half_written(policy, changed, until="restrictions:"):
            wait_until(lambda: min(_refusals(drill, "another process is writing it")) > 0, "it is refused")
            load.go_on(200)
            row.assert_told(before, drill.scrape())
        wait_until(lambda: _reloads(drill) == 2, "both workers have the whole")
        replace(policy, whole.partition("restrictions:")[0])
        wait_until(
            lambda: min(_refusals(drill, "does not end with `...`")) > 0, "a half that stays one is refused"
        )
        load.go_on(200)
        replace(policy, whole)
        wait_until(lambda: _reloads(drill) == 4, "both workers have the whole again")
        load.until_well()
        row.assert_seen(load.statuses(mark))
    drill.assert_kept(load)
