"""docs/drills.md says what the drills find."""

import re
from pathlib import Path

import pytest

from deploy.monitoring.rules import RUNBOOKS, alerts
from tests.drills.table import PAGE, ROWS, page

ROOT = Path(__file__).parents[2]
DRILLS = [*(ROOT / "tests" / "drills").glob("test_*.py"), ROOT / "tests" / "monitoring" / "test_drills.py"]


def test_the_page_is_what_the_table_says() -> None:
    """Whoever changes what a drill finds sees what changes for the reader."""
    assert PAGE.read_text() == page(), "write it anew and read the difference: python -m tests.drills.table"


@pytest.mark.parametrize("name", ROWS)
def test_each_row_is_held_against_the_real_system(name: str) -> None:
    """What clients get and what the series do, by a test that names the row; its alerts by another in Prometheus' words."""
    sources = {path: path.read_text() for path in DRILLS}
    assert [path for path, text in sources.items() if f'ROWS["{name}"]' in text or f'"{name}"' in text]
    assert f'"{name}"' in sources[DRILLS[-1]]


@pytest.mark.parametrize("name", ROWS)
def test_each_row_leads_to_a_page_for_whoever_is_woken(name: str) -> None:
    """Its alerts are ones that there are."""
    known = {alert.name for alert in alerts()}
    assert set(ROWS[name].alerts) <= known
    for alert in ROWS[name].alerts:
        assert (ROOT / RUNBOOKS / f"{alert}.md").is_file()
    assert re.search(rf"\[{ROWS[name].alerts[0]}\]", PAGE.read_text())
