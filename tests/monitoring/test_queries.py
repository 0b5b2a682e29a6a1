"""Every query of every panel and alert returns data on the real system: Envoy, two workers, a real Prometheus."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.monitoring.write import files
from tests.edge_counterparts import Answer
from tests.envoy_process import wait_until
from tests.integration.whole_system import LIMIT, WholeSystem, whole_system
from tests.monitoring.prometheus_process import RULES, Prometheus, tool
from tests.ports import free_port

ROUNDS = 150
ENVOY_TIMES = 'envoy_cluster_upstream_rq_time_count{envoy_cluster_name="warehouse-ledger"}'
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

# What may be empty in a system that is well, and why.
EMPTY = {
    "scopegate_worker": "a supervisor tells it, which there is with several workers or on the engine pyvoy",
    "scopegate_introspections": "a series begins with the first opaque token; no issuer here gives any",
    "scopegate_revocation_list": "a series is there for each trust with revocation lists; the trust here has none",
    "scopegate_policy_current == 0": "a comparison: nothing is left where no worker refuses its policy",
    'scopegate_decisions_total{reason=~"': "a series begins with the first check that could not be decided",
    'scopegate_key_source_refreshes_total{outcome="failed"}': "a series begins with the first look that fails",
}

_METRIC = r"(?:scopegate|envoy|process|up)[a-z0-9_:]*"
# A name with its selector: enough for the alerts, whose whole expressions are empty while nothing is wrong.
SELECTOR = re.compile(rf"\b{_METRIC}(?:\{{[^}}]*\}})?")
LABELS = re.compile(r"\b(?:by|on) \([^)]*\)")


@pytest.fixture(scope="module")
def observed() -> Iterator[tuple[WholeSystem, Prometheus]]:
    """The system after traffic of each kind, scraped from before it began."""
    tool("prometheus")
    http = f"127.0.0.1:{free_port()}"
    with whole_system(http=http, options=["--audit-mode=strict"]) as system:
        workers = [_listening(worker.log()) for worker in system.workers]
        with Prometheus(system.directory, {"scopegate": workers, "envoy": [http]}) as prometheus:
            prometheus.scrape()
            _traffic(system)
            # Envoy makes its histograms up every five seconds; a rate needs one before, too.
            wait_until(lambda: prometheus.ask(f"{ENVOY_TIMES} > 0"), "Envoy has its histograms")
            _traffic(system)
            wait_until(
                lambda: prometheus.ask(f"rate({ENVOY_TIMES}[1m]) > 0"), "Envoy's histograms have grown"
            )
            prometheus.scrape()
            yield system, prometheus


def _listening(log: str) -> str:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return str(next(line["http"] for line in lines if line["event"] == "listening"))


def _traffic(system: WholeSystem) -> None:
    """Allowed warm and cold, shared and not, denied in several ways, limited, and with an error of the warehouse."""
    traced = [("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")]
    token = system.token()
    for number in range(ROUNDS):
        assert system.ask(f"/api/shared?q={number % 2}", token, headers=traced).status == 200
    assert (
        system.ask("/ledger/rows", system.token("uma", "analysts-us"), method="POST", body=b"select 1").status
        == 200
    )
    assert system.ask("/plain/rows", token).status == 200
    assert system.ask("/ledger/rows").status == 401
    assert system.ask("/ledger/rows", "garbage").status == 401
    assert system.ask("/ledger/rows", system.token("sid", "marketing")).status == 403
    assert system.ask("/unknown", token).status == 404
    assert [system.ask("/limited/x", token).status for _ in range(LIMIT + 1)][-1] == 429
    system.warehouse.answer = lambda _seen: Answer(status=500)
    assert system.ask("/ledger/broken", token).status == 500
    system.warehouse.reset()


def _panels() -> list[Any]:
    found = []
    for path, text in files().items():
        if path.suffix != ".json":
            continue
        for panel in json.loads(text)["panels"]:
            found += [
                pytest.param(target["expr"], id=f"{path.stem}-{panel['title']}-{target['refId']}")
                for target in panel.get("targets", [])
            ]
    return found


def _rules() -> list[Any]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _may_be_empty(query: str) -> bool:
    return any(reason in query for reason in EMPTY)


@pytest.mark.parametrize("query", _panels())
def test_every_panel_has_data(observed: tuple[WholeSystem, Prometheus], query: str) -> None:
    """As Grafana asks, with its own variable filled in. What may be empty is at least asked in PromQL."""
    found = observed[1].ask(query.replace("$__rate_interval", "1m"))
    assert found or _may_be_empty(query)


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, id=rule["record"]) for rule in _rules() if "record" in rule]
)
def test_every_record_has_data(observed: tuple[WholeSystem, Prometheus], rule: dict[str, str]) -> None:
    """What alerts are computed from."""
    assert observed[1].ask(rule["record"])


def test_every_selector_of_every_alert_has_series(observed: tuple[WholeSystem, Prometheus]) -> None:
    """An alert on a name that nothing has never fires: the parts are asked one by one."""
    selectors = {
        part
        for rule in _rules()
        if "alert" in rule
        for part in SELECTOR.findall(LABELS.sub("", rule["expr"]))
    }
    missing = {part for part in selectors if not observed[1].ask(part) and not _may_be_empty(part)}
    assert missing == set()
    assert len(selectors) > 20


def test_what_may_be_empty_is_still_asked_somewhere() -> None:
    """The list of exceptions does not outlive its reasons."""
    queries = [query.values[0] for query in _panels()] + [rule["expr"] for rule in _rules()]
    assert [text for text in EMPTY if not any(text in str(query) for query in queries)] == []


def test_a_slow_bucket_leads_to_a_trace(observed: tuple[WholeSystem, Prometheus]) -> None:
    """Prometheus asks for OpenMetrics, and finds the trace that Envoy's client began."""
    now = time.time()
    series = observed[1].get(
        "query_exemplars", query="scopegate_check_seconds_bucket", start=str(now - 600), end=str(now)
    )
    ids = {exemplar["labels"]["trace_id"] for each in series for exemplar in each["exemplars"]}
    assert ids == {TRACE}


def test_nothing_is_alarmed_until_something_is_wrong(observed: tuple[WholeSystem, Prometheus]) -> None:
    """A system that is well is quiet; a refused policy and a worker that hangs are seen, and are over again."""
    system, prometheus = observed
    # The certificates of this test end tomorrow; one error in a handful of answers is more than one in twenty.
    expected = {"EdgeCertificateExpires", "EdgeWarehouseErrors"}
    assert set(prometheus.alerts()) <= expected, prometheus.alerts()

    policy = system.directory / "scopegate.yaml"
    good = policy.read_text()
    _replace(policy, good + "nonsense: true\n")
    prometheus.wait_for_alert("ScopegatePolicyRefused")
    _replace(policy, good)
    wait_until(lambda: "ScopegatePolicyRefused" not in prometheus.alerts(), "the good policy is back")

    with system.stopped(system.workers[:1]):
        prometheus.wait_for_alert("ScopegateWorkerDown")
        prometheus.wait_for_alert("EdgeWorkerUnhealthy")
        assert system.ask("/ledger/rows", system.token()).status == 200
    wait_until(lambda: set(prometheus.alerts()) <= expected, "it is quiet again")


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.rename(path)
