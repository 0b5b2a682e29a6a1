"""`scopegate serve --workers 2`: several processes, one service; on each engine that this machine has."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from authz.workers.engines import problem_with_pyvoy
from tests.integration.scopegate_server import (
    CHECK,
    PATIENCE_SECONDS,
    Answer,
    Scopegate,
    ask_for_sales,
    eventually,
    plain_environment,
    token,
    write_policy,
)

_WHY_NOT = problem_with_pyvoy()
ENGINES = ["zttp", "grpcio"] if _WHY_NOT else ["zttp", "grpcio", "pyvoy"]


def test_the_engine_that_is_asked_for_is_there() -> None:
    """`make test-engines` asks for pyvoy; without it everything here is about the other two."""
    assert os.environ.get("SCOPEGATE_ENGINE") != "pyvoy" or _WHY_NOT is None, _WHY_NOT


class Service(Scopegate):
    """A service of two workers, each asked by itself."""

    def __init__(self, directory: Path, engine: str, *options: str) -> None:
        self.directory = directory
        super().__init__(
            write_policy(directory),
            f"--engine={engine}",
            "--workers=2",
            f"--audit={directory}/audit-{{worker}}.jsonl",
            *options,
            listen=f"unix:{directory}/{{worker}}.sock",
        )

    def ask_worker(self, number: int, data: bytes) -> Answer | None:
        """Its answer; None while nobody answers there."""
        with grpc.insecure_channel(f"unix:{self.directory}/{number}.sock") as channel:
            try:
                return Answer(channel.unary_unary(CHECK)(data, timeout=PATIENCE_SECONDS))
            except grpc.RpcError:
                return None

    def allows(self, number: int) -> bool:
        answer = self.ask_worker(number, ask_for_sales(token()))
        return answer is not None and answer.allowed

    def metric(self, name: str) -> float:
        """The sum of its series."""
        _, text = self.get("/metrics")
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))

    def children(self) -> list[int]:
        """The processes of the workers."""
        listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [int(pid) for pid in listed if _is_worker(int(pid))]


def _is_worker(pid: int) -> bool:
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    return b"authz.workers" in command


@pytest.fixture(params=ENGINES)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path, request.param) as running:
        eventually(lambda: running.allows(0) and running.allows(1))
        yield running


def test_each_worker_answers_at_its_own_place_and_their_numbers_are_one_service(service: Service) -> None:
    """Metrics are sums, readiness tells of both, and each has an audit trail of its own."""
    before = service.metric("scopegate_decisions_total")
    for number in (0, 0, 1):
        assert service.allows(number)
    denied = service.ask_worker(1, ask_for_sales(None))
    assert denied is not None
    assert (denied.allowed, denied.status) == (False, 401)
    assert service.metric("scopegate_decisions_total") == before + 4
    assert service.metric("scopegate_workers_running") == 2
    status, text = service.get("/readyz")
    assert (status, json.loads(text)["ready"], set(json.loads(text)["workers"])) == (200, True, {"0", "1"})
    eventually(
        lambda: all(
            (service.directory / f"audit-{number}.jsonl").read_text().count('"decision"') for number in (0, 1)
        )
    )


def test_a_worker_that_is_killed_takes_nobody_along_and_comes_back(service: Service) -> None:
    """The other one answers all the while; the restart is counted and told."""
    first = service.children()
    assert len(first) == 2
    victim = next(pid for pid in first if _listens(pid, "0.sock"))
    os.kill(victim, signal.SIGKILL)
    assert service.allows(1)
    service.wait_for("worker_ended", worker=0)
    assert service.allows(1)
    eventually(lambda: service.allows(0))
    assert service.metric("scopegate_worker_restarts_total") == 1
    assert len(service.children()) == 2


def test_workers_end_in_peace_when_they_are_told(service: Service) -> None:
    """SIGTERM: status 0, no process and no socket left."""
    children = service.children()
    service.signal(signal.SIGTERM)
    assert service.wait() == 0
    for pid in children:
        assert not Path(f"/proc/{pid}").exists()
    assert not list(service.directory.glob("*.sock"))
    assert not list(service.directory.glob(".scopegate-*"))


def test_workers_do_not_outlive_their_supervisor(service: Service) -> None:
    """Not even where it is killed and can tell nobody."""
    children = service.children()
    service.signal(signal.SIGKILL)
    service.wait()
    eventually(lambda: not any(_runs(pid) for pid in children))


def test_a_hangup_reaches_every_worker(service: Service) -> None:
    """Both read the policy again, and both deny what it no longer grants."""
    path = service.directory / "scopegate.yaml"
    path.write_text(path.read_text().replace("groups: [analysts-emea]", "groups: [nobody]"))
    service.signal(signal.SIGHUP)
    eventually(lambda: not service.allows(0) and not service.allows(1))


def _listens(pid: int, name: str) -> bool:
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            match = re.match(r"socket:\[(\d+)\]", str(entry.readlink()))
            if match:
                inodes.add(match[1])
    for line in Path("/proc/net/unix").read_text().splitlines():
        parts = line.split()
        if len(parts) == 8 and parts[7].endswith(f"/{name}") and parts[6] in inodes:
            return True
    return False


def _runs(pid: int) -> bool:
    """Not as a process that has ended and waits for whoever reaps it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--listen=unix:/tmp/a.sock",), "--listen"),
        (("--listen=unix:/tmp/{worker}.sock", "--audit=/tmp/a.jsonl"), "--audit"),
        (("--listen=unix:/tmp/{worker}.sock", "--opa=127.0.0.1:8181"), "--opa"),
    ],
)
def test_two_workers_cannot_share_one_place(tmp_path: Path, options: tuple[str, ...], named: str) -> None:
    """Said before anything starts, with the option and what to write."""
    command = [
        str(Path(sys.executable).with_name("scopegate")),
        "serve",
        f"--policy={write_policy(tmp_path)}",
    ]
    ended = subprocess.run(
        [*command, "--workers=2", *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS * 3,
        check=False,
        env=plain_environment(),
    )
    assert ended.returncode == 2
    assert f"write `{{worker}}` in {named}" in ended.stderr
