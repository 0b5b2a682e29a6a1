"""Recording rules and alerts. `make monitoring` writes them to `rules.yml`.

Alerts wake somebody (`page`), go to a queue (`ticket`) or are to be looked at (`notice`). None of them acts: that
access is unusual is said, and what to do about it is for people to decide.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from deploy.monitoring.slo import ANSWERED, EDGE, OUR_FAULT, SOON, SOON_SECONDS, WINDOWS, late, unanswered

RUNBOOKS: Final = "docs/runbooks"
"""Prefix it with where your people read this repository."""


class Severity(StrEnum):
    """Who is told, and how soon."""

    PAGE = "page"
    TICKET = "ticket"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A series that is computed from others."""

    name: str
    expr: str

    def as_rule(self) -> dict[str, Any]:
        """In Prometheus' words."""
        return {"record": self.name, "expr": self.expr}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that somebody should know. `summary` and `description` may have Prometheus' templates in them."""

    name: str
    expr: str
    severity: Severity
    summary: str
    description: str
    lasting: str = "0m"
    labels: dict[str, str] = field(default_factory=dict)

    def as_rule(self) -> dict[str, Any]:
        """In Prometheus' words."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasting,
            "labels": {"severity": self.severity.value, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOKS}/{self.name}.md",
            },
        }


RECORDS: Final = (
    *(Record(name=f"scopegate:unanswered:ratio_rate{window}", expr=unanswered(window)) for window in WINDOWS),
    *(Record(name=f"scopegate:late:ratio_rate{window}", expr=late(window)) for window in WINDOWS),
    Record(
        name="scopegate:denials:rate15m",
        expr=(
            f'sum by (warehouse, reason) (rate(scopegate_decisions_total{{outcome="deny",reason!~"{OUR_FAULT}"}}[15m]))'
        ),
    ),
)


def _burns(name: str, factor: float, long: str, short: str, promise: float) -> str:
    """Errors come `factor` times as fast as would use up a month's allowance in a month, for long and still now."""
    bound = f"{factor} * {round(1 - promise, 6)}"
    series = f"scopegate:{name}:ratio_rate"
    return f"({series}{long} > {bound} and {series}{short} > {bound})"


def _burn_alerts(name: str, series: str, promise: float, what: str) -> tuple[Alert, Alert]:
    """Windows and factors as in https://sre.google/workbook/alerting-on-slos/, its sixth way."""
    return (
        Alert(
            name=f"{name}Fast",
            expr=f"{_burns(series, 14.4, '1h', '5m', promise)} or {_burns(series, 6, '6h', '30m', promise)}",
            severity=Severity.PAGE,
            lasting="2m",
            summary=f"{what}: a month's allowance is gone within days at this pace",
            description="{{ $value | humanizePercentage }} of the checks, for an hour or more.",
        ),
        Alert(
            name=f"{name}Slow",
            expr=f"{_burns(series, 3, '1d', '2h', promise)} or {_burns(series, 1, '3d', '6h', promise)}",
            severity=Severity.TICKET,
            lasting="1h",
            summary=f"{what}: a month's allowance will not last",
            description="{{ $value | humanizePercentage }} of the checks, for a day or more.",
        ),
    )


PROMISES: Final = (
    *_burn_alerts("ScopegateUnanswered", "unanswered", ANSWERED, "checks are not answered"),
    *_burn_alerts("ScopegateLate", "late", SOON, f"checks take longer than {SOON_SECONDS * 1000:g} ms"),
)

WORKERS: Final = (
    Alert(
        name="ScopegateWorkerDown",
        expr='up{job="scopegate"} == 0 or absent(up{job="scopegate"})',
        severity=Severity.PAGE,
        lasting="1m",
        summary="a Scopegate worker cannot be scraped",
        description="{{ $labels.instance }} is gone, hangs, or Prometheus no longer knows where it is.",
    ),
    Alert(
        name="ScopegateWorkersMissing",
        # For most of five minutes: a worker that ends again and again runs for a moment each time.
        expr="avg_over_time(scopegate_workers_running[5m]) < scopegate_workers - 0.5",
        severity=Severity.PAGE,
        lasting="1m",
        summary="a Scopegate service has fewer workers than it should",
        description="{{ $labels.instance }}: {{ $value | humanize }} run, on the average of five minutes.",
    ),
    Alert(
        name="ScopegateWorkerRestarts",
        expr="increase(scopegate_worker_restarts_total[1h]) > 0",
        severity=Severity.TICKET,
        summary="a Scopegate worker ended by itself, and was started anew",
        description="{{ $labels.instance }}: the event `worker_ended` or `worker_hangs` in the log says which one.",
    ),
    Alert(
        name="ScopegateNotReady",
        expr="scopegate_ready == 0",
        severity=Severity.PAGE,
        lasting="5m",
        summary="a Scopegate worker does not become ready",
        description="{{ $labels.instance }} runs without a policy or without keys; /readyz says what is missing.",
    ),
    Alert(
        name="ScopegateDefect",
        expr="increase(scopegate_defects_total[10m]) > 0",
        severity=Severity.PAGE,
        summary="a check was denied because of a defect",
        description="{{ $labels.instance }}: the event `defect` in the log has the place in the code.",
    ),
    Alert(
        name="ScopegateClockWrong",
        expr=("abs(scopegate_clock_timestamp_seconds - timestamp(scopegate_clock_timestamp_seconds)) > 30"),
        severity=Severity.PAGE,
        lasting="1m",
        summary="the clock of a Scopegate worker is wrong, or Prometheus' is",
        description="{{ $labels.instance }} differs by {{ $value | humanizeDuration }}: tokens begin and end at the wrong time.",
    ),
    Alert(
        name="ScopegateDescriptorsScarce",
        # Without a descriptor left nobody can count them: then there is a scrape, and nothing about them in it.
        expr=(
            'process_open_fds{job="scopegate"} > 0.7 * process_max_fds{job="scopegate"}'
            ' or up{job="scopegate"} == 1 unless on (job, instance) process_open_fds'
        ),
        severity=Severity.TICKET,
        lasting="2m",
        summary="a Scopegate worker has used most of its file descriptors",
        description="{{ $labels.instance }}: somebody opens connections, or the limit is too low.",
    ),
    Alert(
        name="ScopegateTracesLost",
        # What is limited is meant to be.
        expr='sum by (job, instance) (rate(scopegate_trace_spans_total{fate=~"failed|dropped"}[10m])) > 0',
        severity=Severity.TICKET,
        lasting="15m",
        summary="spans of a Scopegate worker do not reach their collector",
        description="{{ $labels.instance }} loses {{ $value | humanize }} spans a second; no answer suffers.",
    ),
)

POLICY: Final = (
    Alert(
        name="ScopegatePolicyRefused",
        expr="scopegate_policy_current == 0",
        severity=Severity.TICKET,
        lasting="2m",
        summary="the policy files hold a policy that was refused; the one before stays in force",
        description="{{ $labels.instance }}: /readyz and the event `policy_problem` say what is wrong and where.",
    ),
    Alert(
        name="ScopegatePoliciesDiffer",
        expr='count(count by (version) (scopegate_policy_info{job="scopegate"})) > 1',
        severity=Severity.TICKET,
        lasting="15m",
        summary="workers answer from different policies",
        description="{{ $value }} versions are in force at the same time.",
    ),
)

KEYS: Final = (
    Alert(
        name="ScopegateKeysMissing",
        expr="scopegate_key_source_confirmed_timestamp_seconds == 0",
        severity=Severity.PAGE,
        lasting="2m",
        summary="there have never been keys of {{ $labels.name }}",
        description="{{ $labels.instance }}: whoever is vouched for by {{ $labels.name }} ({{ $labels.kind }}) gets 503.",
    ),
    Alert(
        name="ScopegateKeysStale",
        expr=(
            "time() - scopegate_key_source_confirmed_timestamp_seconds > 3600"
            " and scopegate_key_source_confirmed_timestamp_seconds > 0"
            " and on (job, instance, kind, name) scopegate_key_source_failing == 1"
        ),
        severity=Severity.TICKET,
        lasting="5m",
        summary="the keys of {{ $labels.name }} cannot be confirmed",
        description=(
            "{{ $labels.instance }}: {{ $labels.kind }} {{ $labels.name }} was last confirmed"
            " {{ $value | humanizeDuration }} ago; the last good keys are in use."
        ),
    ),
    Alert(
        name="ScopegateRevocationListStale",
        expr="scopegate_revocation_list_due_timestamp_seconds - time() <= 0",
        severity=Severity.PAGE,
        summary="a revocation list of {{ $labels.name }} is stale",
        description="{{ $labels.instance }}: client certificates of {{ $labels.name }} are refused with 503 or 401.",
    ),
    Alert(
        name="ScopegateRevocationListDueSoon",
        expr="0 < scopegate_revocation_list_due_timestamp_seconds - time() < 0.2"
        " * (scopegate_revocation_list_due_timestamp_seconds - scopegate_revocation_list_made_timestamp_seconds)",
        severity=Severity.TICKET,
        lasting="5m",
        summary="a revocation list of {{ $labels.name }} is stale soon",
        description="{{ $labels.instance }}: in {{ $value | humanizeDuration }}, unless a newer one is put in place.",
    ),
)

AUDIT: Final = (
    Alert(
        name="ScopegateAuditRecordsLost",
        expr='increase(scopegate_audit_records_total{fate=~"dropped.*"}[10m]) > 0',
        severity=Severity.PAGE,
        summary="audit records are lost",
        description="{{ $labels.instance }}: {{ $value | humanize }} within ten minutes ({{ $labels.fate }}).",
    ),
    Alert(
        name="ScopegateAuditQueueGrows",
        expr="scopegate_audit_queue_records > 10000",
        severity=Severity.TICKET,
        lasting="2m",
        summary="audit records are written more slowly than they are made",
        description="{{ $labels.instance }}: {{ $value | humanize }} records wait.",
    ),
)

UNUSUAL: Final = (
    Alert(
        name="ScopegateDenialsSurge",
        expr=(
            "scopegate:denials:rate15m > 0.2 and scopegate:denials:rate15m > 5"
            " * (avg_over_time(scopegate:denials:rate15m[1d] offset 30m) or 0 * scopegate:denials:rate15m)"
        ),
        severity=Severity.NOTICE,
        lasting="5m",
        summary="many more denials than yesterday at {{ $labels.warehouse }}: {{ $labels.reason }}",
        description="{{ printf `%.2g` $value }} a second. Somebody tries things out, or a change broke people's access.",
    ),
)

ENVOY: Final = (
    Alert(
        name="EdgeDown",
        expr='up{job="envoy"} == 0 or absent(up{job="envoy"})',
        severity=Severity.PAGE,
        lasting="1m",
        summary="Envoy cannot be scraped",
        description="{{ $labels.instance }} is gone, hangs, or Prometheus no longer knows where it is.",
    ),
    Alert(
        name="EdgeChecksFail",
        expr=(
            f"sum by (instance) (rate(envoy_http_ext_authz_error{{{EDGE}}}[5m])"
            f" + rate(envoy_http_ext_authz_invalid{{{EDGE}}}[5m])) > 0.05"
        ),
        severity=Severity.PAGE,
        lasting="2m",
        summary="Envoy gets no answer, or none that it can use, from Scopegate",
        description="{{ $labels.instance }}: {{ printf `%.2g` $value }} requests a second are refused for it.",
    ),
    Alert(
        name="EdgeFailsOpen",
        expr=f"increase(envoy_http_ext_authz_failure_mode_allowed{{{EDGE}}}[10m]) > 0",
        severity=Severity.PAGE,
        summary="Envoy lets requests pass without a decision",
        description="{{ $labels.instance }} does not run the configuration that Scopegate renders.",
    ),
    Alert(
        name="EdgeConnectionsRefused",
        expr=(
            "sum by (instance) (increase(envoy_listener_downstream_cx_overflow[5m])"
            " + increase(envoy_listener_downstream_global_cx_overflow[5m])) > 0"
        ),
        severity=Severity.PAGE,
        lasting="2m",
        summary="Envoy sends clients away, because it has as many connections as it takes",
        description="{{ $labels.instance }}: {{ $value | humanize }} connections within five minutes.",
    ),
    Alert(
        name="EdgeWorkerUnhealthy",
        expr=(
            'envoy_cluster_membership_healthy{envoy_cluster_name="scopegate"}'
            ' < on (job, instance) envoy_cluster_membership_total{envoy_cluster_name="scopegate"}'
        ),
        severity=Severity.TICKET,
        lasting="5m",
        summary="Envoy sends no checks to one of its Scopegate workers",
        description="{{ $labels.instance }}: healthy workers: {{ $value }}.",
    ),
    Alert(
        name="EdgeWarehouseErrors",
        expr=(
            "sum by (envoy_cluster_name)"
            ' (rate(envoy_cluster_upstream_rq_xx{envoy_cluster_name=~"warehouse-.*",envoy_response_code_class="5"}[10m]))'
            " > 0.05 * sum by (envoy_cluster_name)"
            ' (rate(envoy_cluster_upstream_rq_completed{envoy_cluster_name=~"warehouse-.*"}[10m]))'
        ),
        severity=Severity.TICKET,
        lasting="5m",
        summary="{{ $labels.envoy_cluster_name }} answers one request in twenty with an error",
        description="{{ printf `%.2g` $value }} errors a second. Decisions are not affected.",
    ),
    Alert(
        name="EdgeCertificateExpires",
        expr="envoy_server_days_until_first_cert_expiring < 14",
        severity=Severity.TICKET,
        lasting="1h",
        summary="a certificate of Envoy's ends soon",
        description="{{ $labels.instance }}: in {{ $value }} days.",
    ),
)

GROUPS: Final[dict[str, tuple[Record | Alert, ...]]] = {
    "scopegate-records": RECORDS,
    "scopegate-promises": PROMISES,
    "scopegate-workers": WORKERS,
    "scopegate-policy": POLICY,
    "scopegate-keys": KEYS,
    "scopegate-audit": AUDIT,
    "scopegate-unusual": UNUSUAL,
    "scopegate-edge": ENVOY,
}


def rule_groups() -> dict[str, Any]:
    """The content of a rule file, and of a PrometheusRule's `spec`."""
    return {
        "groups": [
            {"name": name, "rules": [rule.as_rule() for rule in rules]} for name, rules in GROUPS.items()
        ]
    }


def alerts() -> list[Alert]:
    """Every alert, in the order of the file."""
    return [rule for rules in GROUPS.values() for rule in rules if isinstance(rule, Alert)]
