"""What somebody tries who may ask anything, and how it shows: an answer must not depend on rows that are not theirs.

Each statement is asked in two worlds that are the same but for the rows of others. Whatever comes back, rows or an error,
must be the same in both. What tells the worlds apart is a leak: guardrails refuse it, or `docs/warehouses.md` says it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.tokens import AUDIENCE, ISSUER
from tests.warehouses.matrix_rules import WAREHOUSES, Person

WORLDS: Final = ("aster", "birch")

OPEN: Final = ((1, "EU", "12", 5), (2, "EU", "7", 3), (3, "EU", "7", 2))
"""What the person may see: id, region, code, amount."""

SHUT: Final[Mapping[str, Sequence[tuple[int, str, str, int]]]] = {
    # No number, a division by nothing, one row more, another region.
    "aster": ((-2, "US", "canary", 0), (-1, "US", "canary", 0), (4, "JP", "canary", -7)),
    "birch": ((-1, "US", "99", 4), (9, "US", "98", 9)),
}
"""What the person may not see."""

CANARY: Final = "canary"

ANN: Final = Person(groups=("eu",))

TABLES: Final = {"lake": "lake.{w}.accounts_{w}", "events": "{w}.accounts_{w}", "crm": "{w}.accounts_{w}"}
"""Of each warehouse, by the name of a world."""

POLICY: Final = json.dumps(
    {
        "version": 1,
        "issuers": {
            "okta": {"issuer": ISSUER, "audiences": [AUDIENCE], "groups_claim": "groups", "jwks_file": "jwks.json"}
        },
        "assertion": {"issuer": "https://edge.example", "keys": ["signing.pem"]},
        "dimensions": {"region": {"type": "string"}},
        "warehouses": {
            name: {
                "kind": kind,
                "routes": [{"prefix": "/", "hosts": [f"{name}.example"]}],
                "upstream": "http://warehouse",
                "tables": {TABLES[name].format(w=world): {"columns": {"region": "region"}} for world in WORLDS},
            }
            for name, (kind, _) in WAREHOUSES.items()
        },
        "grants": [
            {"id": "eu", "to": {"groups": ["eu"]}, "on": "all", "scope": {"region": ["EU"]}},
            {"id": "us", "to": {"groups": ["us"]}, "on": "all", "scope": {"region": ["US", "JP"]}},
        ],
    }
)  # fmt: skip
"""One policy, three warehouses."""

SAME_WORDS: Final = (
    "SELECT * FROM {t}",
    "SELECT count(*) FROM {t}",
    "SELECT count(id), min(id), max(id), min(amount), max(amount) FROM {t}",
    "SELECT count(*) FROM {t} WHERE region = 'US' OR 1 = 1",
    "SELECT count(*) FROM {t} WHERE region <> 'EU' OR region IS NULL",
    "SELECT id FROM {t} UNION ALL SELECT id FROM {t} WHERE 1 = 0",
    "SELECT id FROM {t} UNION DISTINCT SELECT id FROM {t}",
    "SELECT id FROM (SELECT * FROM {t}) AS x WHERE region <> 'EU'",
    "WITH x AS (SELECT * FROM {t}) SELECT count(*) FROM x",
    "SELECT (SELECT max(id) FROM {t})",
    "SELECT (SELECT count(*) FROM {t} WHERE amount = 0)",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM {t} WHERE region = 'US')",
    "SELECT id FROM {t} WHERE id IN (SELECT id FROM {t} WHERE code = 'canary')",
    "SELECT a.id, b.id FROM {t} AS a LEFT JOIN {t} AS b ON a.id = b.id - 1",
    "SELECT a.id FROM {t} AS a CROSS JOIN {t} AS b",
    "SELECT id, row_number() OVER (ORDER BY id), count(*) OVER () FROM {t}",
    "SELECT region, count(*) FROM {t} GROUP BY GROUPING SETS ((region), ())",
    "SELECT id FROM {t} ORDER BY id LIMIT 1",
    # Errors: what a row that is not seen would do to a condition, an order, an aggregate.
    "SELECT id FROM {t} WHERE 10 / amount > 0",
    "SELECT count(*) FROM {t} WHERE 10 / amount > 0",
    "SELECT id FROM {t} WHERE 10 / (amount - 4) < 100",
    "SELECT id FROM {t} WHERE 10 / (CASE region WHEN 'US' THEN 0 ELSE 1 END) = 10",
    "SELECT count(*) FROM {t} WHERE CASE WHEN region = 'US' THEN 1 / (amount - amount) ELSE 1 END = 1",
    "SELECT id FROM {t} WHERE 10 / amount > 0 AND region = 'EU'",
    "SELECT id FROM {t} WHERE region = 'US' AND 10 / amount > 0",
    "SELECT sum(10 / amount) FROM {t}",
    "SELECT max(10 / (amount - 4)) FROM {t} GROUP BY region",
    "SELECT id FROM {t} ORDER BY 10 / amount",
    "SELECT region FROM {t} GROUP BY region HAVING min(10 / amount) > 0",
    "SELECT count(*) FROM {t} WHERE CAST(code AS integer) > 0",
    "SELECT count(*) FROM {t} WHERE CAST(code AS date) > DATE '2026-01-01'",
    "SELECT sum(CAST(code AS integer)) FROM {t}",
    "SELECT a.id FROM {t} AS a JOIN {t} AS b ON 10 / a.amount = b.id",
    "SELECT a.id FROM {t} AS a JOIN (SELECT 1 AS n) AS b ON 10 / a.amount > b.n",
    "SELECT id FROM (SELECT id, 10 / amount AS q FROM {t}) AS x WHERE q > 0",
    "SELECT id FROM {t} WHERE id > 0 AND CAST(code AS integer) > 0",
    "SELECT id FROM {t} WHERE amount IN (SELECT 10 / amount FROM {t})",
    "SELECT id FROM {t} WHERE sqrt(amount) > ln(amount)",
    "SELECT count(*) FROM {t} WHERE amount * 1000000000 * 1000000000 > 0",
)
"""As Trino, ClickHouse and PostgreSQL all read it; `{t}` is the table of a world."""

# A function of his own that is asked before all others, if it may be.
_CHEAP: Final = (
    "CREATE FUNCTION pg_temp.f(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS"
    " $$ BEGIN IF $1 <> 'EU' THEN RAISE EXCEPTION"
)

OWN_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "trino": (
        "SELECT id FROM {t} WHERE element_at(ARRAY[1], amount) IS NULL",
        "SELECT id FROM {t} WHERE ARRAY[1, 2, 3, 4, 5][amount] > 0",
        "SELECT id FROM {t} WHERE fail(code) IS NULL",
        "SELECT id FROM {t} WHERE json_extract_scalar(json_parse(code), '$') IS NOT NULL",
        "SELECT id FROM {t} WHERE regexp_like('x', code)",
        "SELECT id FROM {t} WHERE from_base(code, 10) > 0",
        "SELECT id FROM {t} WHERE reduce(ARRAY[amount], 0, (s, x) -> 10 / x, s -> s) > 0",
        "SELECT count(*) FROM {t} TABLESAMPLE BERNOULLI (100)",
        "SELECT count(*) FROM {t} TABLESAMPLE SYSTEM (100)",
        "SELECT approx_distinct(code), checksum(code) FROM {t}",
        "SELECT * FROM {t} MATCH_RECOGNIZE (ORDER BY id MEASURES count(*) AS n ALL ROWS PER MATCH PATTERN (a+) DEFINE a AS 10 / amount > 0)",
        "SELECT id FROM {t} CROSS JOIN UNNEST(sequence(1, 10 / amount)) AS u (n)",
        'SELECT "$path" FROM {t}',
        'SELECT "$row_id" FROM {t}',
        "SHOW STATS FOR {t}",
        "SHOW STATS FOR (SELECT * FROM {t} WHERE region = 'US')",
        "EXPLAIN SELECT * FROM {t}",
        "EXPLAIN (TYPE IO) SELECT * FROM {t} WHERE region = 'US'",
        "EXPLAIN (TYPE DISTRIBUTED) SELECT count(*) FROM {t}",
        "EXPLAIN ANALYZE SELECT count(*) FROM {t}",
        "ANALYZE {t}",
        "DESCRIBE {t}",
        "SHOW CREATE TABLE {t}",
        "SELECT table_name FROM lake.information_schema.tables WHERE table_schema = '{w}'",
        "SELECT * FROM lake.information_schema.columns WHERE table_name = 'closed'",
        "SELECT * FROM system.jdbc.columns WHERE table_name = 'closed'",
        "SELECT * FROM system.metadata.table_comments WHERE schema_name = '{w}'",
        "SELECT count(*) FROM lake.{w}.closed",
        "TABLE lake.{w}.closed",
        "SELECT count(*) FROM {t}, lake.{w}.closed",
        "SELECT query FROM system.runtime.queries WHERE query LIKE '%INSERT%'",
        "SELECT * FROM TABLE(system.builtin.exclude_columns(TABLE({t}), DESCRIPTOR(region)))",
        "SET SESSION AUTHORIZATION loader",
        "SET ROLE ALL",
        "SET SESSION query_max_run_time = '1h'",
        "CALL system.runtime.kill_query('20260101_000000_00000_aaaaa', 'x')",
        "EXECUTE IMMEDIATE 'SELECT count(*) FROM lake.{w}.closed'",
        "EXECUTE IMMEDIATE 'SELECT count(*) FROM {t} WHERE 10 / amount > 0'",
        "PREPARE p FROM SELECT count(*) FROM lake.{w}.closed",
        "CREATE VIEW lake.{w}.mine AS SELECT * FROM {t}",
        "CREATE TABLE lake.{w}.mine AS SELECT * FROM lake.{w}.closed",
        "SELECT current_user, current_groups()",
    ),
    "clickhouse": (
        "SELECT id FROM {t} PREWHERE intDiv(10, amount) > 0",
        "SELECT count() FROM {t} PREWHERE region = 'US'",
        "SELECT id FROM {t} WHERE intDiv(10, amount) > 0",
        "SELECT count() FROM {t} WHERE throwIf(region = 'US') = 0",
        "SELECT count() FROM {t} PREWHERE throwIf(region = 'US') = 0",
        "SELECT throwIf(count() > 3) FROM {t}",
        "SELECT count() FROM {t} WHERE toInt32(code) > 0",
        "SELECT count() FROM {t} PREWHERE toInt32(code) > 0",
        "SELECT count() FROM {t} WHERE modulo(10, amount) = 0",
        "SELECT count() FROM {t} WHERE sleep(0) = 0",
        "SELECT id FROM {t} FINAL",
        "SELECT id FROM {t} SAMPLE 1",
        "SELECT id FROM {t} LIMIT 1 BY region",
        "SELECT arrayJoin([id, id]) FROM {t}",
        "SELECT _part_offset FROM {t}",
        "SELECT _part_starting_offset, _part_offset FROM {t}",
        "SELECT _part, _partition_id, _part_index FROM {t} LIMIT 1",
        "SELECT _table, _database FROM {t} LIMIT 1",
        "SELECT _block_number, _block_offset FROM {t}",
        "SELECT _part_granule_offset FROM {t}",
        "SELECT rowNumberInAllBlocks(), rowNumberInBlock(), blockNumber(), blockSize() FROM {t}",
        "SELECT runningAccumulate(s) FROM (SELECT sumState(amount) AS s FROM {t} GROUP BY id)",
        "SELECT runningDifference(id) FROM {t}",
        "SELECT neighbor(id, -1) FROM {t}",
        "SELECT count() FROM merge('{w}', 'accounts_{w}')",
        "SELECT count() FROM merge('{w}', '.*')",
        "SELECT rows_in_granule FROM mergeTreeIndex('{w}', 'accounts_{w}')",
        "SELECT count() FROM mergeTreeProjection('{w}', 'accounts_{w}', 'p')",
        "SELECT count() FROM remote('127.0.0.1', '{w}', 'accounts_{w}')",
        "SELECT count() FROM cluster('default', '{w}', 'accounts_{w}')",
        "SELECT count() FROM loop('{w}', 'accounts_{w}') LIMIT 1",
        "SELECT * FROM view(SELECT count() FROM {t})",
        "SELECT joinGet('{t}', 'code', 1)",
        "SELECT dictGet('{t}', 'code', 1)",
        "SELECT 5 IN {t}",
        "SELECT tuple(4, 'JP', '1', -7) IN {t}",
        "SELECT hasColumnInTable('{w}', 'closed', 'secret')",
        "SELECT count() FROM {w}.closed",
        "SELECT count() FROM {t} AS a, {w}.closed AS b",
        "SELECT total_rows FROM system.tables WHERE database = '{w}'",
        "SELECT lifetime_rows, total_bytes, total_marks FROM system.tables WHERE database = '{w}'",
        "SELECT sum(rows) FROM system.parts WHERE database = '{w}'",
        "SELECT * FROM system.parts_columns WHERE database = '{w}'",
        "SELECT data_uncompressed_bytes FROM system.columns WHERE database = '{w}'",
        "SELECT name FROM system.tables WHERE database = '{w}'",
        "SELECT * FROM system.row_policies",
        "SELECT * FROM system.query_log",
        "SELECT count() FROM system.processes WHERE query LIKE '%nobody%'",
        "SELECT value FROM system.settings WHERE name LIKE '%scope%'",
        "SHOW CREATE TABLE {t}",
        "SHOW TABLES FROM {w}",
        "DESCRIBE TABLE {t}",
        "EXISTS TABLE {w}.closed",
        "CHECK TABLE {t}",
        "EXPLAIN SELECT * FROM {t}",
        "EXPLAIN ESTIMATE SELECT * FROM {t}",
        "EXPLAIN PLAN indexes = 1 SELECT * FROM {t} WHERE id < 0",
        "EXPLAIN PIPELINE SELECT * FROM {t}",
        "EXPLAIN QUERY TREE SELECT * FROM {t}",
        "EXPLAIN SYNTAX SELECT * FROM {t}",
        "SELECT * FROM (EXPLAIN ESTIMATE SELECT * FROM {t})",
        "SELECT count() FROM {t} SETTINGS readonly = 0",
        "SELECT count() FROM {t} SETTINGS optimize_trivial_count_query = 1",
        "SELECT count() FROM {t} SETTINGS max_rows_to_read = 4",
        "SELECT id FROM {t} SETTINGS max_result_rows = 1",
        "SET readonly = 0",
        "SET ROLE ALL",
        "USE {w}",
        "SELECT currentUser(), currentRoles()",
        "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')",
        "SELECT * FROM s3('http://127.0.0.1:1/b/x.csv', CSV, 'a String')",
        "SELECT * FROM file('/etc/passwd', LineAsString)",
        "SELECT file('/etc/passwd')",
        "CREATE VIEW {w}.mine AS SELECT * FROM {t}",
        "CREATE TEMPORARY TABLE mine AS SELECT * FROM {t}",
        "WITH '{\"warehouse\":\"events\",\"rows\":\"all\"}' AS __scopegate SELECT count() FROM {t}",
    ),
    "postgres": (
        "SELECT id FROM {t} WHERE code::integer > 0",
        "SELECT id FROM {t} WHERE to_date(code, 'YYYY-MM-DD') > '2026-01-01'",
        "SELECT id FROM {t} WHERE code::json IS NOT NULL",
        "SELECT id FROM {t} WHERE code ~ code",
        "SELECT id FROM {t} WHERE generate_series(1, 10 / amount) > 0",
        "SELECT id, generate_series(1, 10 / amount) FROM {t}",
        "SELECT id FROM {t} WHERE factorial(amount) > 0",
        "SELECT id FROM {t} WHERE (ARRAY[1, 2])[10 / amount] > 0",
        "SELECT id FROM {t} TABLESAMPLE SYSTEM (100)",
        "SELECT ctid, id FROM {t}",
        "SELECT xmin, id FROM {t}",
        "SELECT tableoid, id FROM {t}",
        "SELECT id FROM {t} FOR UPDATE",
        "SELECT count(*) FROM {w}.closed",
        "SELECT id FROM {t} UNION SELECT 1 FROM {w}.closed",
        "SELECT n_live_tup FROM pg_stat_all_tables WHERE schemaname = '{w}'",
        "SELECT reltuples, relpages FROM pg_class WHERE relname = 'accounts_{w}' AND relnamespace::regnamespace::text = '{w}'",
        "SELECT most_common_vals, n_distinct, histogram_bounds FROM pg_stats WHERE schemaname = '{w}'",
        "SELECT * FROM pg_statistic",
        "SELECT pg_relation_size('{w}.accounts_{w}')",
        "SELECT pg_table_size('{w}.closed')",
        "SELECT count(*) FROM pg_class WHERE relname = 'closed'",
        "SELECT query FROM pg_stat_activity WHERE query LIKE '%INSERT%'",
        "SELECT definition FROM pg_views WHERE viewname = 'accounts_{w}'",
        "SELECT qual FROM pg_policies",
        "EXPLAIN SELECT * FROM {t}",
        "EXPLAIN SELECT * FROM {t} WHERE region = 'US'",
        "EXPLAIN ANALYZE SELECT * FROM {t}",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "COPY {w}.accounts_{w} TO STDOUT",
        "COPY (SELECT * FROM {t}) TO '/tmp/nothing-of-the-kind'",
        "SELECT query_to_xml('SELECT * FROM {w}.accounts_{w}', true, true, '')",
        "SELECT table_to_xml('{w}.accounts_{w}', true, true, '')",
        "SELECT query_to_xml('SELECT * FROM {t}', true, true, '')",
        "SELECT dblink('dbname=postgres', 'SELECT 1')",
        "SELECT * FROM scopegate.hash_key",
        "SELECT scopegate.shown('id', 'text', 'x')",
        "SET ROLE scopegate_owner",
        "SET LOCAL row_security = off",
        "SET SESSION AUTHORIZATION admin",
        "SELECT set_config('role', 'scopegate_owner', true)",
        "SELECT set_config('session_authorization', 'admin', true)",
        "PREPARE p AS SELECT count(*) FROM {w}.accounts_{w}; EXECUTE p",
        "DO $$ BEGIN PERFORM 1 FROM {w}.accounts_{w}; END $$",
        "CREATE TEMP VIEW mine AS SELECT * FROM {w}.accounts_{w}; SELECT * FROM mine",
        f"{_CHEAP} 'seen %', $1; END IF; RETURN true; END $$; SELECT id FROM {{t}} WHERE region = 'US' AND pg_temp.f(region)",
        f"{_CHEAP} 'seen %', $1; END IF; RETURN true; END $$; SELECT id FROM {{t}} WHERE pg_temp.f(region)",
        "SELECT count(*) FROM {t} a WHERE a.* IS NOT NULL",
    ),
}  # fmt: skip
"""What each of them has of its own."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came back: rows, or an error. Its words may differ where they name the world."""

    rows: tuple[str, ...] | None
    error: str = ""


Ask = Callable[[str, str], Told]
"""A statement with its places filled in, and the world that it is asked in."""


def statements(kind: str) -> Sequence[str]:
    return (*SAME_WORDS, *OWN_WORDS[kind])


def filled(statement: str, world: str, table: str) -> str:
    return statement.replace("{t}", table).replace("{w}", world)


def setup(world: str, table: str, number: str, text: str, suffix: str = "") -> Sequence[str]:
    """Statements that fill a world; `table` is how the open one is called, with the closed one beside it."""
    rows = ", ".join(map(str, (*SHUT[world], *OPEN)))
    closed = f"{table.rpartition('.')[0]}.closed"
    return (
        f"CREATE TABLE {table} (id {number}, region {text}, code {text}, amount {number}){suffix.format(order='id')}",
        f"INSERT INTO {table} VALUES {rows}",
        f"CREATE TABLE {closed} (secret {text}){suffix.format(order='tuple()')}",
        f"INSERT INTO {closed} VALUES ('{CANARY}')",
    )


def hold(kind: str, ask: Ask, is_let_through: Callable[[str], bool], known: frozenset[str]) -> None:
    """No statement that is let through tells the worlds apart; past guardrails, `known` ones do and no others."""
    answers = {each: tuple(ask(each, world) for world in WORLDS) for each in statements(kind)}
    telling = {each for each, (one, other) in answers.items() if _tell_apart(one, other)}
    assert telling == known, f"{sorted(telling - known)} tell, {sorted(known - telling)} do not"
    let_through = {each for each in answers if is_let_through(each)}
    assert not telling & let_through
    # So that the answers are those of a person who sees something, in a warehouse that understands most of it.
    assert set(SAME_WORDS) <= let_through
    assert sum(answers[each][0].rows is not None for each in SAME_WORDS) > len(SAME_WORDS) * 0.9


def _tell_apart(one: Told, other: Told) -> bool:
    """Whether the answers in the two worlds differ, or one of them holds what nobody may see."""
    return (
        _neutral(one.rows, WORLDS[0]) != _neutral(other.rows, WORLDS[1])
        or bool(one.error) != bool(other.error)
        or CANARY in f"{one}{other}"
    )


def _neutral(rows: tuple[str, ...] | None, world: str) -> tuple[str, ...] | None:
    return None if rows is None else tuple(sorted(row.replace(world, "world") for row in rows))
