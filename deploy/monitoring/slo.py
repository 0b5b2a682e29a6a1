"""What Scopegate promises, in PromQL: every check is answered, and soon."""

from typing import Final

from authz.transport.status import STATUS

WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")

ANSWERED: Final = 0.999
"""The share of checks that are answered with a decision, over 30 days; a 503 of ours is none."""
SOON: Final = 0.99
"""The share of checks that are answered within `SOON_SECONDS`, over 30 days."""
SOON_SECONDS: Final = 0.005

OUR_FAULT: Final = "|".join(sorted(reason.value for reason, status in STATUS.items() if status.http == 503))
"""Reasons with which Scopegate says that it cannot decide, as a regular expression."""

EDGE: Final = 'envoy_http_conn_manager_prefix="edge"'
"""The clients' listener, without the operators'."""


def unanswered(window: str) -> str:
    """The share of checks without a decision: ours that say so, and those that Envoy got no answer to."""
    ours = f'sum(rate(scopegate_decisions_total{{reason=~"{OUR_FAULT}"}}[{window}]))'
    lost = f"sum(rate(envoy_http_ext_authz_error{{{EDGE}}}[{window}]))"
    all_checks = f"sum(rate(scopegate_decisions_total[{window}]))"
    return f"(({ours} or vector(0)) + ({lost} or vector(0))) / ({all_checks} + ({lost} or vector(0)))"


def late(window: str) -> str:
    """The share of checks that took longer than `SOON_SECONDS`."""
    soon = f'sum(rate(scopegate_check_seconds_bucket{{le="{SOON_SECONDS}"}}[{window}]))'
    return f"1 - {soon} / sum(rate(scopegate_check_seconds_count[{window}]))"
