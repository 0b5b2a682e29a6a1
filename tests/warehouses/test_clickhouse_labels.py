"""`scopegate label suggest` at a real ClickHouse engine, by ClickHouse's own SQLAlchemy dialect."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from chdb.session import Session
from click.testing import CliRunner, Result

from authz.cli.main import main
from tests.edge_counterparts import Answer, Seen, Warehouse

POLICY = """
version: 1
issuers: {okta: {issuer: https://acme.okta.com, audiences: [a], groups_claim: groups}}
dimensions: {region: {type: string}}
warehouses:
  events:
    kind: clickhouse
    routes: [{prefix: /}]
    upstream: http://127.0.0.1:8123
    upstream_api_key_file: clickhouse.key
    tables: {sales.clicks: {columns: {region: region}}}
grants: [{id: eu, to: {groups: [eu]}, on: [events], scope: {region: [EU]}}]
"""
CANARY = "canary-33d0"
SETUP = [
    "CREATE DATABASE sales",
    (
        "CREATE TABLE sales.clicks (id UInt64, region LowCardinality(String), email Nullable(String), client_ip IPv4,"
        " reach Array(String), `where` Tuple(street String, lat Float64), email_sent_count UInt32, at DateTime64(3))"
        " ENGINE = MergeTree ORDER BY id"
    ),
    (
        f"INSERT INTO sales.clicks SELECT number, 'EU', concat('p', toString(number), '@{CANARY}.example.com'), '10.1.2.3',"
        " ['+4930901820'], ('x', 1.5), 1, now() FROM numbers(60)"
    ),
]


class Server:
    """ClickHouse's HTTP side, as far as its driver uses it."""

    def __init__(self, directory: Path) -> None:
        self._session = Session(str(directory))
        for statement in SETUP:
            self._session.query(statement)
        self.statements: list[str] = []

    def __call__(self, seen: Seen) -> Answer:
        facts = dict(parse_qsl(urlsplit(seen.target).query))
        statement = seen.body.decode() or facts["query"]
        self.statements.append(statement)
        form = (seen.values("x-clickhouse-format") or [facts.get("default_format", "TabSeparated")])[0]
        try:
            body = self._session.query(
                statement.split(" FORMAT Native")[0], "Native" if "Native" in statement else form
            )
        except RuntimeError as error:
            return Answer(status=500, body=str(error).encode())
        headers = (("x-clickhouse-format", form), ("x-clickhouse-timezone", "UTC"))
        return Answer(headers=headers, body=bytes(body.bytes()))

    def close(self) -> None:
        self._session.close()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    server = Server(tmp_path_factory.mktemp("clickhouse"))
    with Warehouse() as running:
        running.answer = server
        yield running
    server.close()


def _run(warehouse: Warehouse, directory: Path, *arguments: str) -> Result:
    (directory / "scopegate.yaml").write_text(POLICY)
    start = ["--policy", str(directory / "scopegate.yaml"), "--warehouse", "events", "--url-env", "WAREHOUSE"]
    url = f"clickhouse://reader:{CANARY}@127.0.0.1:{warehouse.port}/default"
    return CliRunner().invoke(main, ["label", "suggest", *start, *arguments], env={"WAREHOUSE": url})


def test_names_types_and_values_are_read_and_no_value_comes_out(warehouse: Warehouse, tmp_path: Path) -> None:
    """And nothing but reading was asked of it; a label is nothing that a ClickHouse takes."""
    done = _run(warehouse, tmp_path, "--format", "json")
    assert done.exit_code == 3, done.output
    named = {each["column"]: each["confidence"] for each in json.loads(done.stdout)["proposals"]}
    assert named == {"email": "likely", "client_ip": "certain", "where": "likely"}
    assert not any("sales" in text and "LIMIT" in text for text in warehouse.answer.statements)  # type: ignore[union-attr]
    done = _run(warehouse, tmp_path, "--sample-rows", "40", "--format", "json")
    report = json.loads(done.stdout)
    assert (report["takes_labels"], report["unread"], report["tables"][0]["sampled_rows"]) == (False, [], 40)
    seen = {each["column"]: each["confidence"] for each in report["proposals"]}
    assert seen == {**named, "email": "certain", "reach": "certain"}
    assert CANARY not in done.output
    first = {text.split()[0].upper() for text in warehouse.answer.statements}  # type: ignore[union-attr]
    assert first <= {"SELECT", "DESCRIBE", "EXISTS", "SHOW"}


def test_a_table_that_is_not_there_is_said(warehouse: Warehouse, tmp_path: Path) -> None:
    """Not that nothing was found."""
    done = _run(warehouse, tmp_path, "--table", "sales.clicks")
    assert done.exit_code == 3
    other = tmp_path / "other"
    other.mkdir()
    (other / "scopegate.yaml").write_text(POLICY.replace("sales.clicks", "sales.gone"))
    start = ["--policy", str(other / "scopegate.yaml"), "--warehouse", "events", "--url-env", "WAREHOUSE"]
    url = f"clickhousedb://reader:{CANARY}@127.0.0.1:{warehouse.port}/default"
    done = CliRunner().invoke(main, ["label", "suggest", *start], env={"WAREHOUSE": url})
    assert done.exit_code == 2
    assert "sales.gone" in done.output
    assert CANARY not in done.output
