"""Somebody with SQL of his own at a real PostgreSQL, which is more than PostgREST gives anybody: no row of others shows."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from authz.edge.warehouses.postgres import postgres_files
from tests.signingkeys import one_key, verified
from tests.warehouses.adversary import ANN, POLICY, TABLES, WORLDS, Ask, Told, filled, hold, setup
from tests.warehouses.matrix import Deciding
from tests.warehouses.postgres_process import PostgresProcess

KEYS = one_key()

TELLING = frozenset(
    {
        # How many rows a table has in all, PostgreSQL tells everybody with a connection.
        "SELECT n_live_tup FROM pg_stat_all_tables WHERE schemaname = '{w}'",
        "SELECT reltuples, relpages FROM pg_class WHERE relname = 'accounts_{w}' AND relnamespace::regnamespace::text = '{w}'",
        "EXPLAIN SELECT * FROM {t}",
        "EXPLAIN SELECT * FROM {t} WHERE region = 'US'",
        "EXPLAIN ANALYZE SELECT * FROM {t}",
    }
)  # fmt: skip
"""docs/warehouses.md says so. PostgREST asks none of these: it shows one schema, and no plan."""


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    deciding = Deciding(POLICY, KEYS)
    script = tmp_path_factory.mktemp("postgres") / "scopegate.sql"
    script.write_text(postgres_files(deciding.policy, deciding.warehouse("crm"))["scopegate.sql"])
    with PostgresProcess() as process:
        _fill(process, script)

        def asked(statement: str, world: str) -> Told:
            decided = deciding.decide("crm", ANN, method="GET", target=f"/accounts_{world}")
            _, headers = decided.rewritten()
            told = verified(headers["authorization"].removeprefix("Bearer "), KEYS, audience="crm")
            with process.connect(user="authenticator") as connection:
                connection.execute("SET LOCAL ROLE scopegate_reader")
                connection.execute("SELECT set_config('request.jwt.claims', %s, true)", [json.dumps(told)])
                return _told(connection, filled(statement, world, f"scopegate_api.accounts_{world}"))

        yield asked


def _fill(process: PostgresProcess, script: Path) -> None:
    with process.connect() as connection:
        for world in WORLDS:
            connection.execute(f"CREATE SCHEMA {world}".encode())
            table = TABLES["crm"].format(w=world)
            for statement in (*setup(world, table, "integer", "text"), f"ANALYZE {table}"):
                connection.execute(statement.encode())
    done = process.run_file(script)
    assert done.returncode == 0, done.stderr
    with process.connect() as connection:
        connection.execute("CREATE ROLE authenticator LOGIN NOINHERIT IN ROLE scopegate_reader")


def _told(connection: "psycopg.Connection[tuple[object, ...]]", statement: str) -> Told:
    try:
        cursor = connection.execute(statement.encode())
        while cursor.nextset():
            pass
        return Told(tuple(map(str, cursor.fetchall() if cursor.description else ())))
    except psycopg.Error as error:
        return Told(None, str(error))
    finally:
        connection.rollback()


def test_no_answer_tells_of_rows_of_others(ask: Ask) -> None:
    """Errors, functions of his own, catalogs, plans: but for counts, which are known."""
    hold("postgres", ask, lambda statement: statement not in TELLING, TELLING)


def test_claims_are_not_his_to_set_where_it_counts(ask: Ask) -> None:
    """They are to whoever has SQL of his own, and `docs/warehouses.md` says so: the boundary is PostgREST."""
    everything = json.dumps({"aud": "crm", "format": 1, "rows": "all", "labels": {}})
    widened = ask(
        f"SELECT set_config('request.jwt.claims', '{everything}', true); SELECT count(*) FROM {{t}}",
        WORLDS[0],
    )
    assert widened.rows == ("(6,)",)
    # Another warehouse's claims are worth nothing, nor are none.
    for claims in (everything.replace("crm", "lake"), ""):
        none = ask(
            f"SELECT set_config('request.jwt.claims', '{claims}', true); SELECT count(*) FROM {{t}}",
            WORLDS[0],
        )
        assert none.rows == ("(0,)",)
