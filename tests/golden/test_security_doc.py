"""SECURITY.md names what is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()


def test_whatever_is_said_to_show_a_defence_exists() -> None:
    """Tables and suites are moved; the page moves with them."""
    named = re.findall(r"`(tests/[^`]+)`", TEXT)
    assert len(named) >= 14
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_table_of_threats_is_named() -> None:
    """A new one is a new row."""
    tables = {f"tests/threats/{path.name}" for path in (ROOT / "tests" / "threats").glob("*.yaml")}
    assert tables <= set(re.findall(r"`(tests/threats/[^`]+)`", TEXT))
