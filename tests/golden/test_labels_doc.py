"""docs/warehouses.md, about labels: its commands are run, its answer is one, its table is that of the rules."""

import re
import shlex
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from authz.cli.main import main
from authz.columnsources.database import DRIVERS
from authz.labels.categories import DEFAULT_LABELS
from authz.labels.rules import RULES

HERE = Path(__file__).parent / "labels"
TEXT = (Path(__file__).parents[2] / "docs" / "warehouses.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("## Which columns to label\n")[2].partition("\n## ")[0]
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL) for line in block.splitlines()
]
CRM = """  crm:
    routes: [{prefix: /crm/}]
    upstream: http://crm:8080
    tables: {main.customers: {columns: {region: region}}}
    headers: [json]
grants:
  - {id: crm, to: {groups: [emea]}, on: [crm], scope: {region: [EU]}}
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page takes for granted; SQLite stands in for a live warehouse."""
    for name in ("columns.csv", "orders.csv"):
        (tmp_path / name).write_text((HERE / name).read_text())
    (tmp_path / "scopegate.yaml").write_text((HERE / "scopegate.yaml").read_text().replace("grants:\n", CRM))
    connection = sqlite3.connect(tmp_path / "crm.db")
    connection.execute("CREATE TABLE customers (region TEXT, phone TEXT)")
    connection.close()
    (tmp_path / "warehouse.url").write_text(f"sqlite:///{tmp_path / 'crm.db'}\n")
    (tmp_path / "warehouse.url").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: str) -> Result:
    program, *words = shlex.split(command)
    assert program == "scopegate"
    return CliRunner().invoke(main, words)


def test_the_commands_of_the_page(directory: Path) -> None:
    """Word for word, in their order; the last one is a gate that is green."""
    assert len(COMMANDS) == 5
    assert [run(command).exit_code for command in COMMANDS] == [3, 3, 3, 3, 0]
    assert (directory / "labels.yaml").read_text().startswith("# Proposed for warehouse `lake`")
    (directory / "reviewed.json").write_text('{"format": 1, "warehouse": "lake", "proposals": []}')
    assert run(COMMANDS[-1]).exit_code == 3


@pytest.mark.usefixtures("directory")
def test_the_answer_of_the_page_is_one() -> None:
    """As to its second command."""
    answered = run(COMMANDS[1].partition(" -o ")[0]).stdout.splitlines()
    (shown,) = re.findall(r"```\n(table .*?)```", SECTION, re.DOTALL)
    assert shown.splitlines() == answered[:4]


def test_the_table_of_the_page_is_that_of_the_rules() -> None:
    """All that is looked for, and what is proposed for it."""
    rows = [f"| {rule.noun} | `{rule.category}` | `{DEFAULT_LABELS[rule.category]}` |" for rule in RULES]
    assert [
        line
        for line in SECTION.splitlines()
        if line.count("`") == 4 and line.startswith("|") and "://" not in line
    ] == rows


def test_the_page_says_what_the_command_says_to_install() -> None:
    """The drivers of the warehouses that people have."""
    for backend, package in DRIVERS.items():
        (line,) = [line for line in SECTION.splitlines() if f"`{backend}://" in line]
        assert package in line
