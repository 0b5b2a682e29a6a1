"""A real server: decisions, denials, ports, health, readiness, audit, and how it starts and ends."""

import http.client
import json
import signal
import socket
import stat
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest

from authz.transport.checkserver import MAX_REQUEST_BYTES
from tests.audit_trails import lines_of
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
from tests.tokens import jwks, rsa_key
from tests.unit.transport.questions import question


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scopegate]:
    """One server that keeps its policy for all tests of the module."""
    directory = tmp_path_factory.mktemp("serve")
    with Scopegate(write_policy(directory), f"--audit={directory / 'audit.jsonl'}") as running:
        running.wait_for("ready")
        yield running


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"\xff\xff", 400, "request_malformed"),
        (b"", 400, "protocol_unsupported"),
        (ask_for_sales(path="/api/../etc"), 400, "request_malformed"),
        (ask_for_sales(path="/elsewhere", warehouse=None), 404, "route_unknown"),
        (ask_for_sales(method="DELETE"), 403, "method_denied"),
        (ask_for_sales(warehouse="stock"), 503, "route_mismatch"),
        (ask_for_sales(), 401, "credential_missing"),
        (ask_for_sales("x y"), 401, "credential_malformed"),
        (ask_for_sales("a.b.c"), 401, "token_malformed"),
        (ask_for_sales(token(exp=1)), 401, "token_expired"),
        (ask_for_sales(token(aud="api://other")), 401, "token_audience_wrong"),
        (ask_for_sales(token(iss="https://evil.example")), 401, "token_issuer_unknown"),
        (ask_for_sales(token(rsa_key("rsa-2"))), 401, "token_key_unknown"),
        (ask_for_sales(token(groups=["cooks"])), 403, "no_grant"),
    ],
)
def test_every_class_of_denial_has_its_status_and_reason(
    server: Scopegate, data: bytes, status: int, reason: str
) -> None:
    """400, 401, 403, 404 and 503 are told apart on the wire, in the body and in the metadata."""
    answer = server.ask(data)
    assert not answer.allowed
    assert (answer.status, answer.reason) == (status, reason)
    body = json.loads(answer.message.denied_response.body)
    assert (body["status"], body["reason"], body["decision_id"]) == (status, reason, answer.decision_id)
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_a_good_token_is_allowed_within_its_scope(server: Scopegate) -> None:
    """The neighbour of the denials: the same question with a good token."""
    answer = server.ask(ask_for_sales(token()))
    assert answer.allowed
    assert json.loads(answer.scope)["rows"] == [{"region": {"in": ["EU", "UK"], "type": "string"}}]
    assert "authorization" in answer.message.ok_response.headers_to_remove


def test_a_message_above_the_limit_is_refused_by_grpc(server: Scopegate) -> None:
    """Envoy makes 503 of every gRPC error: closed, and cheap."""
    channel = grpc.insecure_channel(server.address)
    with channel, pytest.raises(grpc.RpcError) as error:
        channel.unary_unary(CHECK)(b"\x00" * (MAX_REQUEST_BYTES + 1), timeout=PATIENCE_SECONDS)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_admin_port_says_what_it_should_and_nothing_else(server: Scopegate) -> None:
    """Alive, ready, metrics; every other path is 404, and the data port knows none of them."""
    assert server.get("/healthz") == (200, '{"alive": true}')
    status, text = server.get("/readyz")
    assert (status, json.loads(text)["ready"], json.loads(text)["missing"]) == (200, True, [])
    assert server.get("/")[0] == 404
    assert server.get("/config_dump")[0] == 404
    eventually(lambda: server.health() == "SERVING")
    with (
        pytest.raises((OSError, http.client.HTTPException), match=r".*"),
        urllib.request.urlopen(f"http://{server.address}/metrics", timeout=PATIENCE_SECONDS),
    ):
        pass


def test_metrics_count_what_was_decided(server: Scopegate) -> None:
    """Counted by warehouse, outcome and reason, with the policy's version."""
    server.ask(ask_for_sales(token()))
    server.ask(ask_for_sales())
    text = server.get("/metrics")[1]
    assert 'scopegate_decisions_total{outcome="allow",reason="granted",warehouse="sales"}' in text
    assert 'scopegate_decisions_total{outcome="deny",reason="credential_missing",warehouse="sales"}' in text
    assert 'scopegate_policy_info{version="' in text
    assert 'scopegate_key_source_refreshes_total{kind="issuer_keys",name="okta",outcome="loaded"}' in text
    assert "scopegate_ready 1.0" in text
    assert "scopegate_checks_in_flight 0.0" in text
    assert "scopegate_defects_total 0.0" in text


def test_nothing_secret_is_logged_or_measured(server: Scopegate) -> None:
    """A canary in token, header and query shows in no log line and no metric."""
    bearer = token(sub="canary-subject", secret="canary-claim")
    for data in (
        ask_for_sales(bearer, path="/api/sales?q=canary-query", headers={"x-note": "canary-header"}),
        ask_for_sales(bearer[:-5], path="/api/canary-path"),
        ask_for_sales("canary-opaque-token"),
    ):
        server.ask(data)
    shown = "".join(server.raw) + server.get("/metrics")[1] + server.get("/readyz")[1]
    assert "canary" not in shown
    assert bearer not in shown


def test_the_audit_trail_has_each_decision_once(tmp_path: Path) -> None:
    """One line for an allow, a denial and an unreadable question, under the ids that the clients were told."""
    trail = tmp_path / "audit.jsonl"
    with Scopegate(write_policy(tmp_path), f"--audit={trail}") as server:
        server.wait_for("ready")
        answers = [server.ask(data) for data in (ask_for_sales(token()), ask_for_sales(), b"\xff")]
    records = [line for line in lines_of(trail) if line["kind"] == "decision"]
    assert [record["decision_id"] for record in records] == [answer.decision_id for answer in answers]
    assert [record["reason"] for record in records] == ["granted", "credential_missing", "request_malformed"]
    assert records[0]["actor"]["subject"] == "alice"
    assert records[0]["asked"]["route"] == "/api/*"
    assert "Bearer" not in trail.read_text()


def test_the_audit_trail_can_go_to_stdout(tmp_path: Path) -> None:
    """For containers: records on stdout, logs on stderr, neither mixed with the other."""
    with Scopegate(write_policy(tmp_path), "--audit=stdout") as server:
        server.wait_for("ready")
        answer = server.ask(ask_for_sales())
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        lines = [json.loads(line) for line in server.stdout().splitlines()]
    assert [line["kind"] for line in lines] == ["start", "policy", "decision", "seal"]
    assert lines[2]["decision_id"] == answer.decision_id


def test_a_unix_socket_is_for_owner_and_group(tmp_path: Path) -> None:
    """Envoy's group may ask, nobody else; both addresses answer; the socket is gone afterwards."""
    path = tmp_path / "a.sock"
    with Scopegate(write_policy(tmp_path), "--listen=127.0.0.1:0", listen=f"unix:{path}") as server:
        server.wait_for("ready")
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        for address in server.addresses:
            with grpc.insecure_channel(address) as channel:
                data = channel.unary_unary(CHECK)(ask_for_sales(token()), timeout=PATIENCE_SECONDS)
                assert Answer(data).allowed
    assert not path.exists()


def test_a_socket_that_a_killed_server_left_is_taken_over(tmp_path: Path) -> None:
    """kill -9 leaves the file; the next server starts all the same."""
    path = tmp_path / "a.sock"
    with Scopegate(write_policy(tmp_path), listen=f"unix:{path}") as server:
        server.wait_for("ready")
        server.signal(signal.SIGKILL)
        server.wait()
    assert path.exists()
    with Scopegate(write_policy(tmp_path), listen=f"unix:{path}") as server:
        server.wait_for("ready")
        assert server.ask(ask_for_sales(token())).allowed


@contextmanager
def _ended(policy: Path, *options: str, status: int, listen: str = "127.0.0.1:0") -> Iterator[Scopegate]:
    """A server that has ended by itself."""
    server = Scopegate(policy, *options, listen=listen)
    try:
        assert server.wait() == status
        yield server
    finally:
        server.close()


def test_a_taken_port_or_socket_is_said_and_ends_with_2(tmp_path: Path) -> None:
    """A second server never shares a port, nor takes a socket away from a live one."""
    policy, path = write_policy(tmp_path), tmp_path / "a.sock"
    with Scopegate(policy, "--listen=127.0.0.1:0", listen=f"unix:{path}") as first:
        first.wait_for("ready")
        for address in first.addresses:
            with _ended(policy, status=2, listen=address) as second:
                assert address.removeprefix("unix:") in second.wait_for("cannot_start")["error"]
        with _ended(policy, f"--http={first.http}", status=2) as third:
            assert "address already in use" in third.wait_for("cannot_start")["error"]
        assert first.ask(ask_for_sales(token())).allowed


def test_a_refused_policy_ends_with_1_and_names_every_problem(tmp_path: Path) -> None:
    """All problems at once, with file and line, readable in the log."""
    policy = write_policy(tmp_path, more="  - {id: emea, to: {groupz: [x]}, on: [salez], scope: {}}\n")
    with _ended(policy, status=1) as server:
        assert server.wait_for("policy_refused")["kept"] is None
        assert server.events("policy_problem") >= 2
        assert server.wait_for("policy_problem")["problem"].startswith(f"{policy}:17: grants[1]")


def test_a_console_log_is_for_people(tmp_path: Path) -> None:
    """The same events without braces."""
    policy = write_policy(tmp_path, more="unknown: 1\n")
    with _ended(policy, "--log-format=console", status=1) as server:
        pass
    assert "policy_refused" in "".join(server.raw)
    assert "{" not in "".join(server.raw)


class _Issuer:
    """An issuer's endpoint that can be down, then up."""

    def __init__(self) -> None:
        self.keys = jwks(rsa_key())
        self.up = threading.Event()
        self.asked = threading.Event()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.set()
                self.send_response(200 if issuer.up.is_set() else 503)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(issuer.keys)))
                self.end_headers()
                self.wfile.write(issuer.keys)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/keys"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def issuer() -> Iterator[_Issuer]:
    """Closed at the end of the test."""
    made = _Issuer()
    yield made
    made.close()


def _with_key_url(policy: Path, url: str) -> Path:
    text = policy.read_text().replace(
        f"jwks_file: {policy.parent / 'jwks.json'}",
        f"jwks_url: '{url}', allow_http: true, allow_private_addresses: true",
    )
    replace(policy, text)
    return policy


def test_not_ready_before_the_keys_are_there(tmp_path: Path, issuer: _Issuer) -> None:
    """An issuer that is down: alive, not ready, tokens get 503; once it is up, ready without a restart."""
    with Scopegate(_with_key_url(write_policy(tmp_path), issuer.url)) as server:
        server.wait_for("key_source_failed", name="okta")
        assert server.get("/healthz")[0] == 200
        eventually(lambda: "policy" not in json.loads(server.get("/readyz")[1])["missing"])
        status, text = server.get("/readyz")
        assert status == 503
        assert json.loads(text)["missing"][0].startswith("keys of issuer `okta`: ")
        assert server.health() == "NOT_SERVING"
        answer = server.ask(ask_for_sales(token()))
        assert (answer.status, answer.reason) == (503, "keys_unavailable")
        assert server.ask(ask_for_sales()).status == 401

        issuer.up.set()
        server.wait_for("ready")
        assert server.get("/readyz")[0] == 200
        assert server.ask(ask_for_sales(token())).allowed
        eventually(lambda: server.health() == "SERVING")


def test_a_new_signing_key_is_found_by_the_first_check_that_needs_it(tmp_path: Path, issuer: _Issuer) -> None:
    """A token with an unknown `kid` waits for one look at the issuer's keys; what they do not have stays unknown."""
    issuer.up.set()
    with Scopegate(_with_key_url(write_policy(tmp_path), issuer.url)) as server:
        server.wait_for("ready")
        assert server.ask(ask_for_sales(token(rsa_key("rsa-3")))).reason == "token_key_unknown"
        issuer.keys = jwks(rsa_key(), rsa_key("rsa-2"))
        assert server.ask(ask_for_sales(token(rsa_key("rsa-2")))).allowed
        assert server.events("keys_changed") == 1
        assert server.ask(ask_for_sales(token())).allowed


def test_a_certificate_in_the_connection_is_read(server: Scopegate) -> None:
    """Envoy's URL-encoded PEM reaches identity: this warehouse has no trust for it, so it is refused."""
    message = question()
    message.attributes.source.certificate = quote("-----BEGIN CERTIFICATE-----\nAAAA\n")
    answer = server.ask(message.SerializeToString())
    assert not answer.allowed
    assert answer.status == 401


def test_checks_in_flight_are_answered_before_the_end(tmp_path: Path) -> None:
    """SIGTERM: NOT_SERVING first, answers go on during the notice, then the end with status 0."""
    with Scopegate(write_policy(tmp_path), "--drain-notice-seconds=30") as server:
        server.wait_for("ready")
        eventually(lambda: server.health() == "SERVING")
        server.signal(signal.SIGTERM)
        server.wait_for("draining")
        eventually(lambda: server.health() == "NOT_SERVING")
        assert json.loads(server.get("/readyz")[1])["missing"] == ["draining"]
        assert server.ask(ask_for_sales(token())).allowed
        server.signal(signal.SIGTERM)  # a second one cuts the notice short
        assert server.wait() == 0
        server.wait_for("stopped")


def test_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    """On a terminal nobody wants to wait for Envoy's health checks."""
    with Scopegate(write_policy(tmp_path), "--drain-notice-seconds=300") as server:
        server.wait_for("ready")
        server.signal(signal.SIGINT)
        assert server.wait() == 0


def test_no_request_is_lost_to_a_client_that_heeds_health(tmp_path: Path) -> None:
    """Who asks until the health check says NOT_SERVING, as Envoy does, has every question answered."""
    with Scopegate(write_policy(tmp_path), "--drain-notice-seconds=30") as server:
        server.wait_for("ready")
        eventually(lambda: server.health() == "SERVING")
        data, answers = ask_for_sales(token()), []
        server.signal(signal.SIGTERM)
        while server.health() == "SERVING":
            answers += [server.ask(data) for _ in range(20)]
        answers += [server.ask(data) for _ in range(20)]  # on their way already when it was noticed
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    assert len(answers) >= 20
    assert all(answer.allowed for answer in answers)


def test_the_port_is_free_again_afterwards(tmp_path: Path) -> None:
    """A restart on the same port works at once."""
    with Scopegate(write_policy(tmp_path)) as server:
        server.wait_for("ready")
        address = server.address
    with Scopegate(write_policy(tmp_path), listen=address) as server:
        server.wait_for("ready")
    host, port = address.split(":")
    with pytest.raises(ConnectionRefusedError), socket.create_connection((host, int(port))):
        pass
