"""Words that the policy shares with rooms it may not look into. A test holds them against those."""

from typing import Final

DIALECTS: Final = (
    "ansi",
    "bigquery",
    "clickhouse",
    "databricks",
    "duckdb",
    "mysql",
    "postgres",
    "snowflake",
    "trino",
    "tsql",
)
"""What `dialect` may say: every dialect that `authz.rendering` can write a predicate in."""

RESERVED_DIMENSIONS: Final = frozenset(
    {"decision_id", "hidden", "id", "issuer", "json", "masked", "policy", "sql", "subject", "warehouse"}
)
"""A dimension of such a name would share its header with something else."""
