"""`scopegate envoy render` on the command line."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from authz.cli.main import main

EXAMPLE = Path(__file__).parents[3] / "envoy" / "example" / "scopegate.yaml"


def render(*arguments: str, policy: Path = EXAMPLE) -> Result:
    return CliRunner().invoke(main, ["envoy", "render", "--policy", str(policy), *arguments])


def changed(tmp_path: Path, old: str, new: str) -> Path:
    """The example with another text somewhere."""
    text = EXAMPLE.read_text()
    assert old in text
    path = tmp_path / "scopegate.yaml"
    path.write_text(text.replace(old, new))
    return path


def test_a_bad_policy_is_refused_with_its_problems(tmp_path: Path) -> None:
    """Exit status 1, and nothing is written."""
    output = tmp_path / "envoy.yaml"
    result = render("-o", str(output), policy=changed(tmp_path, "analysts-emea]", "analysts-emea]x"))

    assert result.exit_code == 1
    assert "scopegate.yaml:" in result.stderr
    assert (result.stdout, output.exists()) == ("", False)


@pytest.mark.parametrize(
    "arguments", [("--admin", "0.0.0.0:9901"), ("--scopegate", "nonsense"), ("--listen", "8443")]
)
def test_an_override_that_cannot_be_is_refused(arguments: tuple[str, str]) -> None:
    """Exit status 1, with the setting in front."""
    result = render(*arguments)

    assert result.exit_code == 1
    assert f"edge.{arguments[0].removeprefix('--')}" in result.stderr
    assert result.stdout == ""


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Exit status 2: nothing is wrong with the policy."""
    result = render("-o", str(tmp_path / "no" / "envoy.yaml"))

    assert result.exit_code == 2
    assert "No such file or directory" in result.stderr


def test_overrides_take_the_place_of_the_policys_settings() -> None:
    """For another machine than the policy was written for."""
    result = render(
        "--listen",
        "127.0.0.1:1",
        "--scopegate",
        "one:1",
        "--scopegate",
        "two:2",
        "--certificate",
        "/tls/other.crt",
    )
    resources = yaml.safe_load(result.stdout)["static_resources"]

    assert result.exit_code == 0
    assert resources["listeners"][0]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 1}
    assert "/tls/other.crt" in result.stdout
    assert "/etc/scopegate/tls/tls.key" in result.stdout
    assert len(resources["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"]) == 2


def test_both_forms_say_the_same(tmp_path: Path) -> None:
    """YAML for people, JSON for machines."""
    output = tmp_path / "envoy.json"
    written = render("--format", "json", "-o", str(output))

    assert (written.exit_code, written.output) == (0, "")
    assert json.loads(output.read_text()) == yaml.safe_load(render().stdout)
