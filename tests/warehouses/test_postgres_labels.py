"""`scopegate label suggest` at a real PostgreSQL: what it finds, that it reads only, and that no value comes out."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from authz.cli.main import main
from tests.warehouses.postgres_process import PostgresProcess

POLICY = """
version: 1
issuers: {okta: {issuer: https://acme.okta.com, audiences: [a], groups_claim: groups}}
assertion: {issuer: https://edge.example, keys: [signing.pem]}
dimensions: {region: {type: string}}
warehouses:
  crm:
    kind: postgrest
    routes: [{prefix: /}]
    upstream: http://127.0.0.1:3000
    tables:
      sales.customers: {columns: {region: region}, labels: {email: pii}}
      sales.contacts: {columns: {region: region}}
grants: [{id: eu, to: {groups: [eu]}, on: [crm], scope: {region: [EU]}}]
"""
CANARY = "canary-71c2"
SETUP = f"""
CREATE SCHEMA sales;
CREATE TYPE sales.mood AS ENUM ('good', 'bad');
CREATE TABLE sales.customers (id bigint, region text, email varchar(80), "fullName" text, born date, mood sales.mood,
    seen_from inet, contact text, note text, attributes jsonb, phones text[], email_sent_count integer, active boolean);
INSERT INTO sales.customers SELECT n, 'EU', 'p' || n || '@{CANARY}.example.com', 'Ann', '1970-01-01', 'good', '10.1.2.3',
    '+4930901' || 800 + n, CASE WHEN n = 7 THEN 'ask ann@{CANARY}.example.com' ELSE 'by train' END,
    jsonb_build_object('who', 'p' || n || '@{CANARY}.example.com'), ARRAY['+4930901800'], n, true FROM generate_series(1, 99) n;
CREATE VIEW sales.contacts AS SELECT region, contact AS reach FROM sales.customers;
CREATE TABLE sales.written (n integer);
CREATE FUNCTION sales.writes() RETURNS text LANGUAGE sql VOLATILE AS $$ INSERT INTO sales.written VALUES (1) RETURNING 'x' $$;
CREATE ROLE looker LOGIN;
GRANT USAGE ON SCHEMA sales TO looker;
"""


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresProcess]:
    with PostgresProcess() as process:
        with process.connect() as connection:
            connection.execute(SETUP)
        yield process


class Look:
    """The command, with the URL in a file of its own."""

    def __init__(self, database: PostgresProcess, directory: Path) -> None:
        self._database, self._directory = database, directory
        (directory / "scopegate.yaml").write_text(POLICY)

    def run(self, *arguments: object, user: str = "admin", password: str = "") -> Result:
        url = self._directory / "url"
        url.write_text(f"postgresql://{user}{password}@/postgres?host={self._database._directory}")
        url.chmod(0o600)
        return self.asked("--url-file", url, *arguments)

    def asked(self, *arguments: object) -> Result:
        start = ["label", "suggest", "--policy", self._directory / "scopegate.yaml", "--warehouse", "crm"]
        return CliRunner().invoke(main, [str(each) for each in (*start, *arguments)])

    def report(self, *arguments: object) -> dict[str, Any]:
        done = self.run(*arguments, "--format", "json")
        assert done.exit_code == 3, done.output
        found = json.loads(done.stdout)
        assert found["unread"] == []
        return found


@pytest.fixture
def look(database: PostgresProcess, tmp_path: Path) -> Look:
    return Look(database, tmp_path)


def _found(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["column"]: (each["category"], each["confidence"]) for each in report["proposals"]}


def test_names_and_types_are_read_and_no_row(look: Look) -> None:
    """Of tables and views."""
    report = look.report()
    assert _found(report) == {
        "email": ("email", "likely"),
        "fullName": ("person_name", "likely"),
        "born": ("birth", "likely"),
        "seen_from": ("network_address", "likely"),
        "phones": ("phone", "likely"),
    }
    assert {each["table"]: each["sampled_rows"] for each in report["tables"]} == {
        "sales.customers": None,
        "sales.contacts": None,
    }
    types = {each["column"]: each["type"] for each in report["proposals"]}
    assert types == {
        "email": "VARCHAR(80)",
        "fullName": "TEXT",
        "born": "DATE",
        "seen_from": "INET",
        "phones": "TEXT[]",
    }


def test_values_say_more_and_never_come_out(look: Look) -> None:
    """In texts, documents and arrays; in any form of the answer."""
    report = look.report("--sample-rows", 50)
    assert _found(report) == {
        "email": ("email", "certain"),
        "fullName": ("person_name", "likely"),
        "born": ("birth", "likely"),
        "seen_from": ("network_address", "certain"),
        "contact": ("phone", "certain"),
        "note": ("email", "possible"),
        "attributes": ("email", "certain"),
        "phones": ("phone", "certain"),
        "reach": ("phone", "certain"),
    }
    assert {each["sampled_rows"] for each in report["tables"]} == {50}
    for form in ("table", "yaml", "json"):
        said = look.run("--sample-rows", 50, "--format", form).output
        assert CANARY not in said
        assert "+4930" not in said


def test_a_file_says_what_the_database_says(look: Look, database: PostgresProcess, tmp_path: Path) -> None:
    """As `\\copy (SELECT * FROM information_schema.columns …) TO … CSV HEADER` writes it."""
    with database.connect() as connection, (tmp_path / "columns.csv").open("w", newline="") as file:
        cursor = connection.execute("SELECT * FROM information_schema.columns WHERE table_schema = 'sales'")
        writer = csv.writer(file)
        writer.writerow([column.name for column in cursor.description or []])
        writer.writerows(cursor)
    done = look.asked("--schema", tmp_path / "columns.csv", "--format", "json")
    assert done.exit_code == 3, done.output
    assert _found(json.loads(done.stdout)) == _found(look.report())


def test_tables_beside_those_of_the_policy_are_looked_at_if_asked(look: Look) -> None:
    """Of the same schema; their names are as the policy would have them."""
    report = look.report("--all-tables")
    assert {each["table"]: each["closed"] for each in report["tables"]} == {
        "sales.customers": False,
        "sales.contacts": False,
        "sales.written": True,
    }


def test_a_view_that_writes_is_not_let_write(look: Look, database: PostgresProcess) -> None:
    """The transaction is a reading one; the same without it would write."""
    with database.connect() as connection:
        connection.execute(
            "CREATE OR REPLACE VIEW sales.contacts AS SELECT region, sales.writes() AS reach FROM sales.customers"
        )
    try:
        done = look.run("--sample-rows", 5)
        assert done.exit_code == 2
        assert "sales.contacts: its values cannot be read (ReadOnlySqlTransaction)" in done.stderr
        # What could be read is told all the same.
        assert "e-mail addresses in 5 of 5 values" in done.stdout
        with database.connect() as connection:
            assert connection.execute("SELECT count(*) FROM sales.written").fetchone() == (0,)
            connection.execute("SELECT reach FROM sales.contacts LIMIT 1")
            assert connection.execute("SELECT count(*) > 0 FROM sales.written").fetchone() == (True,)
            connection.rollback()
    finally:
        with database.connect() as connection:
            connection.execute(
                "CREATE OR REPLACE VIEW sales.contacts AS SELECT region, contact AS reach FROM sales.customers"
            )


def test_an_error_over_a_value_does_not_quote_it(look: Look, database: PostgresProcess) -> None:
    """PostgreSQL says `invalid input syntax for type integer: "…"`."""
    with database.connect() as connection:
        connection.execute("DROP VIEW sales.contacts")
        connection.execute(
            "CREATE VIEW sales.contacts AS SELECT region, email::integer AS reach FROM sales.customers"
        )
    try:
        done = look.run("--sample-rows", 5)
        assert done.exit_code == 2
        assert "sales.contacts: its values cannot be read (InvalidTextRepresentation)" in done.stderr
        assert CANARY not in done.output
    finally:
        with database.connect() as connection:
            connection.execute("DROP VIEW sales.contacts")
            connection.execute(
                "CREATE VIEW sales.contacts AS SELECT region, contact AS reach FROM sales.customers"
            )


def test_who_may_not_read_rows_is_told_so_and_names_are_read(look: Look) -> None:
    """A gate with a sample that was refused is not green."""
    done = look.run("--sample-rows", 5, user="looker")
    assert done.exit_code == 2
    assert "sales.customers: its values cannot be read (InsufficientPrivilege)" in done.stderr
    assert "the name says a person's name" in done.stdout
    assert look.run(user="looker").exit_code == 3


def test_who_is_not_let_in_reads_why_without_the_password(look: Look) -> None:
    """The driver's own words."""
    done = look.run(user="nobody", password=f":{CANARY}")
    assert done.exit_code == 2
    assert 'role "nobody" does not exist' in done.output
    assert CANARY not in done.output
