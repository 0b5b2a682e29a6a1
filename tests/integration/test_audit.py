"""The audit trail of a real server: killed, out of space, rotated, several workers, at a real collector."""

import json
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from authz.audit.findings import Report
from authz.audit.keys import load_verifier, write_new_pair
from authz.audit.reading import find_files
from authz.audit.verify import verify
from tests.audit_trails import decisions_of, kinds_of, lines_of
from tests.integration.scopegate_server import (
    CHECK,
    PATIENCE_SECONDS,
    Answer,
    Scopegate,
    ask_for_sales,
    eventually,
    token,
    write_policy,
)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The private key; the public one stands beside it."""
    write_new_pair(tmp_path / "audit.key", tmp_path / "audit.key.pub")
    return tmp_path / "audit.key"


def _verified(place: Path, keys: Path) -> Report:
    return verify(find_files([place]), [load_verifier(keys.with_name("audit.key.pub"))])


def _faults(place: Path, keys: Path) -> set[str]:
    return {finding.fault.value for finding in _verified(place, keys).findings}


class _Clients:
    """Several clients that ask until the server is gone, and remember every allow that they saw."""

    def __init__(self, address: str, data: bytes, count: int = 4, at_once: int = 8) -> None:
        self.seen: list[str] = []
        self._address, self._data, self._at_once = address, data, at_once
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._address, options=options) as channel:
            check = channel.unary_unary(CHECK)
            with suppress(grpc.RpcError):
                while True:
                    calls = [check.future(self._data, timeout=PATIENCE_SECONDS) for _ in range(self._at_once)]
                    for call in calls:
                        answer = Answer(call.result())
                        if answer.allowed:
                            self.seen.append(answer.decision_id)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)


def test_whatever_a_client_saw_allowed_is_on_disk_after_kill_9(tmp_path: Path, keys: Path) -> None:
    """Strict mode, under load, no chance to finish anything; the next start vouches for the end that it found."""
    trail = tmp_path / "trail" / "audit.jsonl"
    trail.parent.mkdir()
    options = (f"--audit={trail}", "--audit-mode=strict", f"--audit-key={keys}", "--audit-seal-records=50")
    with Scopegate(write_policy(tmp_path), *options) as server:
        server.wait_for("ready")
        clients = _Clients(server.address, ask_for_sales(token()))
        eventually(lambda: len(clients.seen) > 500)
        server.signal(signal.SIGKILL)
        server.wait()
        clients.join()
    text = trail.read_bytes()
    recorded = {
        json.loads(line)["decision_id"]
        for line in text[: text.rindex(b"\n")].splitlines()
        if b'"kind":"decision"' in line
    }
    assert len(clients.seen) > 500
    assert set(clients.seen) <= recorded
    assert _faults(trail, keys) <= {"end_open", "not_a_line"}
    with Scopegate(write_policy(tmp_path), *options) as server:
        server.wait_for("ready")
    report = _verified(trail, keys)
    assert report.findings == []
    assert [chain.end.value for chain in report.chains] == ["crashed", "closed"]
    lines = trail.read_bytes().splitlines(keepends=True)
    trail.write_bytes(b"".join(lines[:20] + lines[21:]))
    assert "sequence_broken" in _faults(trail, keys)


@pytest.mark.parametrize("mode", ["strict", "buffered"])
def test_without_room_nothing_is_allowed_until_there_is_some(tmp_path: Path, keys: Path, mode: str) -> None:
    """503 `audit_unavailable`, counted and logged; a denial stays a denial; then a gap that says what is missing."""
    trail = tmp_path / "trail" / "audit.jsonl"
    trail.parent.mkdir()
    options = (f"--audit={trail}", f"--audit-mode={mode}", f"--audit-key={keys}", "--audit-queue=3")
    with Scopegate(write_policy(tmp_path), *options) as server:
        server.wait_for("ready")
        pid = server._process.pid
        bearer = token()
        assert server.ask(ask_for_sales(bearer)).allowed
        eventually(lambda: "decision" in trail.read_text())
        # As a full disk, for this process: a write ends half-way with EFBIG.
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (trail.stat().st_size + 100, limits[1]))
        refused: list[Answer] = []

        def is_refused() -> bool:
            answer = server.ask(ask_for_sales(bearer))
            if not answer.allowed:
                refused.append(answer)
            return bool(refused)

        eventually(is_refused)
        assert (refused[0].status, refused[0].reason) == (503, "audit_unavailable")
        assert server.ask(ask_for_sales()).status == 401
        server.wait_for("audit_problem")
        assert 'reason="audit_unavailable"' in server.get("/metrics")[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        eventually(lambda: server.ask(ask_for_sales(bearer)).allowed)
    assert "gap" in kinds_of(trail)
    report = _verified(trail, keys)
    assert report.findings == []
    assert report.chains[0].lost >= 1


def test_several_workers_write_several_chains(tmp_path: Path, keys: Path) -> None:
    """Each its own file; together they are one trail. A file that is taken is said, and ends with 2."""
    trails = tmp_path / "trail"
    trails.mkdir()
    policy = write_policy(tmp_path)
    first, second = (
        Scopegate(policy, f"--audit={trails / f'audit-{number}.jsonl'}", f"--audit-key={keys}")
        for number in (1, 2)
    )
    with first, second:
        for server in (first, second):
            server.wait_for("ready")
            server.ask(ask_for_sales(token()))
        third = Scopegate(policy, f"--audit={trails / 'audit-1.jsonl'}")
        try:
            assert third.wait() == 2
        finally:
            third.close()
        assert "each worker needs its own" in "".join(third.raw)
    report = _verified(trails, keys)
    assert (report.findings, report.records, len(report.chains)) == ([], 2, 2)
    (trails / "audit-1.jsonl").write_bytes((trails / "audit-1.jsonl").read_bytes()[:-200])
    assert _faults(trails, keys) >= {"end_open"}


def test_logrotate_and_hangup_leave_one_chain(tmp_path: Path, keys: Path) -> None:
    """Renamed away under load, SIGHUP: no record is lost or stands twice."""
    trails = tmp_path / "trail"
    trails.mkdir()
    trail = trails / "audit.jsonl"
    with Scopegate(write_policy(tmp_path), f"--audit={trail}", f"--audit-key={keys}") as server:
        server.wait_for("ready")
        ids = []
        for number in (2, 1):
            ids += [server.ask(ask_for_sales()).decision_id for _ in range(20)]
            trail.rename(trails / f"audit.jsonl.{number}")
            server.signal(signal.SIGHUP)
            eventually(trail.exists)
        ids += [server.ask(ask_for_sales()).decision_id for _ in range(20)]
    report = _verified(trails, keys)
    assert (report.findings, report.records, report.files) == ([], 60, 3)
    found = [
        line["decision_id"] for path in trails.iterdir() for line in lines_of(path) if "decision_id" in line
    ]
    assert sorted(found) == sorted(ids)
    assert decisions_of(trail)


class _Collector:
    """Receives OTLP logs as a collector does; it can be told to be out of order."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.status = 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    import gzip

                    data = gzip.decompress(data)
                if collector.status == 200 and self.path == "/v1/logs":
                    collector._keep(ExportLogsServiceRequest.FromString(data))
                self.send_response(collector.status)
                body = ExportLogsServiceResponse().SerializeToString()
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/logs"

    def _keep(self, request: ExportLogsServiceRequest) -> None:
        for resource_logs in request.resource_logs:
            for scope_logs in resource_logs.scope_logs:
                self.bodies += [record.body.string_value for record in scope_logs.log_records]

    @contextmanager
    def serving(self) -> Iterator["_Collector"]:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self._server.serve_forever, 0.05)
            try:
                yield self
            finally:
                self._server.shutdown()
                self._server.server_close()


def test_a_collector_gets_the_very_lines(tmp_path: Path, keys: Path) -> None:
    """Byte for byte, so that the chain can be proven where they are kept; without it, nothing is allowed."""
    with _Collector().serving() as collector:
        options = (f"--audit=otlp:{collector.url}", "--audit-mode=strict", f"--audit-key={keys}")
        with Scopegate(write_policy(tmp_path), *options) as server:
            server.wait_for("ready")
            first = server.ask(ask_for_sales(token()))
            assert first.allowed
            assert any(first.decision_id in body for body in collector.bodies)
            collector.status = 400
            refused = server.ask(ask_for_sales(token()))
            assert (refused.status, refused.reason) == (503, "audit_unavailable")
            collector.status = 200
            eventually(lambda: server.ask(ask_for_sales(token())).allowed)
        kept = tmp_path / "kept.jsonl"
        kept.write_text("".join(f"{body}\n" for body in collector.bodies))
    report = _verified(kept, keys)
    # It was not known what the collector had taken when it failed: a new chain began.
    assert {finding.fault.value for finding in report.findings} == {"end_open"}
    assert len(report.chains) == 2
    assert report.chains[1].lost == 1


def _scopegate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = str(Path(sys.executable).with_name("scopegate"))
    return subprocess.run(
        [command, "audit", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_auditors_way_from_keys_to_answers(tmp_path: Path) -> None:
    """keygen, serve, verify, query, replay: as docs/audit.md has it."""
    key, trail = tmp_path / "k", tmp_path / "audit.jsonl"
    assert _scopegate("keygen", str(key)).returncode == 0
    assert key.stat().st_mode & 0o777 == 0o600
    assert _scopegate("keygen", str(key)).returncode == 2
    policy = write_policy(tmp_path)
    with Scopegate(policy, f"--audit={trail}", f"--audit-key={key}") as server:
        server.wait_for("ready")
        allowed = server.ask(ask_for_sales(token()))
        server.ask(ask_for_sales(token(groups=["nobody"], sub="bob")))
    verified = _scopegate("verify", str(trail), "--public-key", f"{key}.pub", "--format", "json")
    assert verified.returncode == 0, verified.stdout
    assert json.loads(verified.stdout)["records"] == 2
    assert _scopegate("verify", str(trail)).returncode == 1
    assert _scopegate("verify", str(tmp_path / "absent")).returncode == 2
    access = _scopegate("query", "access", str(trail), "--format", "json", "--principal", "alice")
    row = json.loads(access.stdout)
    assert (row["subject"], row["warehouse"], row["allows"]) == ("alice", "sales", 1)
    denials = _scopegate("query", "denials", str(trail), "--format", "csv")
    assert "bob" in denials.stdout
    assert allowed.decision_id not in denials.stdout
    same = _scopegate("replay", str(trail), "--policy", str(policy))
    assert same.returncode == 0, same.stdout
    write_policy(tmp_path, regions="US")
    changed = _scopegate("replay", str(trail), "--policy", str(policy), "--format", "json")
    assert changed.returncode == 1
    (one,) = json.loads(changed.stdout)["changed"]
    assert one["decision_id"] == allowed.decision_id
    trail.write_text(trail.read_text().replace('"subject":"bob"', '"subject":"eve"'))
    found = _scopegate("verify", str(trail), "--public-key", f"{key}.pub")
    assert found.returncode == 1
    assert f"{trail}:" in found.stdout
