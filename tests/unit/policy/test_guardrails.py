"""The `guardrails:` of a warehouse: on by default, closed by default, and what is warned of."""

from datetime import timedelta

import pytest

from authz.guardrails.rules import (
    DEFAULT_KINDS,
    Bounds,
    GuardrailRules,
    PartitionRule,
    StatementKind,
    Unparsed,
)
from authz.policy.lint import lint
from authz.policy.problems import PolicyError
from tests.policies import policy
from tests.unit.policy.test_tables import LAKE

NAMES = frozenset({"lake.sales.orders", "lake.sales.targets", "lake.ref.calendar"})


def _lake(line: str = "") -> str:
    return LAKE.replace("    upstream:", f"    {line}\n    upstream:") if line else LAKE


def _rules(line: str = "") -> GuardrailRules | None:
    return policy(_lake(line)).warehouses["lake"].guardrails


def test_a_warehouse_that_says_nothing_has_guardrails() -> None:
    """Its own tables, statements that read, and nothing else."""
    assert _rules() == GuardrailRules(dialect="trino", tables=NAMES)
    rules = _rules()
    assert rules is not None
    assert rules.statements == DEFAULT_KINDS
    assert StatementKind.EXPLAIN not in DEFAULT_KINDS
    assert rules.unparsed is Unparsed.REFUSE


def test_off_is_a_word() -> None:
    """Nothing else turns them off, and it is warned of."""
    assert _rules("guardrails: off") is None
    assert _rules("guardrails: {}") == _rules()
    codes = [problem.code for problem in lint(policy(_lake("guardrails: off")))]
    assert codes == ["guardrails_off"]
    assert lint(policy(_lake())) == ()
    for line in ("guardrails: on", "guardrails: false", "guardrails: none", "guardrails:"):
        with pytest.raises(PolicyError):
            _rules(line)


def test_what_can_be_said() -> None:
    """Every key, as the rules then are."""
    line = (
        "guardrails: {statements: [select, explain], tables: [system.metadata.*], denied_tables: ['*.raw.*'], "
        "functions: [scopegate_version], denied_functions: [regexp_*], max_rows: 1000, unparsed: pass, "
        "partitions: {lake.sales.orders: {column: dt, within: 400d}, lake.ref.calendar: {column: day}}, "
        "max_bytes: 1000, max_tokens: 100, max_depth: 10}"
    )
    assert _rules(line) == GuardrailRules(
        dialect="trino",
        statements=frozenset({StatementKind.SELECT, StatementKind.EXPLAIN}),
        tables=NAMES | {"system.metadata.*"},
        denied_tables=frozenset({"*.raw.*"}),
        functions=frozenset({"scopegate_version"}),
        denied_functions=frozenset({"regexp_*"}),
        partitions={
            ("lake", "sales", "orders"): PartitionRule(column="dt", within=timedelta(days=400)),
            ("lake", "ref", "calendar"): PartitionRule(column="day"),
        },
        max_rows=1000,
        unparsed=Unparsed.PASS,
        bounds=Bounds(bytes=1000, tokens=100, depth=10),
    )
    assert [problem.code for problem in lint(policy(_lake(line)))] == ["unparsed_pass", "explain_allowed"]


def test_kinds_without_sql_have_none() -> None:
    """PostgREST, Cube and plain APIs are not asked in SQL."""
    plain = LAKE.replace("    kind: trino\n", "")
    assert policy(plain).warehouses["lake"].guardrails is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("guardrails: {tables: [system.jdbc]}", "expected 3 words between dots"),
        ("guardrails: {tables: ['*']}", "expected 3 words between dots"),
        ("guardrails: {denied_tables: ['a.b.c d']}", "expected 3 words between dots"),
        ("guardrails: {tables: ['a.*b.c']}", "expected 3 words between dots"),
        ("guardrails: {functions: [URL]}", "in lower case"),
        ("guardrails: {functions: ['*']}", "in lower case"),
        ("guardrails: {denied_functions: ['']}", "guardrails.denied_functions"),
        ("guardrails: {statements: [insert]}", "guardrails.statements"),
        ("guardrails: {statements: []}", "guardrails.statements"),
        ("guardrails: {partitions: {lake.sales.order: {column: dt}}}", "did you mean `lake.sales.orders`"),
        ("guardrails: {partitions: {lake.sales.orders: {column: 'a.b'}}}", "expected the name of a column"),
        ("guardrails: {partitions: {lake.sales.orders: {column: dt, within: 36h}}}", "expected whole days"),
        ("guardrails: {partitions: {lake.sales.orders: {column: dt, within: 0d}}}", "expected whole days"),
        ("guardrails: {partitions: {lake.sales.orders: {}}}", "column"),
        ("guardrails: {max_rows: 0}", "guardrails.max_rows"),
        ("guardrails: {unparsed: ask}", "guardrails.unparsed"),
        ("guardrails: {max_bytes: 1000000}", "guardrails.max_bytes"),
        ("guardrails: {max_tokens: 1}", "guardrails.max_tokens"),
        ("guardrails: {max_depth: 1000}", "guardrails.max_depth"),
        ("guardrails: {tabels: []}", "tabels"),
    ],
)
def test_what_is_wrong(line: str, message: str) -> None:
    """A pattern that fits nothing, a bound without an end, a table that is not there."""
    with pytest.raises(PolicyError) as error:
        _rules(line)
    assert message in str(error.value)


def test_guardrails_of_another_kind() -> None:
    """They would examine nothing, so they are refused."""
    plain = _lake("guardrails: {max_rows: 5}").replace("    kind: trino\n", "")
    with pytest.raises(PolicyError, match="are asked in SQL"):
        policy(plain)
