"""Metrics: names are an interface, labels come from closed sets."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from authz.errors import Reason
from authz.telemetry.metrics import Metrics, Refresh, Reload

GOLDEN = Path(__file__).parents[2] / "golden" / "metrics.txt"


def _text(metrics: Metrics) -> str:
    return metrics.text("")[0].decode()


def _value(metrics: Metrics, series: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(series, labels)


def exercised() -> Metrics:
    """Metrics in which every family has a series."""
    metrics = Metrics()
    metrics.decided("sales", Reason.GRANTED)
    metrics.decided(None, Reason.ROUTE_UNKNOWN)
    metrics.observe_check_seconds(30e-6)
    metrics.watch_in_flight(lambda: 2)
    metrics.policy_looked_at(Reload.LOADED)
    metrics.policy_in_force("v1", 1_790_000_000.0, ["sales", "stock"])
    metrics.source_refreshed("issuer_keys", "okta", Refresh.LOADED, 1_790_000_000.0)
    metrics.audited("written", 3)
    return metrics


def test_names_types_and_labels_are_the_golden_ones() -> None:
    """Dashboards and alerts depend on them: a change here is a change for every operator."""
    lines = []
    for family in text_string_to_metric_families(_text(exercised())):
        if not family.name.startswith("scopegate"):
            continue
        labels = sorted({label for sample in family.samples for label in sample.labels})
        lines.append(f"{family.name} {family.type} {','.join(labels)}".rstrip())
    assert "\n".join(sorted(lines)) + "\n" == GOLDEN.read_text()


def test_decisions_are_counted_by_warehouse_outcome_and_reason() -> None:
    """A denial without a warehouse has the empty name, which no warehouse can have."""
    metrics = Metrics()
    metrics.decided(None, Reason.ROUTE_UNKNOWN)
    metrics.decided("sales", Reason.NO_GRANT)
    metrics.decided("sales", Reason.GRANTED)
    metrics.decided("sales", Reason.GRANTED)
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
    metrics.source_refreshed("issuer_keys", "okta", Refresh.FAILED, 100.0)
    assert _value(metrics, name, kind="issuer_keys", name="okta") == 100
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
