"""Too many connections at a worker, and no descriptor left in it, under load."""

import re
import socket
from collections.abc import Iterator

import pytest

from authz.transport.descriptors import MOST_OPERATORS
from tests.drills.breakages import many, still_open, without_descriptors, worker_flooded
from tests.drills.system import DESCRIPTORS, LIMITED, POLICY, Drill, drill_system
from tests.drills.table import ROWS
from tests.envoy_process import ScopegateProcess, wait_until
from tests.integration.scopegate_server import replace


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    with drill_system(
        program=LIMITED,
        policy_text=POLICY + 'revocations: {{file: "{directory}/revocations.yaml"}}\n',
        prepare=lambda directory, _: (directory / "revocations.yaml").write_text("version: 1\n"),
    ) as running:
        yield running


def _change_policy(drill: Drill, name: str) -> None:
    """Another name for a grant: the same scopes, another version."""
    policy = drill.whole.directory / "scopegate.yaml"
    replace(policy, re.sub(r"\{id: emea[a-z-]*", "{id: " + name, policy.read_text()))


def _happened(drill: Drill, event: str) -> list[int]:
    """How often, at each worker."""
    return [len(worker.events(event)) for worker in drill.whole.workers]


def test_connections_at_a_worker_leave_room_for_everything_else(
    drill: Drill, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its share is taken and not more; checks, metrics and a change of the policy go on."""
    row = ROWS["worker-flooded"]
    with drill.load() as load:
        drill.until_well(load)
        before, mark = drill.scrape(), load.mark
        with worker_flooded(drill) as connections:
            if len(connections) < 10_000:
                with capsys.disabled():
                    print(f"\nonly {len(connections):,} connections: this machine gives no more descriptors")
            wait_until(lambda: still_open(connections) <= DESCRIPTORS * 3 // 4, "what is too much is closed")
            row.assert_told(before, drill.scrape())
            assert _happened(drill, "policy_reloaded") == [0, 0]
            _change_policy(drill, "emea-b")
            wait_until(lambda: _happened(drill, "policy_reloaded") == [1, 1], "both have the new policy")
            load.go_on(300)
        load.until_well()
        row.assert_seen(load.statuses(mark))
    drill.assert_kept(load)


def test_connections_at_the_operators_port_are_few(drill: Drill) -> None:
    """Beyond a hundred they are closed at once; who is connected goes on being told, and checks go on."""
    host, _, port = drill.whole.operators_ports()[0].rpartition(":")
    with drill.load() as load:
        load.until_well()
        drill.scrape()  # connected from now on
        with many(lambda _: socket.create_connection((host, int(port)), timeout=10), 1_000) as connections:
            wait_until(lambda: still_open(connections) <= MOST_OPERATORS, "what is too much is closed")
            told = drill.scrape()
            assert told.values('up{job="scopegate"}') == [1, 1]
            assert max(told.values('process_open_fds{job="scopegate"}')) < DESCRIPTORS // 4
        load.until_well()
    drill.assert_kept(load)


def test_a_worker_has_no_descriptor_left(drill: Drill) -> None:
    """It answers what it can; a policy and a revocation that it could not read are in force when there are some again."""
    row = ROWS["descriptors-out"]
    revoked = drill.whole.token("rae", "analysts-emea")
    reloads, revocations = _happened(drill, "policy_reloaded"), _happened(drill, "revocations_changed")
    first, second = drill.whole.workers
    assert drill.whole.ask("/ledger/rows", revoked).status == 200
    with drill.load() as load:
        drill.until_well(load)
        before, mark = drill.scrape(), load.mark
        with without_descriptors(drill):
            _change_policy(drill, "emea-c")
            replace(
                drill.whole.directory / "revocations.yaml",
                "version: 1\nsubjects:\n  - {issuer: okta, subject: rae}\n",
            )
            wait_until(lambda: "too many open files" in _problems(first), "it cannot read the policy")
            wait_until(lambda: "Too many open files" in _problems(first), "it cannot read the revocations")
            wait_until(lambda: len(second.events("policy_reloaded")) > reloads[1], "the other one can")
            row.assert_told(before, drill.scrape())
            load.go_on(300)
        wait_until(
            lambda: _happened(drill, "policy_reloaded") == [n + 1 for n in reloads],
            "both have the new policy",
        )
        wait_until(
            lambda: _happened(drill, "revocations_changed") == [n + 1 for n in revocations],
            "both have the revocation",
        )
        assert {drill.whole.ask("/ledger/rows", revoked).status for _ in range(20)} == {401}
        load.until_well()
        row.assert_seen(load.statuses(mark))
    drill.assert_kept(load)
    # What it looks at again and again is said once.
    assert len([line for line in first.events("policy_refused") if line["kept"]]) == 1


def _problems(worker: ScopegateProcess) -> str:
    said = [*worker.events("policy_problem"), *worker.events("key_source_failed")]
    return "\n".join(str(line.get("problem", line.get("error"))) for line in said)
