"""A real Prometheus on a free port of 127.0.0.1, with the rules of this repository."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from tests.envoy_process import end_process, wait_until
from tests.ports import free_port

RULES = Path(__file__).parents[2] / "deploy" / "monitoring" / "rules.yml"


def tool(name: str) -> str:
    """The path of one of Debian's tools; the test fails with what to do without it."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"`{name}` is not installed: on Debian, `apt-get install prometheus`", pytrace=False)
    return found


class Prometheus:
    """Scrapes `jobs` (addresses by job) every second, and evaluates the rules as often."""

    def __init__(self, directory: Path, jobs: Mapping[str, Sequence[str]]) -> None:
        self._directory = directory
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(targets)}]}
                for job, targets in jobs.items()
            ],
        }
        (directory / "prometheus.yml").write_text(yaml.safe_dump(configuration))

    def __enter__(self) -> Self:
        with (self._directory / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    tool("prometheus"),
                    f"--config.file={self._directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._directory / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--enable-feature=exemplar-storage",
                ],
                stdout=log,
                stderr=log,
            )
        wait_until(self._ready, "Prometheus is ready")
        return self

    def __exit__(self, *_: object) -> None:
        end_process(self._process)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def get(self, path: str, **parameters: str) -> Any:
        """`data` of an answer of its API."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def ask(self, query: str) -> list[Any]:
        """The samples of an instant query that are numbers."""
        samples = self.get("query", query=query)["result"]
        return [sample for sample in samples if sample["value"][1] != "NaN"]

    def alerts(self) -> dict[str, str]:
        """The state of each alert that is pending or firing, by name."""
        return {alert["labels"]["alertname"]: alert["state"] for alert in self.get("alerts")["alerts"]}

    def wait_for_alert(self, name: str, seconds: float = 20.0) -> None:
        """Until the alert is at least pending."""
        wait_until(lambda: name in self.alerts(), f"{name} is pending", seconds)

    def scrape(self, after: float | None = None) -> None:
        """Wait until every target was scraped twice since `after` (seconds since the epoch; now without it)."""
        after = time.time() if after is None else after
        query = f"min(min_over_time(timestamp(up)[2s:1s])) > {after + 1}"
        wait_until(lambda: self.ask(query), "everything is scraped twice")
