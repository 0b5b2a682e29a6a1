"""Metrics: names are an interface, labels come from closed sets."""

import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from authz.check import Phase
from authz.errors import Reason
from authz.memory import Memory
from authz.signing.keys import signing_keys
from authz.telemetry.metrics import Metrics, Refresh, Reload
from authz.workers.metrics import ServiceMetrics
from tests.signingkeys import ec_signing_key, one_key

GOLDEN = Path(__file__).parents[2] / "golden" / "metrics.txt"
FAILING = "scopegate_key_source_failing"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def _text(metrics: Metrics) -> str:
    return metrics.text("")[0].decode()


def _value(metrics: Metrics, series: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(series, labels)


def exercised() -> Metrics:
    """Metrics in which every family has a series."""
    metrics = Metrics()
    metrics.decided("sales", Reason.GRANTED, 30e-6, warm=True)
    metrics.decided(None, Reason.ROUTE_UNKNOWN, 20e-6)
    metrics.timed([(Phase.IDENTIFY, 3e-6)])
    metrics.watch_in_flight(lambda: 2)
    metrics.watch_memories({"decisions": Memory(10)})
    metrics.watch_revocation_lists(lambda: {"extracts": [(1.0, 2.0)]})
    metrics.watch_signing_keys(one_key)
    metrics.watch_audit_queue(lambda: 3)
    metrics.audit_synced(0.001)
    metrics.introspected("okta", "active")
    metrics.policy_looked_at(Reload.LOADED)
    metrics.policy_in_force("v1", 1_790_000_000.0, ["sales", "stock"])
    metrics.source_refreshed("issuer_keys", "okta", Refresh.LOADED, 1_790_000_000.0)
    metrics.audited("written", 3)
    metrics.traced("made", 8)
    return metrics


def test_names_types_labels_and_help_are_the_golden_ones() -> None:
    """Dashboards and alerts depend on them: a change here is a change for every operator."""
    lines = []
    supervisor = ServiceMetrics(2, lambda: 2).registry.collect()
    for family in (*text_string_to_metric_families(_text(exercised())), *supervisor):
        if not family.name.startswith("scopegate"):
            continue
        labels = sorted({label for sample in family.samples for label in sample.labels})
        lines.append(f"{family.name} {family.type} {','.join(labels) or '-'} {family.documentation}")
    assert "\n".join(sorted(lines)) + "\n" == GOLDEN.read_text()


def test_the_key_that_signs_is_shown_among_all_that_are_published() -> None:
    """Read at the scrape; nothing while nothing is signed."""
    metrics = Metrics()
    assert _value(metrics, "scopegate_signing_key_signs", kid=ec_signing_key("new").kid) is None
    old, new = ec_signing_key("old"), ec_signing_key("new")
    metrics.watch_signing_keys(lambda: signing_keys([old, new], new))
    assert _value(metrics, "scopegate_signing_key_signs", kid=old.kid) == 0
    assert _value(metrics, "scopegate_signing_key_signs", kid=new.kid) == 1


def test_decisions_are_counted_by_warehouse_outcome_and_reason() -> None:
    """A denial without a warehouse has the empty name, which no warehouse can have."""
    metrics = Metrics()
    metrics.decided(None, Reason.ROUTE_UNKNOWN, 1e-5)
    metrics.decided("sales", Reason.NO_GRANT, 1e-5)
    metrics.decided("sales", Reason.GRANTED, 1e-5)
    metrics.decided("sales", Reason.GRANTED, 1e-5)
    name = "scopegate_decisions_total"
    assert _value(metrics, name, warehouse="", outcome="deny", reason="route_unknown") == 1
    assert _value(metrics, name, warehouse="sales", outcome="deny", reason="no_grant") == 1
    assert _value(metrics, name, warehouse="sales", outcome="allow", reason="granted") == 2


def test_a_refused_policy_shows_until_a_good_one_comes() -> None:
    """The alert is on `scopegate_policy_current`, not on a counter that somebody must have seen move."""
    metrics = Metrics()
    metrics.policy_looked_at(Reload.LOADED)
    assert _value(metrics, "scopegate_policy_current") == 1
    metrics.policy_looked_at(Reload.REFUSED)
    assert _value(metrics, "scopegate_policy_current") == 0
    metrics.policy_looked_at(Reload.UNCHANGED)
    assert _value(metrics, "scopegate_policy_current") == 1
    assert _value(metrics, "scopegate_policy_reloads_total", outcome="refused") == 1


def test_warehouses_of_the_policy_have_a_series_from_the_start() -> None:
    """A counter that appears with its first increase hides that increase from a rate."""
    metrics = Metrics()
    metrics.policy_in_force("v1", 0.0, ["sales"])
    assert (
        _value(metrics, "scopegate_decisions_total", warehouse="sales", outcome="allow", reason="granted")
        == 0
    )
    assert _value(metrics, "scopegate_policy_info", version="v1") == 1


def test_a_source_that_failed_keeps_its_time_and_one_that_never_came_has_zero() -> None:
    """The age of keys is the time since they were last confirmed."""
    metrics = Metrics()
    name = "scopegate_key_source_confirmed_timestamp_seconds"
    metrics.source_refreshed("issuer_keys", "okta", Refresh.FAILED, None)
    assert _value(metrics, name, kind="issuer_keys", name="okta") == 0
    metrics.source_refreshed("issuer_keys", "okta", Refresh.LOADED, 100.0)
    assert _value(metrics, FAILING, kind="issuer_keys", name="okta") == 0
    metrics.source_refreshed("issuer_keys", "okta", Refresh.FAILED, 100.0)
    assert _value(metrics, name, kind="issuer_keys", name="okta") == 100
    assert _value(metrics, FAILING, kind="issuer_keys", name="okta") == 1
    outcome = "scopegate_key_source_refreshes_total"
    assert _value(metrics, outcome, kind="issuer_keys", name="okta", outcome="failed") == 2


def test_a_source_that_is_gone_has_no_series() -> None:
    """An issuer that left the policy must not look stale for ever."""
    metrics = Metrics()
    metrics.source_refreshed("issuer_keys", "okta", Refresh.LOADED, 100.0)
    metrics.source_gone("issuer_keys", "okta")
    assert 'name="okta"' not in _text(metrics)


def test_readiness_and_defects_are_visible() -> None:
    """Both have a metric beside the endpoint and the log."""
    metrics = Metrics()
    metrics.defect()
    metrics.ready(ready=True)
    assert _value(metrics, "scopegate_defects_total") == 1
    assert _value(metrics, "scopegate_ready") == 1
    metrics.ready(ready=False)
    assert _value(metrics, "scopegate_ready") == 0


def test_the_format_follows_the_accept_header() -> None:
    """Prometheus asks for OpenMetrics; a person with curl gets the plain text format."""
    metrics = Metrics()
    assert metrics.text("application/openmetrics-text; version=1.0.0")[1].startswith(
        "application/openmetrics-text"
    )
    assert metrics.text("*/*")[1].startswith("text/plain")


def test_times_are_apart_by_what_was_remembered() -> None:
    """A slow cold check must not hide among the warm ones; buckets add up."""
    metrics = Metrics()
    metrics.decided("sales", Reason.GRANTED, 15e-6, warm=True)
    metrics.decided("sales", Reason.GRANTED, 25e-6, warm=True)
    metrics.decided("sales", Reason.GRANTED, 9.0)
    name = "scopegate_check_seconds"
    buckets = [
        _value(metrics, f"{name}_bucket", cache="warm", le=le) for le in ("1e-05", "2e-05", "3e-05", "+Inf")
    ]
    assert buckets == [0, 1, 2, 2]
    assert _value(metrics, f"{name}_sum", cache="warm") == pytest.approx(40e-6)
    assert _value(metrics, f"{name}_bucket", cache="cold", le="0.25") == 0
    assert _value(metrics, f"{name}_count", cache="cold") == 1


def test_memories_are_counted_across_a_reload() -> None:
    """New keys bring new, empty memories; the counters must not fall, or every rate would jump."""
    metrics, old, new = Metrics(), Memory[str, int](10), Memory[str, int](10)
    metrics.watch_memories({"decisions": old})
    old["a"] = 1
    old.recall("a")
    old.recall("b")
    metrics.watch_memories({"decisions": new})
    new.recall("a")
    name = "scopegate_memory_lookups_total"
    assert _value(metrics, name, memory="decisions", outcome="hit") == 1
    assert _value(metrics, name, memory="decisions", outcome="miss") == 2
    assert _value(metrics, "scopegate_memory_entries", memory="decisions") == 0
    assert _value(metrics, "scopegate_memory_limit_entries", memory="decisions") == 10


def test_the_stalest_revocation_list_shows() -> None:
    """One stale list refuses people; a trust without lists has no series, since nothing of it can be stale."""
    metrics = Metrics()
    metrics.watch_revocation_lists(lambda: {"extracts": [(10.0, 90.0), (20.0, 80.0)], "other": []})
    assert _value(metrics, "scopegate_revocation_list_made_timestamp_seconds", name="extracts") == 10
    assert _value(metrics, "scopegate_revocation_list_due_timestamp_seconds", name="extracts") == 80
    assert 'name="other"' not in _text(metrics)


def _traced(traceparent: str) -> str:
    metrics = Metrics()
    metrics.decided("sales", Reason.GRANTED, 15e-6, traceparent=traceparent, at=1_790_000_000.0)
    return metrics.text(OPEN_METRICS)[0].decode()


def test_a_sampled_trace_is_an_exemplar() -> None:
    """From a slow bucket to the trace of one such request; only in the format that has exemplars."""
    exemplar = f'# {{trace_id="{TRACE}"}} 1.5e-05 1790000000.0'
    assert exemplar in _traced(f"00-{TRACE}-b7ad6b7169203331-01")
    metrics = Metrics()
    metrics.decided("sales", Reason.GRANTED, 15e-6, traceparent=f"00-{TRACE}-b7ad6b7169203331-01", at=1.0)
    assert TRACE not in _text(metrics)


@pytest.mark.parametrize(
    "text",
    [
        f"00-{TRACE}-b7ad6b7169203331-00",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"00-{TRACE}-b7ad6b7169203331-01\n",
        f'00-{TRACE}"-b7ad6b7169203331-01',
        "Bearer canary",
        "",
    ],
)
def test_nothing_else_of_a_header_is_shown(text: str) -> None:
    """A trace that nobody keeps leads nowhere, and whatever is no trace id may be anything."""
    assert "trace_id" not in _traced(text)


def test_prometheus_has_nothing_to_complain_of() -> None:
    """The conventions of https://prometheus.io/docs/practices/naming/, where its own checker is installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; `make test-monitoring` needs it")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=_text(exercised()), text=True, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
