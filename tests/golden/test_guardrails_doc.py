"""docs/warehouses.md, about guardrails: its policy loads, and each statement is answered as it says."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from authz.cli.main import main
from authz.errors import Denied
from authz.guardrails.dialects import DIALECTS
from authz.guardrails.examine import examine, refuse_hidden
from authz.guardrails.rules import Bounds, GuardrailRules, Session
from authz.policy.sections.guardrails import GUARDED
from tests.policies import policy

TEXT = (Path(__file__).parents[2] / "docs" / "warehouses.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("## Guardrails\n")[2].partition("\n## ")[0]
STATEMENTS = re.findall(r"^\| `([^`]+)` \| `?(\w+)`? \|$", SECTION, re.MULTILINE)
REST = """
version: 1
issuers: {okta: {issuer: https://acme.okta.com, audiences: [a], groups_claim: groups}}
assertion: {issuer: https://edge.example, keys: [signing.pem]}
dimensions: {region: {type: string}}
grants:
  - {id: eu, to: {groups: [analysts]}, on: [lake], scope: {region: [EU]}}
"""


def _rules() -> GuardrailRules:
    (example,) = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    rules = policy(REST + example).warehouses["lake"].guardrails
    assert rules is not None
    return rules


@pytest.mark.parametrize(("statement", "answer"), STATEMENTS)
def test_each_statement_is_answered_as_the_page_says(statement: str, answer: str) -> None:
    """To an analyst who asks in `lake.sales`, and from whom `pii` is hidden."""
    assert _answer(statement) == answer


def _answer(statement: str) -> str:
    try:
        examined = examine(statement, _rules(), Session(catalog="lake", schema="sales"))
        refuse_hidden(examined, {("lake", "sales", "customers"): frozenset({"email"})})
    except Denied as denied:
        return denied.reason.value
    return "granted"


def test_the_command_of_the_page(tmp_path: Path) -> None:
    """It says the table of a statement that is allowed."""
    (example,) = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    (command,) = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)
    (tmp_path / "scopegate.yaml").write_text(REST + example)
    program, *arguments = shlex.split(command.replace("\\\n", " "))
    assert program == "scopegate"
    arguments[arguments.index("scopegate.yaml")] = str(tmp_path / "scopegate.yaml")
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "statement: select of `lake.sales.customers`, fingerprint " in done.output


def test_the_page_has_statements_of_every_kind() -> None:
    """Or the test above would prove nothing."""
    assert len(STATEMENTS) == 13
    assert {answer for _, answer in STATEMENTS} >= {
        "granted",
        "column_hidden",
        "filter_required",
        "table_denied",
    }


def test_figures_and_names_of_the_page() -> None:
    """They are the program's."""
    bounds = Bounds()
    assert f"{bounds.bytes // 1024} KiB, {bounds.tokens:,} words and signs, {bounds.depth} levels" in SECTION
    called = {name for dialect in GUARDED.values() for name in DIALECTS[dialect].table_functions}
    assert {name.removesuffix("_mt") for name in called} == {
        "sequence",
        "numbers",
        "zeros",
        "generate_series",
    }
    assert len(DIALECTS["clickhouse"].metadata) == 13
