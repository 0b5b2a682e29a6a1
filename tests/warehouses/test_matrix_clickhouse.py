"""The matrix at a real ClickHouse engine: the scope as the check writes it into the request, read by rendered row policies."""

import json
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from authz.errors import Reason
from authz.rendering.targets.clickhouse import MAX_ALTERNATIVES, SETTING
from tests.signingkeys import one_key
from tests.warehouses.clickhouse_engine import Asked, fill, restricted
from tests.warehouses.matrix import Case, Cells, Deciding, cells, run
from tests.warehouses.matrix_data import CLICKHOUSE
from tests.warehouses.matrix_rules import Policy

TARGET = "/?join_use_nulls=1&output_format_json_quote_decimals=1&output_format_json_quote_64bit_integers=1"
"""What makes ClickHouse's answers those of the standard: NULL where a join finds nothing."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("clickhouse")
    fill(directory, ["CREATE DATABASE matrix", *CLICKHOUSE.setup(" ENGINE = MergeTree ORDER BY tuple()")])
    return directory


def test_every_policy_and_question(data: Path) -> None:
    """Each answer is the oracle's, whoever asks whatever."""

    def ready(policy: Policy) -> tuple[Deciding, object]:
        deciding = Deciding(policy.text(), one_key())
        connection = restricted(data, deciding.policy, deciding.warehouse("events"))

        def ask(case: Case, deciding: Deciding) -> tuple[Reason, Cells | None]:
            statement = case.question.said(CLICKHOUSE)
            decided = deciding.decide("events", case.person, method="POST", target=TARGET, body=statement)
            if decided.reason is not Reason.GRANTED:
                return decided.reason, None
            target, _ = decided.rewritten()
            told = dict(parse_qsl(urlsplit(target).query, strict_parsing=True))
            scope, readonly = told.pop(SETTING), told.pop("readonly")
            assert readonly == "1"
            asked = Asked(connection, scope.strip("'"), told)
            try:
                lines = asked.bytes(statement, "JSONCompactEachRow").decode().splitlines()
            finally:
                asked.close()
            return decided.reason, cells([json.loads(line) for line in lines], case.question.types)

        return deciding, ask

    run(ready, most=MAX_ALTERNATIVES)
