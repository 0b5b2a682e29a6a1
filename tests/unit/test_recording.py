"""Each decision is noted: counted and recorded."""

import pytest

from authz.audit.facts import policy_reads
from authz.audit.record import Noted, Recorder
from authz.audit.sink import NoAudit
from authz.check import Outcome
from authz.errors import Reason
from authz.recording import Recording
from authz.telemetry.metrics import Metrics
from tests.audit_trails import body_of
from tests.unit.transport.outcomes import allowed, denied


class Kept(NoAudit):
    """A sink that keeps records for the test."""

    def __init__(self) -> None:
        self.records: list[Noted] = []

    def offer(self, noted: Noted) -> None:
        self.records.append(noted)


def _noted(outcome: Outcome) -> tuple[Metrics, list[Noted]]:
    metrics, audit = Metrics(), Kept()
    recording = Recording(Recorder(policy_reads(None)), metrics=metrics, audit=audit)
    recording.decided(outcome, None, decision_id="d" * 32, at=1.0, seconds=30e-6)
    return metrics, audit.records


@pytest.mark.parametrize(
    ("outcome", "labels"),
    [
        (denied(), {"warehouse": "sales", "outcome": "deny", "reason": "no_grant"}),
        (allowed(), {"warehouse": "sales", "outcome": "allow", "reason": "granted"}),
    ],
)
def test_a_decision_is_counted_timed_and_recorded(outcome: Outcome, labels: dict[str, str]) -> None:
    """Once each."""
    metrics, records = _noted(outcome)
    assert metrics.registry.get_sample_value("scopegate_decisions_total", labels) == 1
    assert metrics.registry.get_sample_value("scopegate_check_seconds_count", {"cache": "cold"}) == 1
    assert [body_of(record)["reason"] for record in records] == [labels["reason"]]


def test_a_defect_has_a_counter_of_its_own() -> None:
    """It is what somebody should be woken for."""
    metrics, _ = _noted(denied(Reason.INTERNAL_ERROR))
    assert metrics.registry.get_sample_value("scopegate_defects_total") == 1
