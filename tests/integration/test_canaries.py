"""No secret and nothing that the policy does not read gets into a log, a metric, the audit trail or an error.

Each value of a request that could be one is unique, goes through the real Envoy into a real Scopegate, allowed and
denied and with defects, and is looked for everywhere. What may be where:

- the subject is in the audit trail: it says who; the host, too;
- the groups that the policy names are in the audit trail: it says why;
- the path without its query is in Envoy's access log, and in the audit trail where a condition reads it;
- everything else is nowhere: the key that signs assertions, and what it has signed, least of all.
"""

import base64
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_client import Headers, Reply
from tests.edge_counterparts import Answer
from tests.envoy_process import wait_until
from tests.integration.defective import DEFECT
from tests.integration.whole_system import WholeSystem, whole_system
from tests.ports import free_port
from tests.span_collector import SpanCollector

SUBJECT = "canary-subject-2f61"
PATH = "canary-path-77c0"
NOWHERE = {
    name: f"canary-{name}-{number:04x}"
    for number, name in enumerate(
        (
            "claim",
            "group",
            "cookie",
            "password",
            "user",
            "query",
            "body",
            "header",
            "agent",
            "token",
            "id",
            "state",
            "vendor",
            "client-trace",
            "cluster",
            "message",
        ),
        0x3A51,
    )
}
SENT: Headers = [
    ("cookie", f"session={NOWHERE['cookie']}"),
    ("x-custom", NOWHERE["header"]),
    ("user-agent", NOWHERE["agent"]),
    ("x-request-id", NOWHERE["id"]),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("tracestate", f"{NOWHERE['vendor']}={NOWHERE['state']}"),
    ("x-client-trace-id", NOWHERE["client-trace"]),
    ("x-envoy-downstream-service-cluster", NOWHERE["cluster"]),
]
# Envoy says more about requests that say so, and denies them in trailers.
GRPC: Headers = [*SENT, ("content-type", "application/grpc"), ("te", "trailers")]
UNTRACED: Headers = [
    *((name, value) for name, value in SENT if name != "traceparent"),
    ("traceparent", f"00-{NOWHERE['header']}-01"),
]
QUERY = f"?q={NOWHERE['query']}"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(scope="module")
def system() -> Iterator[tuple[WholeSystem, str, SpanCollector]]:
    """Two defective workers that log all they can, Envoy's own metrics, and every trace."""
    http = f"127.0.0.1:{free_port()}"
    program = [sys.executable, str(Path(__file__).with_name("defective.py"))]
    with (
        SpanCollector() as collector,
        whole_system(
            http=http,
            traces=collector.url,
            trace_percent=100,
            options=["--log-level=debug", f"--traces={collector.url}", "--traces-per-second=1000"],
            program=program,
        ) as system,
    ):
        yield system, http, collector


def _token(system: WholeSystem, *groups: str, **changes: object) -> str:
    return system.token(
        SUBJECT,
        *groups,
        NOWHERE["group"],
        note=NOWHERE["claim"],
        nested={"deep": [NOWHERE["claim"]]},
        **changes,
    )


def _ask(system: WholeSystem) -> tuple[list[str], list[Reply]]:
    """Requests of each kind: the credentials that were used, and the answers to those that were denied."""
    good = _token(system, "analysts-emea")
    expired = _token(system, "analysts-emea", exp=int(time.time()) - 3600)
    foreign = _token(system, "analysts-emea", aud="api://other")
    stranger = _token(system, "marketing")
    forged = (
        good.rpartition(".")[0]
        + "."
        + base64.urlsafe_b64encode(NOWHERE["token"].encode() * 4).decode().rstrip("=")
    )
    password = base64.b64encode(f"{NOWHERE['user']}:{NOWHERE['password']}".encode()).decode()
    basic = [("authorization", f"Basic {password}")]
    body = f"select '{NOWHERE['body']}'".encode()

    told = Answer(
        headers=(
            ("grpc-status", "13"),
            ("grpc-message", NOWHERE["message"]),
            ("content-type", "application/grpc"),
        )
    )
    system.warehouse.answer = lambda _: told
    assert system.ask(f"/ledger/{PATH}{QUERY}", good, headers=GRPC).status == 200
    system.warehouse.reset()
    assert system.ask(f"/ledger/{PATH}{QUERY}", good, headers=UNTRACED).status == 200
    assert system.ask(f"/api/{PATH}{QUERY}", good, headers=SENT).status == 200
    assert system.ask(f"/ledger/{PATH}{QUERY}", good, headers=SENT, method="POST", body=body).status == 200
    assert system.ask(f"/ledger/{PATH}{QUERY}", None, headers=GRPC).header("grpc-status") == "16"
    denied = [
        (401, system.ask(f"/ledger/{PATH}{QUERY}", None, headers=SENT)),
        (401, system.ask(f"/ledger/{PATH}{QUERY}", NOWHERE["token"], headers=SENT)),
        (401, system.ask(f"/ledger/{PATH}{QUERY}", expired, headers=SENT)),
        (401, system.ask(f"/ledger/{PATH}{QUERY}", foreign, headers=SENT)),
        (401, system.ask(f"/ledger/{PATH}{QUERY}", forged, headers=SENT)),
        (401, system.ask(f"/ledger/{PATH}{QUERY}", None, headers=[*SENT, *basic])),
        (403, system.ask(f"/ledger/{PATH}{QUERY}", stranger, headers=SENT, method="POST", body=body)),
        (404, system.ask(f"/{PATH}{QUERY}", good, headers=SENT)),
        (400, system.ask(f"/ledger/{PATH}?__scope={NOWHERE['query']}", good, headers=SENT)),
        (400, system.ask(f"/ledger/{PATH};v={PATH}", good, headers=SENT)),
        (400, system.ask(f"/ledger/{PATH}", good, headers=[*SENT, *basic])),
        *((503, system.ask(f"{DEFECT}{QUERY}", good, headers=SENT)) for _ in range(4)),
    ]
    assert [reply.status for _, reply in denied] == [status for status, _ in denied]
    return [good, expired, foreign, stranger, forged, password], [reply for _, reply in denied]


def _signed(system: WholeSystem) -> dict[str, str]:
    """The parts of an assertion and of the key that signed it, after a worse key could not take its place."""
    (seen,) = system.reached(f"/signed/{PATH}{QUERY}", _token(system, "analysts-emea"), headers=SENT)[1:]
    (text,) = seen.values("x-scope-assertion")
    file = system.directory / "assertion.pem"
    pem = file.read_text()
    file.write_text(pem.replace("END", "UND"))
    for worker in system.workers:
        wait_until(
            lambda worker=worker: '"key_source_failed"' in worker.log(), "the bad key is said in the log"
        )
    _, payload, signature = text.split(".")
    lines = [line for line in pem.splitlines() if "-----" not in line]
    return {
        "assertion": payload,
        "signature of the assertion": signature,
        **{f"line {number} of the private key": line for number, line in enumerate(lines)},
    }


def _scraped(address: str, accept: str) -> str:
    request = urllib.request.Request(f"http://{address}/metrics", headers={"accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


def test_canaries_get_nowhere(system: tuple[WholeSystem, str, SpanCollector]) -> None:
    """Looked for in logs, metrics, spans, audit trail, access log and answers, after they went through everything."""
    running, http, collector = system
    credentials, denied = _ask(running)
    signed = _signed(running)
    assert running.ask(f"{DEFECT}x", running.token()).status == 200
    wait_until(lambda: len(running.envoy.log_lines()) >= len(denied) + 4, "the access log is written")
    wait_until(lambda: len(running.audit()) >= len(denied) - 2, "the audit trail is written")

    wait_until(
        lambda: len([s for s in collector.spans if s.name == "check"]) >= len(denied), "spans have arrived"
    )

    logs = "".join(worker.log() for worker in running.workers)
    listening = [json.loads(line) for line in logs.splitlines() if '"listening"' in line]
    metrics = [
        _scraped(address, accept)
        for address in [http, *(line["http"] for line in listening)]
        for accept in ("text/plain", OPEN_METRICS)
    ]
    audit = "".join(path.read_text() for path in running.directory.glob("audit-*"))
    places = {
        "log": logs,
        "metrics": "".join(metrics),
        "audit": audit,
        "access log": running.envoy.log_text(),
        "Envoy's log": running.envoy.messages(),
        "spans": b"".join(collector.bodies).decode(errors="replace"),
        "answers": "".join(f"{reply.headers}{reply.body!r}" for reply in denied),
    }
    # The defects were there to be looked for, and their texts would have had the claims.
    assert logs.count('"error": "ValueError"') >= 4
    assert "scopegate_defects_total" in places["metrics"]

    assert len(signed) >= 4
    secrets = {
        **NOWHERE,
        **signed,
        **{f"credential {number}": text for number, text in enumerate(credentials)},
    }
    secrets |= {f"signature {number}": text.rpartition(".")[2] for number, text in enumerate(credentials)}
    found = [(name, place) for name, text in secrets.items() for place in places if text in places[place]]
    assert found == []
    assert {place for place, text in places.items() if SUBJECT in text} == {"audit"}
    assert {place for place, text in places.items() if PATH in text} == {"access log"}
    assert "analysts-emea" in audit
    assert "marketing" not in audit
    assert {span.service for span in collector.spans} == {"edge", "scopegate"}
    assert not [span for span in collector.spans if "127.0.0.1" in str(span.attributes.get("peer.address"))]


def test_every_line_of_the_log_is_an_event(system: tuple[WholeSystem, str, SpanCollector]) -> None:
    """One JSON object a line, whatever was asked: nothing was printed beside the log, and nothing forged a line."""
    running, *_ = system
    assert running.ask("/ledger/x", running.token(), headers=[("x-custom", "a\tb")]).status == 200
    for worker in running.workers:
        for line in worker.log().splitlines():
            event = json.loads(line)
            assert {"event", "level", "timestamp"} <= set(event)
