"""`scopegate label suggest` at a real Trino, whose catalogs one policy names: by Trino's own SQLAlchemy dialect."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trino.dbapi
from click.testing import CliRunner, Result

from authz.cli.main import main
from tests.warehouses.trino_process import TrinoProcess, wait_for_workers

POLICY = """
version: 1
issuers: {okta: {issuer: https://acme.okta.com, audiences: [a], groups_claim: groups}}
assertion: {issuer: https://edge.example, keys: [signing.pem]}
dimensions: {region: {type: string}}
warehouses:
  lake:
    kind: trino
    routes: [{prefix: /}]
    upstream: http://127.0.0.1:8080
    tables:
      lake.sales.orders: {columns: {region: region}, labels: {email: pii}}
      other.crm.people: {unfiltered: [region]}
grants: [{id: eu, to: {groups: [eu]}, on: [lake], scope: {region: [EU]}}]
"""
CANARY = "canary-58b3"
SETUP = (
    "CREATE SCHEMA lake.sales",
    "CREATE SCHEMA other.crm",
    ("CREATE TABLE lake.sales.orders (id bigint, region varchar(8), email varchar(64), reach varchar, client_ip ipaddress,"
    " who row(first_name varchar, tags array(varchar)), email_sent_count integer)"),
    (f"INSERT INTO lake.sales.orders SELECT n, 'EU', 'p' || cast(n AS varchar) || '@{CANARY}.example.com', '+4930901820',"
    " ipaddress '10.1.2.3', row('Ann', ARRAY['x']), 1 FROM UNNEST(sequence(1, 60)) AS t (n)"),
    "CREATE TABLE other.crm.people (iban varchar, born date)",
)  # fmt: skip


@pytest.fixture(scope="module")
def process() -> Iterator[TrinoProcess]:
    files = {"config.properties": "", "catalog/other.properties": "connector.name=memory\n"}
    with TrinoProcess(files) as started:
        connection = trino.dbapi.connect(host="127.0.0.1", port=started.port, user="loader")
        for statement in SETUP:
            connection.cursor().execute(statement).fetchall()
        wait_for_workers(lambda: connection.cursor().execute("SELECT id FROM lake.sales.orders").fetchall())
        wait_for_workers(lambda: connection.cursor().execute("SELECT iban FROM other.crm.people").fetchall())
        yield started


def _run(process: TrinoProcess, directory: Path, *arguments: str, policy: str = POLICY) -> Result:
    # They override what a client is told to verify with.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        os.environ.pop(name, None)
    (directory / "scopegate.yaml").write_text(policy)
    start = ["--policy", str(directory / "scopegate.yaml"), "--warehouse", "lake", "--url-env", "WAREHOUSE"]
    url = f"trino://looker@127.0.0.1:{process.port}/lake"
    return CliRunner().invoke(main, ["label", "suggest", *start, *arguments], env={"WAREHOUSE": url})


def test_two_catalogs_are_read_by_one_url_and_no_value_comes_out(
    process: TrinoProcess, tmp_path: Path
) -> None:
    """Structures by the names inside them, addresses by their type, texts by their looks."""
    done = _run(process, tmp_path, "--format", "json")
    assert done.exit_code == 3, done.output
    named = {each["column"]: each["confidence"] for each in json.loads(done.stdout)["proposals"]}
    assert named == {
        "email": "likely",
        "client_ip": "certain",
        "who": "likely",
        "iban": "likely",
        "born": "likely",
    }
    done = _run(process, tmp_path, "--sample-rows", "40", "--format", "json")
    report = json.loads(done.stdout)
    assert report["unread"] == []
    assert {each["table"]: each["sampled_rows"] for each in report["tables"]} == {
        "lake.sales.orders": 40,
        "other.crm.people": 0,
    }
    seen = {each["column"]: each["confidence"] for each in report["proposals"]}
    assert seen == {**named, "email": "certain", "reach": "certain"}
    assert CANARY not in done.output


def test_a_table_or_a_catalog_that_is_not_there_is_said(process: TrinoProcess, tmp_path: Path) -> None:
    """Not that nothing was found."""
    for gone in ("other.crm.nobody", "nowhere.crm.people"):
        done = _run(process, tmp_path, policy=POLICY.replace("other.crm.people", gone))
        assert done.exit_code == 2
        assert gone in done.output
