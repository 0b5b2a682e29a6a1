"""Each decision is noted: counted and recorded."""

import asyncio

import pytest

from authz.audit.facts import policy_reads
from authz.audit.record import Noted, Recorder
from authz.audit.sink import AuditSink, NoAudit
from authz.case import Occasion
from authz.check import Outcome
from authz.errors import Denied, Reason
from authz.recording import Kept, Recording
from authz.telemetry.metrics import Metrics
from tests.audit_trails import body_of
from tests.unit.transport.outcomes import allowed, denied


class Keeping(NoAudit):
    """A sink that keeps records for the test."""

    def __init__(self) -> None:
        self.records: list[Noted] = []

    def offer(self, noted: Noted) -> None:
        self.records.append(noted)


def _noted(outcome: Outcome) -> tuple[Metrics, list[Noted]]:
    metrics, audit = Metrics(), Keeping()
    recording = Recording(Recorder(policy_reads(None)), metrics=metrics, audit=audit)
    recording.decided(Occasion.of(outcome, None, decision_id="d" * 32, at=1.0, seconds=30e-6))
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


class Refusing(NoAudit):
    """A sink that cannot take anything."""

    def offer(self, noted: Noted) -> None:
        raise Denied(Reason.AUDIT_UNAVAILABLE, "full")


class Waiting(NoAudit):
    """A sink whose record is kept, or not, later."""

    def __init__(self) -> None:
        self.future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def offer(self, noted: Noted) -> "asyncio.Future[bool]":
        return self.future


def _decisions(metrics: Metrics, reason: str) -> float | None:
    outcome = "allow" if reason == "granted" else "deny"
    labels = {"warehouse": "sales", "outcome": outcome, "reason": reason}
    return metrics.registry.get_sample_value("scopegate_decisions_total", labels)


def _decided(audit: AuditSink, outcome: Outcome) -> tuple[Metrics, Kept | None]:
    metrics = Metrics()
    recording = Recording(Recorder({}), metrics=metrics, audit=audit)
    return metrics, recording.decided(Occasion.of(outcome, None, decision_id="d" * 32, at=1.0, seconds=30e-6))


def test_an_allow_without_a_record_is_refused_and_a_denial_stays_one() -> None:
    """What the client is told is what is counted."""
    with pytest.raises(Denied):
        _decided(Refusing(), allowed())
    metrics, kept = _decided(Refusing(), denied())
    assert kept is None
    assert _decisions(metrics, "no_grant") == 1


@pytest.mark.parametrize(("is_kept", "reason"), [(False, "audit_unavailable"), (True, "granted")])
async def test_an_allow_that_waits_is_counted_when_its_fate_is_known(*, is_kept: bool, reason: str) -> None:
    """As granted, or as what the client was told instead."""
    audit = Waiting()
    metrics, kept = _decided(audit, allowed())
    assert kept is not None
    assert not _decisions(metrics, reason)
    audit.future.set_result(is_kept)
    if is_kept:
        await kept
    else:
        with pytest.raises(Denied):
            await kept
    assert _decisions(metrics, reason) == 1
