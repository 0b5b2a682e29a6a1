"""Somebody who asks a real ClickHouse engine whatever he likes: no row of others shows, in no answer and in no error."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from authz.errors import Reason
from authz.rendering.targets.clickhouse import SETTING
from tests.signingkeys import one_key
from tests.warehouses.adversary import ANN, POLICY, TABLES, WORLDS, Told, filled, hold, setup
from tests.warehouses.clickhouse_engine import Asked, fill, restricted
from tests.warehouses.matrix import Decided, Deciding

TELLING = frozenset(
    {
        "SELECT _part_offset FROM {t}",
        "SELECT _part_starting_offset, _part_offset FROM {t}",
        "SELECT _block_number, _block_offset FROM {t}",
        "SELECT total_rows FROM system.tables WHERE database = '{w}'",
        "SELECT lifetime_rows, total_bytes, total_marks FROM system.tables WHERE database = '{w}'",
        "EXPLAIN ESTIMATE SELECT * FROM {t}",
        # The engine's user may do everything here; the server's has SELECT on the tables of the policy only.
        "SELECT sum(rows) FROM system.parts WHERE database = '{w}'",
        "SELECT * FROM system.parts_columns WHERE database = '{w}'",
    }
)
"""What tells of the number of all rows past row policies: guardrails refuse all of it."""


class Asking:
    def __init__(self, directory: Path) -> None:
        self._deciding = Deciding(POLICY, one_key())
        statements = [f"CREATE DATABASE {world}" for world in WORLDS]
        for world in WORLDS:
            table = TABLES["events"].format(w=world)
            statements += setup(world, table, "Int32", "String", " ENGINE = MergeTree ORDER BY {order}")
        fill(directory, statements)
        self._connection = restricted(directory, self._deciding.policy, self._deciding.warehouse("events"))

    def decided(self, statement: str, world: str) -> Decided:
        text = filled(statement, world, TABLES["events"].format(w=world))
        return self._deciding.decide("events", ANN, method="POST", target="/", body=text)

    def __call__(self, statement: str, world: str) -> Told:
        """Past guardrails, with the scope that a harmless statement has."""
        target, _ = self.decided("SELECT 1", world).rewritten()
        scope = dict(parse_qsl(urlsplit(target).query, strict_parsing=True))[SETTING]
        asked = Asked(self._connection, scope.strip("'"))
        try:
            return Told(tuple(asked.rows(filled(statement, world, TABLES["events"].format(w=world)))))
        except RuntimeError as error:
            return Told(None, str(error))
        finally:
            asked.close()


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Asking:
    return Asking(tmp_path_factory.mktemp("clickhouse"))


def test_no_answer_tells_of_rows_of_others(ask: Asking) -> None:
    """PREWHERE, errors, virtual columns, table functions, system tables, plans."""
    hold(
        "clickhouse",
        ask,
        lambda statement: ask.decided(statement, WORLDS[0]).reason is Reason.GRANTED,
        TELLING,
    )


def test_what_reaches_out_or_elsewhere_is_refused(ask: Asking) -> None:
    """By its reason; a closed table, too, which the engine's user could read here."""
    for statement, reason in (
        ("SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')", Reason.FUNCTION_DENIED),
        ("SELECT file('/etc/passwd')", Reason.FUNCTION_DENIED),
        ("SELECT count() FROM remote('127.0.0.1', '{w}', 'closed')", Reason.FUNCTION_DENIED),
        ("SELECT * FROM {w}.closed", Reason.TABLE_DENIED),
        ("SELECT count() FROM merge('{w}', '.*')", Reason.FUNCTION_DENIED),
        ("SELECT `_part_offset` FROM {t}", Reason.COLUMN_HIDDEN),
        ("SELECT max(t._Part_Offset) FROM {t} AS t", Reason.COLUMN_HIDDEN),
        ("SELECT {x:Identifier} FROM {t}", Reason.STATEMENT_DENIED),
        ("SELECT count() FROM {t} SETTINGS readonly = 0", Reason.STATEMENT_DENIED),
        ("SELECT 1; SELECT 2", Reason.STATEMENT_DENIED),
    ):
        assert ask.decided(statement, WORLDS[0]).reason is reason, statement
