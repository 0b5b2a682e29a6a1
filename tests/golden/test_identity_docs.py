"""docs/identity.md: every snippet is a policy that takes the provider's tokens, every command runs."""

import shlex
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from authz.cli.main import main
from authz.identity.presets.catalog import PRESETS
from authz.policy.parse import SourceText, parse_policy
from authz.policy.policyset import PolicySet
from tests.preset_tokens import Specimen, specimens

DOCUMENT = (Path(__file__).parents[2] / "docs" / "identity.md").read_text(encoding="utf-8")

BASE = """\
version: 1
dimensions:
  region: {type: string}
warehouses:
  sales: {routes: [{prefix: /api/}], upstream: http://warehouse:8080, columns: {region: region}}
"""


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [part.partition("```")[0] for part in DOCUMENT.split(f"```{language}\n")[1:]]


SNIPPETS = {
    PRESETS[next(iter(found["issuers"].values())).get("preset", "generic")].name: text
    for text in blocks("yaml")
    if "issuers" in (found := yaml.safe_load(text))
}
OTHERS = [text for text in blocks("yaml") if "issuers" not in yaml.safe_load(text)]


def first(preset: str) -> Specimen:
    return next(each for each in specimens().values() if each.preset == preset)


def policy(*texts: str) -> PolicySet:
    return parse_policy([SourceText(f"{number}.yaml", text) for number, text in enumerate((BASE, *texts))])


def write(folder: Path, snippet: str, each: Specimen, **change: Any) -> None:
    (folder / "policy").mkdir()
    (folder / "policy" / "base.yaml").write_text(BASE)
    (folder / "policy" / "identity.yaml").write_text(snippet)
    (folder / "token.txt").write_text(each.token(time.time(), **change))


def run(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    program, *arguments = shlex.split(command)
    assert program == "scopegate"
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def test_every_preset_has_its_section() -> None:
    """But for the old form of one, which its section names."""
    assert set(SNIPPETS) == set(PRESETS) - {"entra_v1"}
    assert "`entra_v1`" in DOCUMENT


@pytest.mark.parametrize("preset", SNIPPETS)
def test_a_snippet_takes_the_tokens_of_its_provider(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands; lint says nothing, and the sample is granted what the snippet says."""
    each = first(preset)
    extra = {"claims": {"Region": "EU"}} if preset == "tableau_connected_app" else {}
    write(tmp_path, SNIPPETS[preset], each, **extra)
    checked = "scopegate check policy/ --no-files --strict --sample-token token.txt"
    assert run(checked, tmp_path, monkeypatch) == (0, run(checked, tmp_path, monkeypatch)[1])
    explained = "scopegate explain --policy policy/ --warehouse sales --unverified --token-file token.txt"
    status, output = run(explained, tmp_path, monkeypatch)
    assert (status, "ALLOWED" in output) == (0, True), output


@pytest.mark.parametrize("text", OTHERS, ids=lambda text: text.split(":")[0])
def test_the_other_snippets_are_what_they_seem(text: str) -> None:
    """A part of a pod, and a warehouse beside the one of the base."""
    found = yaml.safe_load(text)
    if "volumes" in found:
        (volume,) = found["volumes"]
        assert volume["projected"]["sources"][0]["serviceAccountToken"]["audience"] == "warehouse"
        return
    made = policy(SNIPPETS["okta"], text).warehouses["ledger"].accepts
    assert len(made.places) == 4


def test_every_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder as the document describes it."""
    write(tmp_path, SNIPPETS["okta"], first("okta"))
    commands = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    assert len(commands) == 2
    for command in commands:
        status, output = run(command, tmp_path, monkeypatch)
        assert status == 0, output


def test_the_links_lead_somewhere() -> None:
    """To headings of the reference."""
    reference = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
    for part in DOCUMENT.split("](policy.md#")[1:]:
        assert f"## `{part.partition(')')[0]}`" in reference
