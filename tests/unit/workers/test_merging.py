"""The metrics of several workers as one."""

import re

from prometheus_client import CollectorRegistry, Counter, Gauge

from authz.errors import Reason
from authz.telemetry.metrics import Metrics
from authz.workers.merging import LEAST, OPENMETRICS, SUMMED, merged


def _worker(decisions: int, *, ready: bool, current: float) -> str:
    metrics = Metrics()
    metrics.policy_in_force("v1", current, ["sales"])
    metrics.ready(ready=ready)
    for _ in range(decisions):
        metrics.decided(
            "sales", Reason.GRANTED, 0.002, warm=True, traceparent=f"00-{'1' * 32}-{'2' * 16}-01", at=5
        )
    return metrics.text(OPENMETRICS)[0].decode()


def _merged(*texts: str, accept: str = "") -> str:
    own = CollectorRegistry()
    Counter("scopegate_worker_restarts", "How often", registry=own).inc(3)
    Gauge("scopegate_workers", "How many", registry=own).set(len(texts))
    return merged(texts, own, accept)[0].decode()


def _value(text: str, series: str) -> float:
    match = re.search(rf"^{re.escape(series)} (\S+)", text, re.MULTILINE)
    assert match is not None, text
    return float(match[1])


def test_counters_and_histograms_are_sums() -> None:
    """Bucket by bucket."""
    text = _merged(_worker(3, ready=True, current=10), _worker(4, ready=True, current=20))
    assert _value(text, 'scopegate_decisions_total{outcome="allow",reason="granted",warehouse="sales"}') == 7
    assert _value(text, 'scopegate_check_seconds_count{cache="warm"}') == 7
    assert _value(text, 'scopegate_check_seconds_bucket{cache="warm",le="+Inf"}') == 7


def test_of_a_state_the_worst_is_told() -> None:
    """One worker that is not ready, or behind with its policy, is one too many."""
    text = _merged(_worker(0, ready=True, current=10), _worker(0, ready=False, current=20))
    assert _value(text, "scopegate_ready") == 0
    assert _value(text, "scopegate_policy_loaded_timestamp_seconds") == 10
    assert _value(text, 'scopegate_policy_info{version="v1"}') == 1


def test_one_worker_is_told_as_it_is() -> None:
    """With the supervisor's own series beside, and the exemplars where the form has them."""
    text = _merged(_worker(2, ready=True, current=10), accept=OPENMETRICS)
    assert _value(text, "scopegate_workers") == 1
    assert _value(text, "scopegate_worker_restarts_total") == 3
    assert f'trace_id="{"1" * 32}"' in text
    assert text.endswith("# EOF\n")


def test_every_gauge_of_the_server_has_its_rule() -> None:
    """Those that are neither sums nor the least are ones of which the most is the worst."""
    gauges = set(re.findall(r"^# TYPE (\S+) gauge$", _worker(0, ready=True, current=1), re.MULTILINE))

    the_most = {
        "scopegate_clock_timestamp_seconds",
        "scopegate_key_source_failing",
        "scopegate_signing_key_signs",
        "process_start_time_seconds",
    }
    assert gauges - LEAST - SUMMED <= the_most
    assert not LEAST & SUMMED
