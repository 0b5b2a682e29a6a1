"""Writes what Prometheus and Grafana read: `python -m deploy.monitoring.write`."""

from pathlib import Path
from typing import Final

import yaml

from deploy.monitoring.dashboards import BOARDS, as_json
from deploy.monitoring.rules import rule_groups

_HERE: Final = Path(__file__).parent
_HEADER: Final = "# Written by `make monitoring` from rules.py beside it.\n"
_OBJECT: Final = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PrometheusRule",
    "metadata": {"name": "scopegate", "labels": {"app.kubernetes.io/name": "scopegate"}},
}


def files() -> dict[Path, str]:
    """Every file that is written, with its content."""
    return {
        _HERE / "rules.yml": _HEADER + _yaml(rule_groups()),
        _HERE / "prometheusrule.yaml": _HEADER + _yaml({**_OBJECT, "spec": rule_groups()}),
        **{_HERE / f"dashboard-{name}.json": as_json(board) for name, board in BOARDS.items()},
    }


def _yaml(content: object) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=110)


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
