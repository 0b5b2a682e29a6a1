"""The matrix at a real PostgreSQL: claims of the check's own token, set as PostgREST sets those that it has verified."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from authz.edge.warehouses.postgres import postgres_files
from authz.errors import Reason
from authz.rendering.targets.postgrest import MAX_ALTERNATIVES
from tests.signingkeys import one_key, verified
from tests.warehouses.matrix import Case, Cells, Deciding, cells, run
from tests.warehouses.matrix_data import POSTGRES, Speech
from tests.warehouses.matrix_rules import Policy
from tests.warehouses.postgres_process import PostgresProcess

KEYS = one_key()
VIEWS = Speech(table="scopegate_api.{}", types=POSTGRES.types, text=POSTGRES.text)
"""What is asked; the policy names the tables below."""


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresProcess]:
    with PostgresProcess() as process:
        with process.connect() as connection:
            connection.execute("CREATE SCHEMA base")
            for statement in POSTGRES.setup():
                connection.execute(statement.encode())
        yield process


def test_every_policy_and_question(database: PostgresProcess, tmp_path: Path) -> None:
    """Each answer is the oracle's, whoever asks whatever."""
    script = tmp_path / "scopegate.sql"

    def ready(policy: Policy) -> tuple[Deciding, object]:
        deciding = Deciding(policy.text(), KEYS)
        script.write_text(postgres_files(deciding.policy, deciding.warehouse("crm"))["scopegate.sql"])
        done = database.run_file(script)
        assert done.returncode == 0, done.stderr
        with database.connect() as made:
            made.execute("DROP ROLE IF EXISTS authenticator")
            made.execute("CREATE ROLE authenticator LOGIN NOINHERIT IN ROLE scopegate_reader")
        return deciding, ask

    def ask(case: Case, deciding: Deciding) -> tuple[Reason, Cells | None]:
        decided = deciding.decide("crm", case.person, method="GET", target="/facts")
        if decided.reason is not Reason.GRANTED:
            return decided.reason, None
        _, headers = decided.rewritten()
        told = verified(headers["authorization"].removeprefix("Bearer "), KEYS, audience="crm")
        with database.connect(user="authenticator") as connection:
            connection.execute(f'SET LOCAL ROLE "{told["role"]}"'.encode())
            connection.execute("SELECT set_config('request.jwt.claims', %s, true)", [json.dumps(told)])
            rows = connection.execute(case.question.said(VIEWS).encode()).fetchall()
            connection.rollback()
        return decided.reason, cells(rows, case.question.types)

    run(ready, most=MAX_ALTERNATIVES)
