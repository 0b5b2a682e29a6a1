"""The demo's warehouse without its HTTP."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from authz.demo.expected import ask_oracle
from authz.demo.sales import COLUMNS, generate, open_read_only
from authz.demo.warehouse import InjectedScope, Refused, SalesWarehouse, read_scope

TODAY = date(2026, 11, 23)
ROWS = 5_000
HEADERS = {"x-scope-id": ["ab" * 16], "x-scope-warehouse": ["sales"], "x-scope-sql": ["region%20=%20'EU'"]}


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A few sales in a file."""
    database = tmp_path_factory.mktemp("sales") / "sales.duckdb"
    generate(database, rows=ROWS, today=TODAY)
    with open_read_only(database) as opened:
        yield opened


def _scope(where: str, hidden: tuple[str, ...] = (), **masks: str) -> InjectedScope:
    return InjectedScope(id="ab" * 16, where=where, hidden=hidden, masks=masks)


@pytest.mark.parametrize("missing", sorted(HEADERS))
def test_no_answer_without_the_whole_scope(missing: str) -> None:
    """A request that bypassed Scopegate has no scope headers, and gets nothing."""
    with pytest.raises(Refused) as refused:
        read_scope({name: values for name, values in HEADERS.items() if name != missing})
    assert refused.value.status == 403


@pytest.mark.parametrize("doubled", sorted(HEADERS))
def test_no_answer_to_a_scope_that_came_twice(doubled: str) -> None:
    """Two scopes are none: somebody between added one."""
    with pytest.raises(Refused):
        read_scope({**HEADERS, doubled: [*HEADERS[doubled], "TRUE"]})


def test_no_answer_to_a_scope_for_another_warehouse() -> None:
    """A scope says what may be seen here, not anywhere."""
    with pytest.raises(Refused):
        read_scope({**HEADERS, "x-scope-warehouse": ["payroll"]})


def test_no_answer_if_the_scope_hides_a_column_that_does_not_exist() -> None:
    """A renamed column would else be shown, since nothing hides it any more."""
    with pytest.raises(Refused) as refused:
        read_scope({**HEADERS, "x-scope-hidden": ["customer_mail"]})
    assert refused.value.status == 500


def test_the_scope_is_read_from_percent_encoded_headers() -> None:
    """Values are ASCII on the wire."""
    scope = read_scope(
        {**HEADERS, "x-scope-hidden": ["customer_email,amount"], "x-scope-masked": ["region=hash"]}
    )
    assert scope.where == "region = 'EU'"
    assert scope.hidden == ("customer_email", "amount")
    assert scope.masks == {"region": "hash"}


def test_a_scope_selects_rows_and_hides_a_column(connection: duckdb.DuckDBPyConnection) -> None:
    """What the warehouse says equals what the oracle counts by hand."""
    where = "region IN ('EU', 'NO') AND ordered_at <= DATE '2026-11-23'"
    answer = SalesWarehouse(connection).summarize(_scope(where, hidden=("customer_email",)))
    truth = ask_oracle(connection, "region IN ('EU', 'NO') AND ordered_at <= $today", TODAY)
    assert 0 < truth.rows < ROWS
    assert (answer["rows"], answer["revenue"]) == (truth.rows, truth.revenue)
    assert answer["columns"] == [column for column in COLUMNS if column != "customer_email"]
    assert not any("@" in str(value) for row in answer["sample"] for value in row)  # type: ignore[attr-defined]


def test_a_scope_without_rows_answers_with_none(connection: duckdb.DuckDBPyConnection) -> None:
    """Nothing is an answer, not an error."""
    answer = SalesWarehouse(connection).summarize(_scope("FALSE"))
    assert (answer["rows"], answer["revenue"], answer["sample"]) == (0, "0", [])


@pytest.mark.parametrize("mask", ["hash", "last4", "null"])
def test_a_masked_column_keeps_its_name_but_not_its_values(
    connection: duckdb.DuckDBPyConnection, mask: str
) -> None:
    """Whatever the mask, no address comes out."""
    answer = SalesWarehouse(connection).summarize(_scope("TRUE", customer_email=mask))
    assert "customer_email" in answer["columns"]  # type: ignore[operator]
    assert "@mail" not in str(answer["sample"])


@pytest.mark.parametrize(
    ("value", "shown"), [("1234", "****"), ("", "****"), ("12345", "2345"), (None, None)]
)
def test_last4_shows_nothing_of_a_value_that_has_no_more_than_four_characters(
    connection: duckdb.DuckDBPyConnection, value: str | None, shown: str | None
) -> None:
    """The last four of four would be all of it."""
    warehouse = SalesWarehouse(connection)
    connection.execute("CREATE OR REPLACE TEMP TABLE short AS SELECT ?::VARCHAR AS pin", [value])
    expression = warehouse._expression("pin", "last4")
    assert connection.execute(f"SELECT {expression} FROM short").fetchone() == (shown,)


def test_a_mask_that_the_warehouse_does_not_know_is_an_error(connection: duckdb.DuckDBPyConnection) -> None:
    """Rather no answer than the clear value."""
    with pytest.raises(Refused):
        SalesWarehouse(connection).summarize(_scope("TRUE", customer_email="rot13"))


def test_the_same_address_has_another_hash_in_another_warehouse(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """The salt keeps a list of known addresses from undoing the mask."""
    first, second = (
        SalesWarehouse(connection).summarize(_scope("TRUE", customer_email="hash")) for _ in range(2)
    )
    assert first["sample"] != second["sample"]


def test_each_question_is_counted(connection: duckdb.DuckDBPyConnection) -> None:
    """The count is what proves that the edge cache answered."""
    warehouse = SalesWarehouse(connection)
    serials = [warehouse.summarize(_scope("TRUE"))["query"] for _ in range(2)]
    assert (serials, warehouse.queries) == ([1, 2], 2)


def test_no_predicate_can_write_or_read_files(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """The database is open for reading, without access to the outside, and for good."""
    outside = tmp_path / "secret.csv"
    outside.write_text("a\n1\n")
    for where in (f"EXISTS (SELECT 1 FROM read_csv('{outside}'))", "TRUE); DROP TABLE sales; --"):
        with pytest.raises(duckdb.Error):
            SalesWarehouse(connection).summarize(_scope(where))
    with pytest.raises(duckdb.Error):
        connection.execute("SET enable_external_access = true")


def test_the_data_is_the_same_for_everybody_on_the_same_day(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Generated by arithmetic: a second generation has the same rows."""
    database = tmp_path / "again.duckdb"
    generate(database, rows=ROWS, today=TODAY)
    fingerprint = (
        "SELECT count(*), sum(amount), count(DISTINCT customer_email), bit_xor(hash(sales)) FROM sales"
    )
    with open_read_only(database) as again:
        assert again.execute(fingerprint).fetchall() == connection.execute(fingerprint).fetchall()


def test_the_data_has_rows_on_every_side_of_the_policys_edges(connection: duckdb.DuckDBPyConnection) -> None:
    """Without them, a policy that filters too little would look right."""
    for where in (
        "region = 'NO'",
        "region IS NULL",
        "ordered_at = $today - 400",
        "ordered_at = $today - 401",
        "ordered_at = $today - 90",
        "ordered_at = $today - 91",
        "ordered_at = $today",
        "ordered_at = $today + 1",
    ):
        assert ask_oracle(connection, where, TODAY).rows > 0, where
