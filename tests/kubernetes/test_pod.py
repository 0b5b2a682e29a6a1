"""The pod of staging as processes: it starts, decides, reloads its rules, and ends without a lost answer."""

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import h2.connection
import hpack
import pytest
from hyperframe.frame import Frame, GoAwayFrame, HeadersFrame

from tests.edge_client import Reply, client_context
from tests.edge_counterparts import Answer, Seen
from tests.envoy_process import (
    client_leaf,
    server_leaf,
    wait_until,
    write_leaf,
)
from tests.kubernetes.local_pod import LocalPod, in_background, mount_like_kubelet
from tests.kubernetes.manifests import of_kind
from tests.kubernetes.system import KEY, PodSystem, as_secret, pod_system
from tests.pki import uri

OVERLAY = "staging"


@pytest.fixture(scope="module")
def made() -> Iterator[PodSystem]:
    """A pod that runs, for all tests but the one that ends it."""
    with pod_system(OVERLAY) as system, system.pod:
        yield system


def test_nobody_gets_anything_without_a_credential(made: PodSystem) -> None:
    """401, and nothing reaches the warehouse."""
    made.warehouse.reset()
    assert made.ask("/api/sales").status == 401
    assert made.ask("/api/sales", made.token("ann", "nobody")).status == 403
    assert made.warehouse.take() == []


def test_an_analyst_gets_their_rows(made: PodSystem) -> None:
    """Over TLS, with the scope, and with the key that only Envoy holds."""
    made.warehouse.reset()
    assert made.ask("/api/sales?first", made.token()).status == 200
    (seen,) = made.warehouse.take()
    assert seen.values("x-api-key") == [KEY]
    assert made.regions("/api/sales?second", token=made.token()) == ["EU", "UK"]


def test_workers_serve_on_the_fastest_engine(made: PodSystem) -> None:
    """The image holds it, and nothing in the manifests says otherwise."""
    for worker in ("worker-1", "worker-2"):
        events = [json.loads(line) for line in made.pod.log(worker).splitlines() if '"listening"' in line]
        assert [event["engine"] for event in events] == ["zttp"]


def test_a_machine_gets_all_rows_by_its_certificate(made: PodSystem) -> None:
    """The SPIFFE ID that cert-manager's Certificate asks for is the one that the policy names."""
    (spiffe,) = of_kind(OVERLAY, "Certificate")["tableau-extract"]["spec"]["uris"]
    certificate = write_leaf(made.pod.directory, "extract", client_leaf(made.clients, uri(spiffe)))
    context = client_context(made.pod.directory / "ca.pem", certificate=certificate)
    assert made.regions("/api/sales?machine", context=context) is None


def test_whoever_had_enough_of_all_pods_gets_no_more(made: PodSystem) -> None:
    """429 where the limit service says so, by warehouse and principal; everybody else gets their rows."""
    eager, modest = made.token("eager"), made.token("modest")
    assert made.ask("/api/sales?eager", eager).status == 200
    asked = made.limits.asked[-1]
    assert {**asked, "principal": "-"} == {"domain": "scopegate", "warehouse": "sales", "principal": "-"}
    # Nobody's name leaves for another service.
    assert "eager" not in asked["principal"]

    made.limits.over.add(asked["principal"])
    made.warehouse.reset()
    refused = made.ask("/api/sales?eager", eager)
    assert (refused.status, refused.json()["reason"]) == (429, "rate_limited")
    assert made.warehouse.take() == []
    assert made.ask("/api/sales?modest", modest).status == 200


def test_operators_read_and_do_nothing_else(made: PodSystem) -> None:
    """Metrics of Envoy and of each worker; no order and no other page of the admin interface."""
    status, text = made.pod.get(9901, "/metrics")
    assert status == 200
    assert "envoy_http_downstream_rq_total{" in text
    assert all("scopegate_decisions" in made.pod.get(port, "/metrics")[1] for port in (9101, 9102))
    for path in ("/quitquitquit", "/healthcheck/fail", "/stats", "/config_dump", "/clusters"):
        assert made.pod.get(9901, path)[0] == 404
        assert made.pod.get(9901, path, "POST")[0] == 404
    assert made.pod.get(9901, "/readyz", "POST")[0] == 404
    assert made.pod.get(9901, "/readyz")[0] == 200


def test_envoy_follows_a_renewed_certificate(made: PodSystem) -> None:
    """In force for new connections as soon as kubelet has swapped the link; no process is another one."""
    before = {name: process.pid for name, process in made.pod.processes.items()}
    renewed = server_leaf(made.servers)
    assert _presented(made) != renewed.pem
    mount_like_kubelet(made.pod.volume("tls"), as_secret(renewed))
    wait_until(lambda: _presented(made) == renewed.pem, "the renewed certificate is presented")
    assert made.ask("/api/sales?renewed", made.token()).status == 200
    assert {name: process.pid for name, process in made.pod.processes.items()} == before


def _presented(made: PodSystem) -> str:
    plain = socket.create_connection(("127.0.0.1", made.pod.port("8443")), timeout=20)
    with made.context.wrap_socket(plain, server_hostname="localhost") as connection:
        certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None
    return ssl.DER_cert_to_PEM_cert(certificate)


def test_rules_reload_when_kubelet_swaps_the_link(made: PodSystem) -> None:
    """Refused ones leave the old in force, good ones are in force everywhere; Envoy is told of neither."""
    before = made.pod.processes["envoy"].pid
    broken = {
        **made.policy,
        "grants.yaml": made.policy["grants.yaml"].replace("analysts-emea]", "analysts-emea"),
    }
    narrower = {**made.policy, "grants.yaml": made.policy["grants.yaml"].replace("[EU, UK]", "[UK]")}
    policy = made.pod.volume("policy")
    try:
        mount_like_kubelet(policy, broken)
        for worker in (1, 2):
            wait_until(lambda worker=worker: made.metric(worker, "scopegate_policy_current") == 0, "refused")  # type: ignore[misc]
        assert made.pod.ready()
        assert made.regions("/api/sales?broken", token=made.token()) == ["EU", "UK"]

        mount_like_kubelet(policy, narrower)
        for worker in (1, 2):
            wait_until(lambda worker=worker: made.metric(worker, "scopegate_policy_current") == 1, "loaded")  # type: ignore[misc]
        for number in range(4):
            assert made.regions(f"/api/sales?narrower{number}", token=made.token()) == ["UK"]
        assert made.pod.processes["envoy"].pid == before
    finally:
        mount_like_kubelet(policy, made.policy)


@dataclass(slots=True)
class Client:
    """One that keeps its connection, and opens another only as long as it is led to this pod."""

    system: PodSystem
    number: int
    led_here: threading.Event
    answered: int = 0
    failures: list[str] = field(default_factory=list)

    def run(self) -> None:
        tokens = [self.system.token(f"client-{self.number}-{turn}") for turn in range(20)]
        while self.led_here.is_set() and not self.failures:
            connection = http.client.HTTPSConnection(
                "127.0.0.1",
                self.system.pod.port("8443"),
                context=self.system.context,
                timeout=20,
                # The limit of an address is not what this is about.
                source_address=(f"127.0.0.{10 + self.number}", 0),
            )
            try:
                self._until_closed(connection, tokens)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            finally:
                connection.close()

    def _until_closed(self, connection: http.client.HTTPSConnection, tokens: list[str]) -> None:
        while True:
            token = tokens[self.answered % len(tokens)]
            target = f"/api/sales?client={self.number}&turn={self.answered}"
            connection.request("GET", target, headers={"authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                self.failures.append(f"{target}: {answer.status}")
                return
            self.answered += 1
            if answer.getheader("connection") == "close":
                return


def test_an_absent_limit_service_takes_nothing_away(made: PodSystem) -> None:
    """The neighbour: each Envoy's own limit is still there. The last test of this pod, because the service is gone."""
    made.limits.__exit__()
    assert made.ask("/api/sales?unlimited", made.token("eager")).status == 200


def test_the_end_of_the_pod_loses_no_answer() -> None:
    """Under load, with a long query open: Envoy drains and goes, then the workers, and nobody got anything but rows."""
    with pod_system(OVERLAY) as system, system.pod as pod:
        asked, finish = threading.Event(), threading.Event()

        def answer(seen: Seen) -> Answer:
            if "long" in seen.target:
                asked.set()
                finish.wait(30)
            return Answer(body=b"rows")

        system.warehouse.answer = answer
        led_here = threading.Event()
        led_here.set()
        clients = [Client(system, number, led_here) for number in range(4)]
        long_answers: list[Reply] = []
        long_query = threading.Thread(
            target=lambda: long_answers.append(system.ask("/api/sales?long", system.token("long")))
        )
        statuses: dict[str, int] = {}
        end = threading.Thread(target=lambda: statuses.update(pod.terminate()))
        with in_background([long_query, *(threading.Thread(target=client.run) for client in clients)]):
            asked.wait(20)
            wait_until(lambda: all(client.answered > 20 for client in clients), "every client works")
            began = time.monotonic()
            end.start()
            wait_until(lambda: pod.get(9901, "/readyz")[0] == 503, "Envoy says that it ends")
            at_notice = [client.answered for client in clients]
            # kube-proxy learns of the end later than Envoy does: until then new connections come, and are served.
            wait_until(
                lambda: all(c.answered > n + 5 for c, n in zip(clients, at_notice, strict=True)),
                "still served",
            )
            led_here.clear()
            wait_until(lambda: _open_requests(pod) == 1, "only the long query is open")
            wait_until(lambda: time.monotonic() > began + 3 * pod.notice_seconds, "the notice is long over")
            assert (pod.volume("envoy") / "drained").exists() is False
            finish.set()
        end.join(60)

        assert [client.failures for client in clients] == [[]] * len(clients)
        assert [(reply.status, reply.body) for reply in long_answers] == [(200, b"rows")]
        ends = list(statuses)
        assert (set(ends[:2]), ends[2:]) == ({"drain", "envoy"}, ["worker-2", "worker-1"])
        assert set(statuses.values()) == {0}
        assert all(" 5" not in line for line in _outcomes(pod))


def _open_requests(pod: LocalPod) -> int:
    _, text = pod.get(9901, "/metrics")
    (line,) = (
        line
        for line in text.splitlines()
        if line.startswith("envoy_http_downstream_rq_active{") and 'prefix="edge"' in line
    )
    return int(line.rpartition(" ")[2])


def _outcomes(pod: LocalPod) -> list[str]:
    """The statuses in Envoy's access log."""
    lines = [json.loads(line) for line in pod.log("envoy").splitlines() if line.startswith("{")]
    return [f" {line['status']}" for line in lines if "status" in line]


def test_a_connection_with_many_requests_is_told_to_go() -> None:
    """HTTP/2: one more request on it is answered, with GOAWAY; then Envoy ends, and nobody listens."""
    with pod_system(OVERLAY) as system, system.pod as pod:
        token = system.token()
        with Http2(pod.port("8443"), system.context) as connection:
            assert connection.ask("/api/sales?1", token) == (200, False)
            statuses: dict[str, int] = {}
            end = threading.Thread(target=lambda: statuses.update(pod.terminate()))
            with in_background([end]):
                wait_until(lambda: pod.get(9901, "/readyz")[0] == 503, "Envoy says that it ends")
                assert connection.ask("/api/sales?2", token) == (200, True)
        assert set(statuses.values()) == {0}
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", pod.port("8443"))) != 0


class Http2:
    """One connection. Frames are read by hand: h2 takes nothing after GOAWAY, though open streams go on."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        self._stream = self._socket.makefile("rb")
        self._state = h2.connection.H2Connection()
        self._state.initiate_connection()
        self._headers = hpack.Decoder()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def ask(self, target: str, token: str) -> tuple[int, bool]:
        """The status of the answer, and whether the connection was told to take no other request."""
        stream = self._state.get_next_available_stream_id()
        headers = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", target)]
        self._state.send_headers(stream, [*headers, ("authorization", f"Bearer {token}")], end_stream=True)
        self._socket.sendall(self._state.data_to_send())
        status, told = 0, False
        while True:
            frame = self._frame()
            if isinstance(frame, GoAwayFrame):
                told = True
            if isinstance(frame, HeadersFrame):
                status = int(dict(self._headers.decode(frame.data))[":status"])
            if frame.stream_id == stream and "END_STREAM" in frame.flags:
                return status, told

    def _frame(self) -> Frame:
        frame, length = Frame.parse_frame_header(memoryview(self._stream.read(9)))
        frame.parse_body(memoryview(self._stream.read(length)))
        return frame


def test_an_envoy_is_ready_once_a_worker_can_decide() -> None:
    """Before, it would refuse whatever a Service leads to it, though it lives and listens."""
    with pod_system(OVERLAY) as system:
        pod = system.pod
        workers = [container for container in pod.containers if container.name.startswith("worker-")]
        try:
            for container in pod.containers:
                if container not in workers:
                    pod.start(container)
            wait_until(lambda: _said(pod, "/healthz") == 200, "Envoy lives")
            assert _said(pod, "/readyz") == 503
            assert system.ask("/api/sales", system.token()).status == 503
            pod.start(workers[0])
            wait_until(lambda: _said(pod, "/readyz") == 200, "Envoy is ready")
            assert system.ask("/api/sales", system.token()).status == 200
        finally:
            pod.__exit__()


def _said(pod: LocalPod, path: str) -> int | None:
    """By Envoy; None as long as it does not listen."""
    try:
        return pod.get(9901, path)[0]
    except OSError:
        return None


def test_a_pod_whose_volumes_are_named_otherwise_would_not_start(tmp_path: Path) -> None:
    """The neighbour: what this test replaces are exactly the places that containers mount."""
    pod = LocalPod(OVERLAY, "scopegate", tmp_path, {})
    assert pod.text("/etc/scopegate/policy-of-others/x /run/envoy2 /run/envoy/x") == (
        f"/etc/scopegate/policy-of-others/x /run/envoy2 {tmp_path}/envoy/x"
    )
