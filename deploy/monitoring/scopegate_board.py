"""The dashboard of the workers: what they decide, and whether everything behind it is fresh."""

from typing import Final

from deploy.monitoring.panels import RANGE, Board, Panel, one_number, quantiles
from deploy.monitoring.slo import OUR_FAULT, late, unanswered

SCOPEGATE: Final = Board(
    uid="scopegate",
    title="Scopegate: decisions",
    note="Who asked, what was answered, how long it took, and whether everything behind it is fresh.",
    rows={
        "Now": [
            one_number("decisions", "sum(rate(scopegate_decisions_total[5m]))", "reqps"),
            one_number(
                "unanswered",
                unanswered("1h"),
                "percentunit",
                "Share of the last hour's checks; 0.1 % a month.",
            ),
            one_number(
                "late", late("1h"), "percentunit", "Share of the last hour's checks that took over 5 ms."
            ),
            one_number("workers ready", "sum(scopegate_ready)"),
            one_number(
                "restarts",
                "sum(increase(scopegate_worker_restarts_total[1d]))",
                note="Workers of a day that ended by themselves and were started anew by their supervisor.",
            ),
            one_number(
                "policy versions",
                "count(count by (version) (scopegate_policy_info))",
                note="One, but for a reload.",
            ),
            one_number("policy in force for", "time() - max(scopegate_policy_loaded_timestamp_seconds)", "s"),
        ],
        "Decisions": [
            Panel(
                title="by outcome",
                unit="reqps",
                queries=[(f"sum by (outcome) (rate(scopegate_decisions_total{RANGE}))", "{{outcome}}")],
            ),
            Panel(
                title="allowed, by warehouse",
                unit="reqps",
                queries=[
                    (
                        f'sum by (warehouse) (rate(scopegate_decisions_total{{outcome="allow"}}{RANGE}))',
                        "{{warehouse}}",
                    )
                ],
            ),
            Panel(
                title="denied, by reason",
                unit="reqps",
                note="Without what is our own fault.",
                queries=[
                    (
                        (
                            "sum by (reason)"
                            f' (rate(scopegate_decisions_total{{outcome="deny",reason!~"{OUR_FAULT}"}}{RANGE}))'
                        ),
                        "{{reason}}",
                    )
                ],
            ),
            Panel(
                title="not decided, by reason",
                unit="reqps",
                note="Answered with 503: a worker without policy or keys, an audit trail that cannot be written.",
                queries=[
                    (
                        f'sum by (reason) (rate(scopegate_decisions_total{{reason=~"{OUR_FAULT}"}}{RANGE}))',
                        "{{reason}}",
                    ),
                    (f"sum(rate(scopegate_defects_total{RANGE}))", "defects"),
                ],
            ),
        ],
        "Time": [
            Panel(
                title="of a check",
                unit="s",
                note="Warm: credentials and decision were remembered. Points are requests with a trace.",
                queries=quantiles("scopegate_check_seconds", "cache", 0.5, 0.99),
            ),
            Panel(
                title="of its phases",
                unit="s",
                note="The middle of a sample: one check in 64.",
                queries=quantiles("scopegate_check_phase_seconds", "phase", 0.5),
            ),
            Panel(
                title="in flight",
                queries=[("sum by (instance) (scopegate_checks_in_flight)", "{{instance}}")],
            ),
            Panel(
                title="processor and memory",
                note="Cores in use, and gigabytes.",
                queries=[
                    (f'rate(process_cpu_seconds_total{{job="scopegate"}}{RANGE})', "cores {{instance}}"),
                    ('process_resident_memory_bytes{job="scopegate"} / 1e9', "GB {{instance}}"),
                ],
            ),
        ],
        "What is remembered": [
            Panel(
                title="found again",
                unit="percentunit",
                queries=[
                    (
                        (
                            f'sum by (memory) (rate(scopegate_memory_lookups_total{{outcome="hit"}}{RANGE}))'
                            f" / sum by (memory) (rate(scopegate_memory_lookups_total{RANGE}))"
                        ),
                        "{{memory}}",
                    )
                ],
            ),
            Panel(
                title="full to",
                unit="percentunit",
                note="A full memory forgets what was asked for longest ago, and costs time, nothing else.",
                queries=[
                    (
                        "max by (memory) (scopegate_memory_entries / scopegate_memory_limit_entries)",
                        "{{memory}}",
                    )
                ],
            ),
        ],
        "Keys and certificates": [
            Panel(
                title="last confirmed",
                unit="s",
                note="Keys from files are looked at when a file changes; their age is no trouble.",
                queries=[
                    (
                        "time() - max by (kind, name) (scopegate_key_source_confirmed_timestamp_seconds > 0)",
                        "{{kind}} {{name}}",
                    )
                ],
            ),
            Panel(
                title="looks that failed",
                unit="reqps",
                queries=[
                    (
                        f'sum by (kind, name) (rate(scopegate_key_source_refreshes_total{{outcome="failed"}}{RANGE}))',
                        "{{kind}} {{name}}",
                    )
                ],
            ),
            Panel(
                title="revocation lists, until stale",
                unit="s",
                queries=[
                    ("min by (name) (scopegate_revocation_list_due_timestamp_seconds) - time()", "{{name}}")
                ],
            ),
            Panel(
                title="revocations in force",
                note="Entries of the file of revocations; 0 without one.",
                queries=[("max by (instance) (scopegate_revocations)", "{{instance}}")],
            ),
            Panel(
                title="keys that sign",
                note="1 signs, 0 is published beside it. Workers that disagree for long do not have the same files.",
                queries=[("max by (kid, instance) (scopegate_signing_key_signs)", "{{kid}} {{instance}}")],
            ),
            Panel(
                title="questions about opaque tokens",
                unit="reqps",
                queries=[
                    (
                        f"sum by (issuer, outcome) (rate(scopegate_introspections_total{RANGE}))",
                        "{{issuer}} {{outcome}}",
                    )
                ],
            ),
        ],
        "Policy": [
            Panel(
                title="in force",
                queries=[("count by (version) (scopegate_policy_info)", "{{version}}")],
                note="Workers by the version that they answer from.",
            ),
            Panel(
                title="looks at the files",
                unit="reqps",
                queries=[
                    (f"sum by (outcome) (rate(scopegate_policy_reloads_total{RANGE}))", "{{outcome}}"),
                    ("count(scopegate_policy_current == 0)", "workers that refuse the files"),
                ],
            ),
        ],
        "Audit": [
            Panel(
                title="records, by fate",
                unit="reqps",
                queries=[(f"sum by (fate) (rate(scopegate_audit_records_total{RANGE}))", "{{fate}}")],
            ),
            Panel(
                title="waiting",
                queries=[("sum by (instance) (scopegate_audit_queue_records)", "{{instance}}")],
            ),
            Panel(
                title="until durable",
                unit="s",
                queries=[
                    (
                        f"histogram_quantile({share}, sum by (le) (rate(scopegate_audit_sync_seconds_bucket{RANGE})))",
                        f"p{share * 100:g}",
                    )
                    for share in (0.5, 0.99)
                ],
            ),
        ],
    },
)
