"""Reload: a good policy replaces, a bad one never does, and no check is lost or mis-answered meanwhile."""

import asyncio
import gc
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from authz.audit.sink import NoAudit
from authz.inforce import InForce
from authz.policy.policyset import Grant
from authz.telemetry.metrics import Metrics
from tests.integration.scopegate_server import (
    CHECK,
    PATIENCE_SECONDS,
    Answer,
    Scopegate,
    ask_for_sales,
    eventually,
    replace,
    token,
    write_policy,
)
from tests.reading import readers
from tests.tokens import jwks, rsa_key


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Scopegate]:
    """A server whose policy and keys stand in `tmp_path`."""
    with Scopegate(write_policy(tmp_path), f"--audit={tmp_path / 'audit.jsonl'}") as running:
        running.wait_for("ready")
        yield running


def _regions(answer: Answer) -> list[str]:
    assert answer.allowed
    return list(json.loads(answer.scope)["rows"][0]["region"]["in"])


def test_a_bad_policy_leaves_the_old_one_in_force_and_says_so(server: Scopegate, tmp_path: Path) -> None:
    """In the log with every problem, in a metric, on /readyz; the answers stay what they were; then it is mended."""
    before = server.ask(ask_for_sales(token()))
    write_policy(tmp_path, regions="US", more="unknown: 1\n")
    assert server.wait_for("policy_refused")["kept"] == before.policy_version
    assert "unknown" in server.wait_for("policy_problem")["problem"]
    after = server.ask(ask_for_sales(token()))
    assert (_regions(after), after.policy_version) == (["EU", "UK"], before.policy_version)
    status, text = server.get("/readyz")
    assert status == 200
    assert any("unknown" in problem for problem in json.loads(text)["refused"])
    assert "scopegate_policy_current 0.0" in server.get("/metrics")[1]

    write_policy(tmp_path, regions="US")
    server.wait_for("policy_reloaded")
    assert _regions(server.ask(ask_for_sales(token()))) == ["US"]
    assert json.loads(server.get("/readyz")[1])["refused"] == []
    assert "scopegate_policy_current 1.0" in server.get("/metrics")[1]


def test_the_old_policy_put_back_is_no_longer_refused(server: Scopegate, tmp_path: Path) -> None:
    """After a rollback the files agree with what is in force."""
    write_policy(tmp_path, more="unknown: 1\n")
    server.wait_for("policy_refused")
    write_policy(tmp_path)
    eventually(lambda: "scopegate_policy_current 1.0" in server.get("/metrics")[1])
    assert json.loads(server.get("/readyz")[1])["refused"] == []
    assert server.events("policy_reloaded") == 0


def test_files_that_are_no_policy_at_all_change_nothing(server: Scopegate, tmp_path: Path) -> None:
    """A file that is gone, empty or binary is refused like any other bad policy."""
    policy = tmp_path / "scopegate.yaml"

    def refused(times: int) -> None:
        server.wait_for("policy_refused", count=times)
        assert _regions(server.ask(ask_for_sales(token()))) == ["EU", "UK"]

    policy.unlink()
    refused(1)
    replace(policy, "")
    refused(2)
    replace(policy, b"\x00\xff\xfe")
    refused(3)


def test_a_file_written_in_place_is_noticed(server: Scopegate, tmp_path: Path) -> None:
    """Not every editor renames."""
    policy = tmp_path / "scopegate.yaml"
    policy.write_text(policy.read_text().replace("[EU, UK]", "[US]"))
    server.wait_for("policy_reloaded")
    assert _regions(server.ask(ask_for_sales(token()))) == ["US"]


def test_a_config_map_is_noticed(tmp_path: Path) -> None:
    """kubelet swaps one symbolic link, `..data`, and the files are links through it."""
    mount = tmp_path / "mount"
    for name, regions in (("..1", "EU"), ("..2", "US")):
        (mount / name).mkdir(parents=True)
        write_policy(mount / name, regions=regions)
    (mount / "..data").symlink_to("..1")
    (mount / "scopegate.yaml").symlink_to("..data/scopegate.yaml")
    with Scopegate(mount / "scopegate.yaml") as server:
        server.wait_for("ready")
        assert _regions(server.ask(ask_for_sales(token()))) == ["EU"]
        (mount / "..data_tmp").symlink_to("..2")
        os.replace(mount / "..data_tmp", mount / "..data")  # noqa: PTH105 - as kubelet does it
        server.wait_for("policy_reloaded")
        assert _regions(server.ask(ask_for_sales(token()))) == ["US"]


def test_a_directory_of_files_is_followed(tmp_path: Path) -> None:
    """A grant in a new file counts, and no longer when the file is gone."""
    directory = tmp_path / "policy"
    directory.mkdir()
    write_policy(directory)
    more = "grants:\n  - {id: us, to: {groups: [analysts-us]}, on: [sales], scope: {region: [US]}}\n"
    american = ask_for_sales(token(groups=["analysts-us"]))
    with Scopegate(directory) as server:
        server.wait_for("ready")
        assert server.ask(american).reason == "no_grant"
        (directory / "us.yaml").write_text(more)
        server.wait_for("policy_reloaded")
        assert _regions(server.ask(american)) == ["US"]
        (directory / "us.yaml").unlink()
        server.wait_for("policy_reloaded", count=2)
        assert server.ask(american).reason == "no_grant"


def test_a_replaced_key_file_is_noticed(server: Scopegate, tmp_path: Path) -> None:
    """Old keys are no longer believed, cached tokens included; new ones are."""
    old, new = ask_for_sales(token()), ask_for_sales(token(rsa_key("rsa-2")))
    assert server.ask(old).allowed
    assert not server.ask(new).allowed
    replace(tmp_path / "jwks.json", jwks(rsa_key("rsa-2")))
    server.wait_for("keys_changed")
    assert server.ask(old).reason == "token_key_unknown"
    assert server.ask(new).allowed


def test_a_broken_key_file_leaves_the_last_good_keys(server: Scopegate, tmp_path: Path) -> None:
    """The failure is in the log and on /readyz; tokens go on being verified."""
    replace(tmp_path / "jwks.json", "{")
    server.wait_for("key_source_failed", name="okta")
    assert server.ask(ask_for_sales(token())).allowed
    (source,) = json.loads(server.get("/readyz")[1])["sources"]
    assert source["loaded"]
    assert source["last_error"]
    replace(tmp_path / "jwks.json", jwks(rsa_key()))
    server.wait_for("key_source_recovered", name="okta")


def test_a_policy_that_names_a_key_file_that_is_not_there_is_refused(
    server: Scopegate, tmp_path: Path
) -> None:
    """It would lock out everybody of that issuer; once the file is there, it is tried again by itself."""
    policy = tmp_path / "scopegate.yaml"
    text = policy.read_text().replace("jwks.json", "other.json").replace("EU, UK", "US")
    replace(policy, text)
    server.wait_for("policy_refused")
    assert "other.json" in server.wait_for("policy_problem")["problem"]
    assert _regions(server.ask(ask_for_sales(token()))) == ["EU", "UK"]
    (tmp_path / "other.json").write_bytes(jwks(rsa_key()))
    server.wait_for("policy_reloaded")
    assert _regions(server.ask(ask_for_sales(token()))) == ["US"]


def test_hangup_reads_policy_and_keys_and_opens_the_audit_file_anew(
    server: Scopegate, tmp_path: Path
) -> None:
    """SIGHUP after a log rotation: the next record is in a fresh file."""
    trail = tmp_path / "audit.jsonl"
    first = server.ask(ask_for_sales())
    eventually(lambda: first.decision_id in trail.read_text())
    trail.rename(tmp_path / "audit.1")
    server.signal(signal.SIGHUP)
    server.wait_for("hangup")
    second = server.ask(ask_for_sales())
    eventually(lambda: trail.exists() and second.decision_id in trail.read_text())
    assert first.decision_id not in trail.read_text()
    eventually(lambda: 'reloads_total{outcome="unchanged"} 1.0' in server.get("/metrics")[1])


class _Load:
    """Several clients that ask without a pause, and remember every answer."""

    def __init__(self, address: str, data: bytes, clients: int) -> None:
        self.answers: list[Answer] = []
        self.errors: list[grpc.RpcError] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(address, data)) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _ask(self, address: str, data: bytes) -> None:
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            check = channel.unary_unary(CHECK)
            while not self._stop.is_set():
                try:
                    self.answers.append(Answer(check(data, timeout=PATIENCE_SECONDS)))
                except grpc.RpcError as error:
                    self.errors.append(error)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_reload_under_load_loses_and_mixes_nothing(server: Scopegate, tmp_path: Path) -> None:
    """Every check is answered; each answer's scope is the one of the policy version that it names."""
    rounds = ["US", "EU, UK", "NO", "EU, UK", "US", "NO"]
    load = _Load(server.address, ask_for_sales(token()), clients=3)
    try:
        for number, regions in enumerate(rounds, start=1):
            write_policy(tmp_path, regions=regions)
            server.wait_for("policy_reloaded", count=number)
            write_policy(tmp_path, regions=regions, more="unknown: 1\n")
            server.wait_for("policy_refused", count=number)
            seen = len(load.answers)
            eventually(lambda seen=seen: len(load.answers) > seen + 20)  # type: ignore[misc]
    finally:
        load.stop()
    assert load.errors == []
    scopes: dict[str, set[str]] = {}
    for answer in load.answers:
        assert answer.allowed
        scopes.setdefault(answer.policy_version, set()).add(",".join(_regions(answer)))
        assert answer.headers["x-scope-policy"] == answer.policy_version
    assert {region for regions in scopes.values() for region in regions} == {"EU,UK", "US", "NO"}
    assert all(len(regions) == 1 for regions in scopes.values())
    assert len({answer.decision_id for answer in load.answers}) == len(load.answers)


def test_hangups_under_load_change_no_answer(server: Scopegate) -> None:
    """A storm of SIGHUP is as many looks as fit, and no check notices."""
    load = _Load(server.address, ask_for_sales(token()), clients=2)
    try:
        for number in range(1, 6):
            server.signal(signal.SIGHUP)
            server.wait_for("hangup", count=number)
    finally:
        load.stop()
    assert load.errors == []
    assert {tuple(_regions(answer)) for answer in load.answers} == {("EU", "UK")}


def test_a_process_that_is_ended_while_it_reads_leaves_the_old_policy_and_is_followed_by_another(
    server: Scopegate, tmp_path: Path
) -> None:
    """As by a kernel that is short of memory: nobody else is, the log says so, and the next one reads."""
    before = server.ask(ask_for_sales(token()))
    policy = write_policy(tmp_path, regions="US")
    eventually(lambda: bool(readers(policy)))
    for process in readers(policy):
        os.kill(process, signal.SIGKILL)
    assert "ended by SIGKILL" in server.wait_for("policy_problem")["problem"]
    assert server.wait_for("policy_refused")["kept"] == before.policy_version
    server.wait_for("policy_reloaded")
    assert _regions(server.ask(ask_for_sales(token()))) == ["US"]
    assert readers(policy) == []


def test_a_policy_that_says_the_same_as_before_is_let_go(tmp_path: Path) -> None:
    """A file that is touched, or an issuer's keys beside it, does not keep a second policy in memory."""
    asyncio.run(_reloads_the_same(write_policy(tmp_path), tmp_path))


async def _reloads_the_same(policy: Path, directory: Path) -> None:
    in_force = InForce(policy, metrics=Metrics(), audit=NoAudit())
    try:
        assert await in_force.load()
        held = _grants_in_memory()
        for number in range(3):
            write_policy(directory, more=f"# {number}\n")
            await in_force.reload_if_changed()
        for _ in range(100):
            if _grants_in_memory() == held:
                break
            await asyncio.sleep(0.05)
        assert _grants_in_memory() == held
    finally:
        await in_force.stop()


def _grants_in_memory() -> int:
    gc.unfreeze()
    return sum(isinstance(each, Grant) for each in gc.get_objects())
