"""What the README tells people to type works as written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from authz.config.load import load_policy
from authz.policy.parse import SourceText, parse_policy

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SCOPEGATE = Path(sys.executable).with_name("scopegate")
COMMANDS = re.findall(r"^    (scopegate .+)$", README, re.MULTILINE)


def policy_of_the_readme() -> str:
    block = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert block is not None
    return block.group(1)


def test_the_policy_of_the_readme_is_the_example() -> None:
    """Text that people copy is the text that is tested."""
    ours = parse_policy([SourceText("README.md", policy_of_the_readme())])

    assert ours.version == load_policy(ROOT / "envoy" / "example" / "scopegate.yaml").version


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("check", "no problems"),
        ("explain", "emea-analysts"),
        ("envoy", ""),
    ],
)
def test_the_commands_of_the_readme_run(command: str, expected: str, tmp_path: Path) -> None:
    """Each is run word for word, beside a copy of the policy."""
    (tmp_path / "scopegate.yaml").write_text(policy_of_the_readme())
    line = next(line for line in COMMANDS if line.split()[1] == command)
    # The files of /etc/scopegate are on the machine that serves, not on the one that checks.
    words = [*line.split()[1:], *(["--no-files"] if command == "check" else [])]

    done = subprocess.run(
        [SCOPEGATE, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert expected in done.stdout


def test_no_command_of_the_readme_is_left_out() -> None:
    """A new command in the README needs its line in the test above; `serve` has tests of its own."""
    assert {line.split()[1] for line in COMMANDS} == {"check", "explain", "envoy", "serve"}
