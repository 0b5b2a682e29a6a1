"""Metrics for Prometheus. Labels come from closed sets and from names in the policy, never from a request.

The one thing of a request that is shown is the trace id of an exemplar: 32 hex digits or nothing (`traces`).
"""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector

from authz import __version__
from authz.case import Occasion
from authz.check import Phase
from authz.errors import Reason
from authz.memory import Memory
from authz.telemetry.memories import Memories
from authz.telemetry.revocations import Lists, RevocationLists
from authz.telemetry.series import Decisions, Times
from authz.telemetry.signing import ReadKeys, SigningKeySeries

CHECK_BUCKETS: Final = tuple(
    n / 1_000_000
    for n in (10, 20, 30, 50, 75, 100, 150, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000)
)
"""Seconds. A warm check takes tens of microseconds, one with a signature to verify some hundred."""
PHASE_BUCKETS: Final = tuple(n / 1_000_000 for n in (1, 2, 5, 10, 20, 50, 100, 250, 1_000, 10_000))
"""Seconds."""
SYNC_BUCKETS: Final = (0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Seconds. What a disk takes until a record is durable: a tenth of a millisecond, or a second when it is ill."""


_NOTED: Final = 64
"""Occasions that are counted together: a tenth of a millisecond's work."""


class Warmth(StrEnum):
    """What was at hand for a check."""

    WARM = "warm"
    """Credentials and decision were remembered."""
    COLD = "cold"


class Reload(StrEnum):
    """How a look at the policy files ended."""

    LOADED = "loaded"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class Refresh(StrEnum):
    """How a look at an issuer's keys ended."""

    LOADED = "loaded"
    FAILED = "failed"


class Metrics:
    """Every metric of one process, in a registry of its own. Written by the event loop and the audit writer."""

    def __init__(self) -> None:
        # One `_created` series for each counter would double what is scraped, and tells no operator anything.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._noted: list[Occasion] = []
        self._decisions = Decisions(self._catch_up)
        self._check_seconds = Times(
            "scopegate_check_seconds",
            "Time from the bytes of a question to the bytes of its answer, by what was remembered",
            "cache",
            [warmth.value for warmth in Warmth],
            CHECK_BUCKETS,
            self._catch_up,
        )
        self._phase_seconds = Times(
            "scopegate_check_phase_seconds",
            "Time of the phases of a check, for a sample of the checks",
            "phase",
            [phase.value for phase in Phase],
            PHASE_BUCKETS,
        )
        self._memories = Memories()
        self._revocation_lists = RevocationLists()
        self._signing_keys = SigningKeySeries()
        for collector in (
            self._decisions,
            self._check_seconds,
            self._phase_seconds,
            self._memories,
            self._revocation_lists,
            self._signing_keys,
        ):
            self.registry.register(collector)
        self._in_flight = Gauge(
            "scopegate_checks_in_flight",
            "Checks that are accepted and not yet answered",
            registry=self.registry,
        )
        self._spans = Counter(
            "scopegate_trace_spans",
            "Spans of sampled checks by fate: exported, failed at the collector, dropped because too many waited, limited (never made; one a check)",
            ["fate"],
            registry=self.registry,
        )
        self._defects = Counter(
            "scopegate_defects", "Checks denied because of a defect in Scopegate", registry=self.registry
        )
        self._ready = Gauge(
            "scopegate_ready", "1 when policy and all keys are loaded", registry=self.registry
        )
        Gauge(
            "scopegate_clock_timestamp_seconds",
            "This process' clock: tokens, lists and grants begin and end by it",
            registry=self.registry,
        ).set_function(time.time)
        self._policy_info = Info("scopegate_policy", "The policy in force", registry=self.registry)
        self._policy_loaded_at = Gauge(
            "scopegate_policy_loaded_timestamp_seconds",
            "When the policy in force was loaded",
            registry=self.registry,
        )
        self._policy_current = Gauge(
            "scopegate_policy_current",
            "0 while the files hold a policy that was refused",
            registry=self.registry,
        )
        self._reloads = Counter(
            "scopegate_policy_reloads",
            "Looks at the policy files by outcome",
            ["outcome"],
            registry=self.registry,
        )
        self._source_confirmed_at = Gauge(
            "scopegate_key_source_confirmed_timestamp_seconds",
            "When the keys of an issuer or the roots of client certificates were last confirmed; 0 is never",
            ["kind", "name"],
            registry=self.registry,
        )
        self._refreshes = Counter(
            "scopegate_key_source_refreshes",
            "Looks at the keys of an issuer or the roots of client certificates by outcome",
            ["kind", "name", "outcome"],
            registry=self.registry,
        )
        self._source_failing = Gauge(
            "scopegate_key_source_failing",
            "1 when the last look at the keys of an issuer or the roots of client certificates failed",
            ["kind", "name"],
            registry=self.registry,
        )
        self._revocations = Gauge(
            "scopegate_revocations",
            "Entries of the file of revocations in force, those that have ended included",
            registry=self.registry,
        )
        self._introspections = Counter(
            "scopegate_introspections",
            "Questions to issuers about opaque tokens by outcome",
            ["issuer", "outcome"],
            registry=self.registry,
        )
        self._audit = Counter(
            "scopegate_audit_records", "Audit records by fate", ["fate"], registry=self.registry
        )
        self._audit_queue = Gauge(
            "scopegate_audit_queue_records",
            "Audit records that wait to be written",
            registry=self.registry,
        )
        sync_seconds = Histogram(
            "scopegate_audit_sync_seconds",
            "Time until written audit records are durable",
            buckets=SYNC_BUCKETS,
            registry=self.registry,
        )
        self.audit_synced: Callable[[float], None] = sync_seconds.observe
        """Note the seconds of one fsync. May be called from any thread."""
        Info("scopegate_build", "The running version", registry=self.registry).info({"version": __version__})
        self._bind_closed_sets()

    def _bind_closed_sets(self) -> None:
        """Series of closed sets exist from the start: a counter that appears late hides its first increase."""
        for reload in Reload:
            self._reloads.labels(reload.value)

    def watch_in_flight(self, count: Callable[[], float]) -> None:
        """Read the number of checks in flight from `count` at each scrape."""
        self._in_flight.set_function(count)

    def watch_audit_queue(self, count: Callable[[], float]) -> None:
        """Read the number of audit records that wait to be written from `count` at each scrape."""
        self._audit_queue.set_function(count)

    def watch_memories(self, memories: Mapping[str, Memory[Any, Any]]) -> None:
        """Show these memories from now on; their names are of a closed set."""
        self._memories.watch(memories)

    def watch_revocation_lists(self, read: Callable[[], Lists]) -> None:
        """Read the times of the revocation lists from `read` at each scrape."""
        self._revocation_lists.read = read

    def watch_signing_keys(self, read: ReadKeys) -> None:
        """Read the keys to sign with from `read` at each scrape."""
        self._signing_keys.read = read

    def decided(  # noqa: PLR0913 - one call on the hot path, in place of two
        self,
        warehouse: str | None,
        reason: Reason,
        seconds: float,
        *,
        warm: bool = False,
        traceparent: str | None = None,
        at: float = 0.0,
    ) -> None:
        """Count a decision that was made at `at` (seconds since the epoch) and took `seconds`.

        `warehouse` is a configured name, or None where no warehouse was found; `warm` says that credentials and
        decision were remembered; `traceparent` is the raw text of the header.
        """
        self._decisions.count(warehouse, reason)
        self._check_seconds.observe("warm" if warm else "cold", seconds, traceparent, at)

    def noted(self, occasion: Occasion) -> None:
        """`decided`, with the reason of the case: many at a time, which finds in the processor's caches what it needs."""
        self._noted.append(occasion)
        if len(self._noted) >= _NOTED:
            self._catch_up()

    def _catch_up(self) -> None:
        noted, self._noted = self._noted, []
        for case, times in Tally(occasion.case for occasion in noted).items():
            self._decisions.count(case.warehouse, case.reason, times)
        self._check_seconds.observe_all(
            [
                ("warm" if case.outcome.remembered else "cold", seconds, traceparent, at)
                for case, _, at, seconds, _, _, traceparent in noted
            ]
        )

    def timed(self, phases: Iterable[tuple[Phase, float]]) -> None:
        """The phases of one check out of many, with their seconds."""
        for phase, seconds in phases:
            self._phase_seconds.observe(phase.value, seconds)

    def defect(self) -> None:
        """Count a check that was denied because an exception nobody foresaw was raised."""
        self._defects.inc()

    def ready(self, *, ready: bool) -> None:
        """Whether this process answers from a policy and all keys."""
        self._ready.set(ready)

    def policy_looked_at(self, outcome: Reload) -> None:
        """Count a look at the policy files."""
        self._reloads.labels(outcome.value).inc()
        self._policy_current.set(outcome is not Reload.REFUSED)

    def policy_in_force(self, version: str, at: float, warehouses: Iterable[str]) -> None:
        """Describe the policy in force since `at` (seconds since the epoch)."""
        self._policy_info.info({"version": version})
        self._policy_loaded_at.set(at)
        for warehouse in warehouses:
            self._decisions.expect(warehouse)

    def source_refreshed(self, kind: str, name: str, outcome: Refresh, confirmed_at: float | None) -> None:
        """Count a look at a key source. `kind` is of a closed set, `name` a configured one."""
        self._refreshes.labels(kind, name, outcome.value).inc()
        self._source_failing.labels(kind, name).set(outcome is Refresh.FAILED)
        self._source_confirmed_at.labels(kind, name).set(confirmed_at or 0.0)

    def source_gone(self, kind: str, name: str) -> None:
        """Forget the series of a source that the policy no longer names."""
        self._refreshes.remove_by_labels({"kind": kind, "name": name})
        self._source_failing.remove_by_labels({"kind": kind, "name": name})
        self._source_confirmed_at.remove_by_labels({"kind": kind, "name": name})

    def revocations_in_force(self, entries: int) -> None:
        """Note the number of revocations in force."""
        self._revocations.set(entries)

    def introspected(self, issuer: str, outcome: str) -> None:
        """Count a question about an opaque token. `issuer` is a configured name, `outcome` of a closed set."""
        self._introspections.labels(issuer, outcome).inc()

    def audited(self, fate: str, records: int) -> None:
        """Count audit records by what became of them, a closed set. Called from the writer's thread, too."""
        self._audit.labels(fate).inc(records)

    def traced(self, fate: str, spans: int) -> None:
        """Count spans by what became of them, a closed set. Called from the exporter's thread, too."""
        self._spans.labels(fate).inc(spans)

    def text(self, accept: str) -> tuple[bytes, str]:
        """Every series in the text format that an `Accept` header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
