"""A real Trino as the judge of guardrails: what they let through does not depend on a hidden column."""

import http.client
import json
from collections.abc import Iterator

import pytest

from authz.errors import Denied
from authz.guardrails.examine import examine, refuse_hidden
from authz.guardrails.rules import GuardrailRules, Session
from tests.envoy_process import wait_until
from tests.warehouses.trino_process import READY_SECONDS, TrinoProcess
from tests.warehouses.trino_statements import Statements

ANSWERED = 120
"""So many statements that are let through and mean something to Trino."""

RULES = GuardrailRules(dialect="trino", tables=frozenset({"lake.s.customers", "lake.s.orders"}))
HIDDEN = {("lake", "s", "customers"): frozenset({"email"})}
EMAILS = {"one": ("'a@x'", "'b@x'", "'c@x'", "'a@x'"), "other": ("null", "'z@y'", "'a@y'", "'c@y'")}
OPEN = {
    "config.properties": "",
    "access-control.properties": "access-control.name=allow-all\n",
}


class Asked:
    """A Trino without any access control, with two schemas that differ in the hidden column alone."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._origin = f"http://127.0.0.1:{port}"

    def close(self) -> None:
        self._connection.close()

    def rows(self, statement: str, schema: str) -> list[str] | None:
        """The rows as texts, sorted; None where Trino has an error to tell."""
        headers = {"X-Trino-User": "judge", "X-Trino-Catalog": "lake", "X-Trino-Schema": schema}
        answer = self._exchange("POST", "/v1/statement", statement.encode(), headers)
        rows = list(answer.get("data", ()))
        while "error" not in answer and "nextUri" in answer:
            answer = self._exchange("GET", answer["nextUri"].removeprefix(self._origin), None, {})
            rows += answer.get("data", ())
        return None if "error" in answer else sorted(map(json.dumps, rows))

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> dict:
        self._connection.request(method, path, body, headers)
        return json.loads(self._connection.getresponse().read())


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    with TrinoProcess(OPEN) as trino:
        made = Asked(trino.port)
        for schema, emails in EMAILS.items():
            people = ", ".join(f"({n}, {email}, 'n{n}', 'EU', array['t'])" for n, email in enumerate(emails))
            sold = ", ".join(f"({n}, 'b@x', {n * 10})" for n in range(len(emails)))
            for statement in (
                f"CREATE SCHEMA lake.{schema}",
                f"CREATE TABLE lake.{schema}.customers (id integer, email varchar, name varchar, region varchar, tags array(varchar))",
                f"CREATE TABLE lake.{schema}.orders (id integer, email varchar, amount integer)",
                f"INSERT INTO lake.{schema}.customers VALUES {people}",
                f"INSERT INTO lake.{schema}.orders VALUES {sold}",
            ):
                assert made.rows(statement, schema) is not None, statement
        wait_until(
            lambda: made.rows("SELECT id FROM lake.one.orders", "one") is not None,
            "Trino knows which catalogs its nodes have",
            READY_SECONDS,
        )
        yield made
        made.close()


def _is_allowed(statement: str) -> bool:
    try:
        refuse_hidden(examine(statement, RULES, Session(catalog="lake", schema="s")), HIDDEN)
    except Denied:
        return False
    return True


def test_what_is_let_through_answers_the_same_whatever_the_hidden_column_holds(asked: Asked) -> None:
    """Names, stars, aliases, definitions of the same name, joins, subqueries: as Trino itself reads them."""
    statements, known, answered = Statements(seed=476), set[str](), 0
    while answered < ANSWERED:
        statement = statements.one()
        if statement in known or not _is_allowed(statement):
            continue
        known.add(statement)
        one = asked.rows(statement, "one")
        if one is None:
            continue
        answered += 1
        # What Trino may answer in two ways says nothing.
        if one != asked.rows(statement, "other"):
            assert one != asked.rows(statement, "one"), statement


def test_the_judge_sees_what_leaks(asked: Asked) -> None:
    """Statements that are refused do tell of the hidden column, or nothing would be proven."""
    for statement in (
        "select email from customers",
        "select * from customers",
        "with customers as (select email from customers) select * from customers",
        "select b from customers c(a, b, d, e, f)",
        "select id from customers order by email limit 1",
    ):
        assert not _is_allowed(statement)
        assert asked.rows(statement, "one") != asked.rows(statement, "other"), statement
