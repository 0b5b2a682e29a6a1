"""Words that the policy shares with rooms it may not look into. A test holds them against those."""

import re
from typing import Final

COLUMN_NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,128}\Z")
"""What a column of a warehouse can be called in a policy."""

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

RESERVED_HEADERS: Final = frozenset(
    {
        "authorization", "cookie", "forwarded", "proxy-authorization", "remote-user", "true-client-ip",
        "x-api-key", "x-auth-request-access-token", "x-auth-request-email", "x-auth-request-groups",
        "x-auth-request-user", "x-client-ip", "x-cluster-client-ip", "x-forwarded-access-token",
        "x-forwarded-client-cert", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-host",
        "x-forwarded-method", "x-forwarded-path", "x-forwarded-port", "x-forwarded-preferred-username",
        "x-forwarded-prefix", "x-forwarded-scheme", "x-forwarded-server", "x-forwarded-ssl", "x-forwarded-uri",
        "x-forwarded-user", "x-http-method", "x-http-method-override", "x-method-override", "x-original-host",
        "x-original-method", "x-original-uri", "x-original-url", "x-override-url", "x-real-ip",
        "x-remote-group", "x-remote-user", "x-rewrite-url", "x-webauth-user",
    }
)  # fmt: skip
"""Headers that no token can stand in, because they are removed before Scopegate is asked, or have a meaning already."""

RESERVED_DIMENSIONS: Final = frozenset(
    {
        "assertion",
        "decision_id",
        "hidden",
        "id",
        "issuer",
        "json",
        "masked",
        "policy",
        "sql",
        "subject",
        "warehouse",
    }
)
"""A dimension of such a name would share its header with something else."""
