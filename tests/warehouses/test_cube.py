"""Cube's side of a scope, run by the real Node.js: each filter against its meaning, and what is refused."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz.edge.warehouses import cube
from authz.scopes.constraints import Between
from authz.scopes.rowfilter import RowFilter, Where, matches, to_json
from authz.scopes.values import ValueType, value_to_json
from tests.scope_strategies import TYPES, Row, filters, rows

SCRIPT = Path(cube.__file__).with_name("cube.js")
RUNNER = Path(__file__).with_name("cube_runner.js")
COLUMNS = {name: name for name in TYPES}
EU = [{"region": {"type": "string", "in": ["EU"]}}]


def rewritten(*cases: dict[str, Any]) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", str(RUNNER), str(SCRIPT)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def table(rows_: object = None, **changes: Any) -> dict[str, Any]:
    made = {"columns": COLUMNS, "hidden": [], "masked": {}, "rows": EU if rows_ is None else rows_}
    return {**made, **changes}


def case(
    query: dict[str, Any], tables: object, rows_: list[dict[str, Any]] | None = None, **context: Any
) -> dict[str, Any]:
    return {"query": query, "context": {"format": 1, "tables": tables, **context}, "rows": rows_ or []}


QUERY = {"measures": ["orders.count"]}


def _text_range(scoped: RowFilter) -> bool:
    """Cube compares numbers and times, no texts: such a range is refused."""
    return isinstance(scoped, Where) and any(
        isinstance(constraint, Between) and isinstance(constraint.low or constraint.high, str)
        for disjunct in scoped.disjuncts
        for _, constraint in disjunct
    )


def _numbers_apart(row: Row) -> dict[str, Any]:
    return {name: None if value is None else value_to_json(value) for name, value in row.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(filters(), st.lists(rows(), min_size=1, max_size=6))
def test_exactly_the_rows_of_the_scope_are_selected(scoped: RowFilter, table_: list[Row]) -> None:
    """By Cube's operators, alternative by alternative; what they cannot say is refused."""
    (answer,) = rewritten(
        case(QUERY, {"orders": table(to_json(scoped))}, [_numbers_apart(row) for row in table_])
    )
    if to_json(scoped) == "none" or _text_range(scoped):
        assert "refused" in answer
        return
    assert answer == {"rows": [number for number, row in enumerate(table_) if matches(scoped, row)]}


REFUSED: list[tuple[dict[str, Any], object]] = [
    (QUERY, {}),
    (QUERY, None),
    (QUERY, {"others": table()}),
    (QUERY, {"orders": table(rows="none")}),
    (QUERY, {"orders": table([])}),
    (QUERY, {"orders": table([{}])}),
    (QUERY, {"orders": table([{"region": {"type": "string", "in": []}}])}),
    (QUERY, {"orders": table([{"region": {"type": "string", "since": "A"}}])}),
    (QUERY, {"orders": table([{"region": {"type": "string"}}])}),
    (QUERY, {"orders": table([{"store": {"type": "string", "in": ["x"]}}])}),
    (QUERY, {"orders": table(more=1)}),
    (QUERY, {"__proto__": table()}),
    ({}, {"orders": table()}),
    ({"measures": [{"cubeName": "orders", "expression": "secret"}]}, {"orders": table()}),
    ({"measures": ["count"]}, {"orders": table()}),
    ({"measures": ["orders.count"], "dimensions": ["customers.name"]}, {"orders": table()}),
    (
        {"measures": ["orders.count"], "filters": [{"member": "customers.name", "operator": "set"}]},
        {"orders": table()},
    ),
    (
        {
            "measures": ["orders.count"],
            "filters": [{"or": [{"and": [{"member": "customers.a", "operator": "set"}]}]}],
        },
        {"orders": table()},
    ),
    ({"measures": ["orders.count"], "order": {"customers.name": "asc"}}, {"orders": table()}),
    ({"measures": ["orders.count"], "order": [["customers.name", "asc"]]}, {"orders": table()}),
    ({"measures": ["orders.count"], "segments": ["customers.big"]}, {"orders": table()}),
    ({"measures": ["orders.count"], "timeDimensions": [{"dimension": "customers.day"}]}, {"orders": table()}),
    ({"dimensions": ["orders.email"]}, {"orders": table(hidden=["email"])}),
    ({"dimensions": ["orders.email"]}, {"orders": table(masked={"email": "hash"})}),
    (
        {"measures": ["orders.count"], "filters": [{"member": "orders.email", "operator": "set"}]},
        {"orders": table(hidden=["email"])},
    ),
]


@pytest.mark.parametrize(("query", "tables"), REFUSED)
def test_what_cannot_be_filtered_exactly_is_refused(query: dict[str, Any], tables: object) -> None:
    """Whatever member of a closed cube it reads, and wherever in the query."""
    (answer,) = rewritten(case(query, tables))
    assert answer["refused"].startswith(("scopegate: ", "Cannot read", "Object.entries"))


def test_the_neighbour_is_filtered() -> None:
    """By every cube that it reads; without a scope that can be read, not at all."""
    people = [{"region": "EU"}, {"region": "US"}]
    answers = rewritten(
        case(QUERY, {"orders": table()}, people),
        case(QUERY, {"orders": table("all")}, people),
        case(QUERY, {"orders": table()}, people, format=2),
        {"query": QUERY, "context": {}, "rows": people},
        {"query": QUERY, "context": None, "rows": people},
    )
    assert answers[:2] == [{"rows": [0]}, {"rows": [0, 1]}]
    assert all("refused" in answer for answer in answers[2:])


def test_every_type_of_value_is_one_that_cube_is_asked_about() -> None:
    """A new type needs its operators there."""
    assert set(ValueType) == {TYPES[name] for name in TYPES}
