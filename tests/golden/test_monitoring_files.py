"""Dashboards, alerts and runbooks are what the code writes, and fit together."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.monitoring.rules import RUNBOOKS, alerts
from deploy.monitoring.write import files

ROOT = Path(__file__).parents[2]
PAGES = {page.stem: page for page in (ROOT / RUNBOOKS).glob("*.md")}
OF_METRIC = re.compile(r"\bscopegate_[a-z_]+")
SUFFIX = re.compile(r"_(?:total|bucket|count|sum)$")


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_the_files_are_what_the_code_writes(path: Path) -> None:
    """Whoever changes a query sees what changes in the file that is rolled out."""
    assert path.read_text() == files()[path], "write it anew and read the difference: make monitoring"


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    """Whoever is woken reads what to do; nobody reads about an alert that is gone."""
    assert {alert.name for alert in alerts()} == set(PAGES)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_the_annotation_leads_to_the_page(alert: Any) -> None:
    """The link is the file's place in this repository, with a heading and the same sections everywhere."""
    page = ROOT / alert.as_rule()["annotations"]["runbook_url"]
    text = page.read_text()
    assert text.startswith(f"# {alert.name}\n")
    assert "**What clients see.**" in text
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Look", "Do", "Over when"]
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (page.parent / link).is_file(), link


def _queries() -> list[str]:
    groups = yaml.safe_load((ROOT / "deploy/monitoring/rules.yml").read_text())["groups"]
    boards = [json.loads(path.read_text()) for path in files() if path.suffix == ".json"]
    panels = [
        target["expr"] for board in boards for panel in board["panels"] for target in panel.get("targets", [])
    ]
    return panels + [rule["expr"] for group in groups for rule in group["rules"]]


def test_no_query_is_of_a_metric_that_there_is_not() -> None:
    """A renamed metric leaves an empty panel and an alert that never fires: names are those of the golden list."""
    golden = {line.split()[0] for line in (ROOT / "tests/golden/metrics.txt").read_text().splitlines()}
    asked = {SUFFIX.sub("", name) for query in _queries() for name in OF_METRIC.findall(query)}
    assert asked - golden == set()


def test_panels_do_not_overlap() -> None:
    """Grafana would push one of them out of place."""
    for path in files():
        if path.suffix != ".json":
            continue
        taken: set[tuple[int, int]] = set()
        for panel in json.loads(path.read_text())["panels"]:
            at = panel["gridPos"]
            cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
            assert not cells & taken, panel["title"]
            taken |= cells
