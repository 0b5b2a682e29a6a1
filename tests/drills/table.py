"""What each drill finds, as values: the tests hold them against the real system, and docs/drills.md shows them.

python -m tests.drills.table    # writes docs/drills.md anew
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.drills.series import Series

PAGE = Path(__file__).parents[2] / "docs" / "drills.md"
NO_ANSWER = 0
"""In place of a status: the connection was refused or ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that breaks.

    `clients` are the statuses that people get meanwhile who may see something (others get their denial, or one of
    these that is no 200). `signs` are series and what becomes of them: `SELECTOR grows`, `SELECTOR = VALUE`,
    `SELECTOR > FACTOR * SELECTOR`, or `SELECTOR is missing` (at one that has it otherwise).
    """

    breaks: str
    clients: frozenset[int]
    seen: str
    signs: tuple[str, ...]
    alerts: tuple[str, ...]
    heals: str

    def assert_seen(self, statuses: Counter[int]) -> None:
        """Nobody got anything else, and each of these was seen."""
        assert set(statuses) == self.clients, f"got {statuses}, expected each of {set(self.clients)}"

    def assert_told(self, before: Series, after: Series) -> None:
        """Each sign is there."""
        missing = [sign for sign in self.signs if not _is_there(sign, before, after)]
        assert missing == [], missing


def _is_there(sign: str, before: Series, after: Series) -> bool:
    if sign.endswith(" grows"):
        selector = sign.removesuffix(" grows")
        return after.total(selector) > before.total(selector)
    if sign.endswith(" is missing"):
        selector = sign.removesuffix(" is missing")
        return len(after.values(selector)) < len(before.values(selector))
    if " > " in sign:
        selector, _, bound = sign.partition(" > ")
        factor, _, other = bound.partition(" * ")
        limits = zip(after.values(selector), after.values(other), strict=True)
        return any(value > float(factor) * limit for value, limit in limits)
    selector, _, value = sign.partition(" = ")
    return float(value) in after.values(selector)


_HEALTHY = 'envoy_cluster_membership_healthy{envoy_cluster_name="scopegate"}'
_ERRORS = 'envoy_http_ext_authz_error{envoy_http_conn_manager_prefix="edge"}'
_EJECTED = 'envoy_cluster_outlier_detection_ejections_enforced_total{envoy_cluster_name="scopegate"}'

ROWS = {
    "worker-killed": Row(
        breaks="One of two workers is killed (`kill -9`)",
        clients=frozenset({200, 503}),
        seen="503 for what was in flight at it and for two more calls; then it gets none",
        signs=('up{job="scopegate"} = 0', f"{_HEALTHY} = 1", f"{_EJECTED} grows", f"{_ERRORS} grows"),
        alerts=("ScopegateWorkerDown", "EdgeWorkerUnhealthy"),
        heals="Started again, it takes over its socket and is asked from Envoy's next health check on (1 s)",
    ),
    "worker-hung": Row(
        breaks="One of two workers hangs (`SIGSTOP`)",
        clients=frozenset({200, 503}),
        seen="503 after `check_timeout` for what it was asked at that time; then it is asked nothing",
        signs=('up{job="scopegate"} = 0', f"{_HEALTHY} = 1", f"{_EJECTED} grows", f"{_ERRORS} grows"),
        alerts=("ScopegateWorkerDown", "EdgeWorkerUnhealthy"),
        heals="When it goes on, it is asked from the next health check on",
    ),
    "worker-flooded": Row(
        breaks="10,000 connections are opened at one worker's socket (1,024 descriptors)",
        clients=frozenset({200}),
        seen="nothing: Envoy's connections are there already, and a quarter of the descriptors is left to everything else",
        signs=(
            'process_open_fds{job="scopegate"} > 0.7 * process_max_fds{job="scopegate"}',
            'up{job="scopegate"} = 1',
        ),
        alerts=("ScopegateDescriptorsScarce",),
        heals="When they are closed. What comes beyond three quarters is closed at once",
    ),
    "descriptors-out": Row(
        breaks="A worker has no file descriptor left",
        clients=frozenset({200}),
        seen="nothing: Envoy's connections are there already. A changed policy, key or revocation cannot be read by it",
        signs=('process_open_fds{job="scopegate"} is missing', 'up{job="scopegate"} = 1'),
        alerts=("ScopegateDescriptorsScarce",),
        heals="As soon as there are some: files that could not be read are read every other second until they can",
    ),
    "issuer-away": Row(
        breaks="An issuer does not answer, for an hour",
        clients=frozenset({200, 503}),
        seen="nothing, where its keys are known; 503 `introspection_unavailable` for an opaque token when what is remembered "
        "of it ends; 401 `token_key_unknown` for a key that it has taken into use meanwhile",
        signs=(
            'scopegate_key_source_failing{kind="issuer_keys"} = 1',
            'scopegate_key_source_refreshes_total{kind="issuer_keys",outcome="failed"} grows',
            'scopegate_introspections_total{outcome="failed"} grows',
        ),
        alerts=("ScopegateKeysStale",),
        heals="With the next look, a minute later at most; at once where a token names a new key or is opaque",
    ),
    "clock-ahead": Row(
        breaks="The workers' clock jumps two hours ahead",
        clients=frozenset({200, 401, 503}),
        seen="401 `token_expired` for tokens that have not ended; 503 `certificate_revocation_unknown` where a list seems stale",
        signs=('scopegate_decisions_total{reason="token_expired"} grows',),
        alerts=("ScopegateClockWrong",),
        heals="When it is right: what was remembered meanwhile does not count, used tokens that were forgotten are refused",
    ),
    "clock-behind": Row(
        breaks="The workers' clock jumps two hours back",
        clients=frozenset({200, 401}),
        seen="401 `token_not_yet_valid` for tokens of the last two hours. A token that ended meanwhile is good again: nothing in "
        "it tells",
        signs=('scopegate_decisions_total{reason="token_not_yet_valid"} grows',),
        alerts=("ScopegateClockWrong",),
        heals="When it is right. The trail's order is that of its lines, whatever times stand in them",
    ),
    "policy-half-written": Row(
        breaks="A policy is written in place, and half of it is there",
        clients=frozenset({200}),
        seen="nothing: the policy before stays in force. The half would be a policy too, one without its restrictions",
        signs=("scopegate_policy_current = 0", 'scopegate_policy_reloads_total{outcome="refused"} grows'),
        alerts=("ScopegatePolicyRefused",),
        heals="When it is written to its end. A half that nobody writes any more is told by its frame (`---` to `...`)",
    ),
    "disk-full": Row(
        breaks="The disk with the audit trail is full (strict mode)",
        clients=frozenset({200, 503}),
        seen="503 `audit_unavailable` for whatever would be allowed; denials stay what they are",
        signs=(
            'scopegate_audit_records_total{fate="dropped_write_failed"} grows',
            'scopegate_decisions_total{reason="audit_unavailable"} grows',
        ),
        alerts=("ScopegateAuditRecordsLost",),
        heals="With the first record for which there is room; the trail has a gap that says how many are missing",
    ),
    "edge-flooded": Row(
        breaks="10,000 connections are opened at Envoy (5,000 are taken)",
        clients=frozenset({NO_ANSWER, 200}),
        seen="nothing on connections that are there; new ones are closed at once while all places are taken",
        signs=(
            'envoy_listener_downstream_cx_overflow{job="envoy"} grows',
            'up{job="envoy"} = 1',
            'up{job="scopegate"} = 1',
        ),
        alerts=("EdgeConnectionsRefused",),
        heals="Connections that say nothing are closed after 10 s, those that are idle after 60 s",
    ),
    "envoy-restarted": Row(
        breaks="Envoy is restarted (`SIGTERM`, then started again)",
        clients=frozenset({NO_ANSWER, 200}),
        seen="connections end and are refused until it listens again, which it does after its first health checks",
        signs=('up{job="envoy"} = 0', 'up{job="scopegate"} = 1', "scopegate_ready = 1"),
        alerts=("EdgeDown",),
        heals="Started again, it goes on with an empty cache and fresh limits; the workers notice nothing",
    ),
}

_BEGINNING = """\
# What breaks, and what happens then

Each row was done to the real thing (Envoy, two workers, a strict and signed audit trail) while people asked who may see
different rows, and others who may see none. In every one of them, and this is what the tests are for: nobody got a row
that is not theirs, nobody who is to be denied was let in (but by a clock that is behind, see there), every allow that a
client saw stands in the audit trail, and `scopegate audit verify` finds nothing. Clients get 503 while nobody can
decide, and never 200 for it.

*Meanwhile* are the statuses of people who may see something; `-` is a connection that was closed or refused. The tests
are `tests/drills`, which `make test` runs; `make test-monitoring` does each once more and asks a real Prometheus for the
alerts.

| what breaks | what clients see | meanwhile | series | alert | how it heals |
|---|---|---|---|---|---|
"""
_END = """
What none of it needs is a restart of Scopegate, or somebody who remembers to do something behind it.
"""


def page() -> str:
    """docs/drills.md."""
    return _BEGINNING + "".join(f"| {' | '.join(_cells(row))} |\n" for row in ROWS.values()) + _END


def _cells(row: Row) -> Iterator[str]:
    yield row.breaks
    yield row.seen
    yield ", ".join(
        "-" if status == NO_ANSWER else str(status) for status in sorted(row.clients, reverse=True)
    )
    yield "<br>".join(_shown(sign) for sign in row.signs)
    yield "<br>".join(f"[{alert}](runbooks/{alert}.md)" for alert in row.alerts)
    yield row.heals


def _shown(sign: str) -> str:
    for ending in (" grows", " is missing"):
        if sign.endswith(ending):
            return f"`{sign.removesuffix(ending)}`{ending}"
    return f"`{sign}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
