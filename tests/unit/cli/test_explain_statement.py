"""`scopegate explain --statement`: what guardrails say to a statement, and why."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from authz.cli.explain import explain
from tests.unit.policy.test_tables import LAKE

Ask = Callable[..., Result]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Runs the command for `alice`, from whom `amount` is hidden, as the two grants do not agree about it."""
    (tmp_path / "scopegate.yaml").write_text(LAKE + PLAIN)
    common = ["--policy", str(tmp_path / "scopegate.yaml"), "--subject", "alice", "--issuer", "okta"]

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(explain, [*common, *arguments])

    return run


PLAIN = "  - {id: plain, to: {subjects: [bob]}, on: [lake], scope: {region: [EU], product: [A]}, clear: [financial]}\n"


def test_an_allowed_statement(ask: Ask) -> None:
    """With its tables in full, and the rewrites of its request."""
    done = ask(
        "--warehouse", "lake", "--schema", "lake.sales", "--statement", "select item from orders limit 5", "--format", "json"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    answer = json.loads(done.output)
    assert (answer["decision"], answer["stage"]) == ("allow", "rendering")
    assert (answer["statement"]["kind"], answer["statement"]["tables"]) == ("select", ["lake.sales.orders"])
    assert answer["request"]["path"] == "/v1/statement"


@pytest.mark.parametrize(
    ("statement", "reason", "word"),
    [
        ("select amount from orders", "column_hidden", "lake.sales.orders"),
        ("select * from lake.sales.payroll", "table_denied", "lake.sales.payroll"),
        ("select scopegate_mask('x')", "function_denied", "scopegate_mask"),
        ("drop table orders", "statement_denied", "DROP"),
    ],
)
def test_a_refused_statement(ask: Ask, statement: str, reason: str, word: str) -> None:
    """The reason, and for the operator what it was."""
    done = ask("--warehouse", "lake", "--schema", "lake.sales", "--statement", statement)
    assert done.exit_code == 1
    assert done.output.startswith(f"DENIED: {reason}")
    assert word in done.output


def test_without_a_schema_a_short_name_is_no_table(ask: Ask) -> None:
    """As for a client that sends none."""
    done = ask("--warehouse", "lake", "--statement", "select item from orders")
    assert done.output.startswith("DENIED: table_denied")


def test_a_warehouse_without_guardrails(ask: Ask, tmp_path: Path) -> None:
    """Cannot be asked; nothing would be examined."""
    off = (
        (tmp_path / "scopegate.yaml")
        .read_text()
        .replace("    kind: trino\n", "    kind: trino\n    guardrails: off\n")
    )
    (tmp_path / "scopegate.yaml").write_text(off)
    done = ask("--warehouse", "lake", "--statement", "select 1")
    assert done.exit_code == 2
    assert "has no guardrails" in done.output
