"""docs/warehouses.md, about the kinds of warehouses: its commands are run, its example is a good one."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from authz.cli.main import main
from authz.policy.document import WarehousePart
from authz.policy.tables import WarehouseKind

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "warehouses.md").read_text(encoding="utf-8")
POLICY = ROOT / "tests" / "golden" / "warehouses" / "scopegate.yaml"
COMMANDS = re.findall(r"^scopegate (render .+)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_write_what_they_say(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word, beside a policy that has such warehouses."""
    (tmp_path / "scopegate.yaml").write_text(POLICY.read_text())
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command)
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    written = {path.name for path in (tmp_path / words[-1]).iterdir()}
    assert written <= set(re.findall(r"`(?:\w+/)?([\w.-]+)`", TEXT))


def test_there_is_a_command_for_each_kind_that_has_files() -> None:
    """The plain kind `http` is told in headers."""
    assert [command.split()[1] for command in COMMANDS] == ["trino", "clickhouse", "postgres", "cube"]


def test_the_page_tells_of_every_kind() -> None:
    """What is enforced where."""
    table = TEXT.partition("## Which kind of warehouse")[2].partition("\n\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) - {"kind"} == {
        kind.value for kind in WarehouseKind
    }


def test_the_example_of_a_trino_is_read() -> None:
    """The keys of a policy."""
    section = TEXT.partition("\n## Trino\n")[2]
    example = yaml.safe_load(section.partition("```yaml\n")[2].partition("```")[0])
    part = WarehousePart.model_validate(example["warehouses"]["lake"])
    assert part.kind == "trino"
