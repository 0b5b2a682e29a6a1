"""Each decision is noted: counted, recorded, and followed by a look for keys where these did not settle it."""

import pytest

from authz.audit.facts import policy_reads
from authz.audit.record import AuditRecord, Recorder
from authz.audit.sink import NoAudit
from authz.check import Outcome
from authz.errors import Reason
from authz.recording import Recording
from authz.telemetry.metrics import Metrics
from tests.unit.transport.outcomes import allowed, denied


class Kept(NoAudit):
    """A sink that keeps records for the test."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    def offer(self, record: AuditRecord) -> None:
        self.records.append(record)


def _noted(outcome: Outcome) -> tuple[Metrics, list[AuditRecord], list[str]]:
    metrics, audit, wanted = Metrics(), Kept(), list[str]()
    recording = Recording(
        Recorder(policy_reads(None)), metrics=metrics, audit=audit, refresh_soon=wanted.append
    )
    recording.decided(outcome, None, decision_id="d" * 32, at=1.0, seconds=30e-6)
    return metrics, audit.records, wanted


@pytest.mark.parametrize(
    ("outcome", "labels"),
    [
        (denied(), {"warehouse": "sales", "outcome": "deny", "reason": "no_grant"}),
        (allowed(), {"warehouse": "sales", "outcome": "allow", "reason": "granted"}),
    ],
)
def test_a_decision_is_counted_timed_and_recorded(outcome: Outcome, labels: dict[str, str]) -> None:
    """Once each."""
    metrics, records, wanted = _noted(outcome)
    assert metrics.registry.get_sample_value("scopegate_decisions_total", labels) == 1
    assert metrics.registry.get_sample_value("scopegate_check_seconds_count") == 1
    assert [record.reason for record in records] == [labels["reason"]]
    assert wanted == []


def test_a_defect_has_a_counter_of_its_own() -> None:
    """It is what somebody should be woken for."""
    metrics, _, _ = _noted(denied(Reason.INTERNAL_ERROR))
    assert metrics.registry.get_sample_value("scopegate_defects_total") == 1


def test_an_unknown_key_has_the_issuers_keys_looked_up() -> None:
    """By the configured name, not by what the token says."""
    _, _, wanted = _noted(denied(Reason.TOKEN_KEY_UNKNOWN, issuer="okta"))
    assert wanted == ["okta"]
