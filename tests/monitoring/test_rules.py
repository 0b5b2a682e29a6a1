"""Alerts fire when they should, and do not when they should not: promtool's own tests."""

import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.monitoring.rules import alerts
from tests.monitoring.prometheus_process import RULES, tool

CASES = sorted(Path(__file__).parent.glob("rules*.test.yml"))


def _promtool(*arguments: str) -> None:
    done = subprocess.run([tool("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_valid() -> None:
    """Prometheus reads them."""
    _promtool("check", "rules", str(RULES))


def test_each_case_ends_as_written() -> None:
    """Each alert with its labels and texts, at the minute that is written."""
    _promtool("test", "rules", *map(str, CASES))


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_each_alert_fires_once_and_once_does_not(alert: object) -> None:
    """An alert without the case in which it stays quiet may always fire."""
    name = getattr(alert, "name", "")
    cases = [
        bool(case["exp_alerts"])
        for path in CASES
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == name
    ]
    assert set(cases) == {True, False}
