"""What differs from one warehouse to the next: how its text is read, and what reaches beyond its tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

Folding = Literal["lower", "unquoted", "exact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardDialect:
    """How the SQL of one kind of warehouse is read.

    `name_parts` is how many words a whole table name has; None where it is as it is written. `folding` says what
    becomes of the letters of an identifier: all lower case, lower case unless quoted, or as they are.
    """

    sqlglot: str
    name_parts: int | None = None
    default_catalog: str | None = None
    default_schema: str | None = None
    folding: Folding = "unquoted"
    backslash_escapes: bool = False
    backquotes: bool = False
    braces: bool = False
    """Whether `{name:Type}` is a parameter."""
    prepares: bool = False
    """Whether PREPARE and EXECUTE are statements of it."""
    tables_as_sets: bool = False
    """Whether `x IN orders` reads a table (ClickHouse)."""
    table_functions: frozenset[str] = frozenset()
    """What may be called where a table stands, lower case; anything else is denied there."""
    denied_functions: frozenset[str] = frozenset()
    """Patterns, lower case: what reaches out, reads what no row filter is on, waits, or runs text as SQL."""
    metadata: frozenset[str] = frozenset()
    """Patterns of the tables that drivers ask for names and types."""
    metadata_hidden: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    """Columns of those that tell of data that a person may not see: `database.table` to names, lower case."""
    virtual_columns: frozenset[str] = frozenset()
    """Patterns, lower case: names of columns that every table has, and that tell of its rows past row filters."""


# https://clickhouse.com/docs/sql-reference/functions: an `in` of these reads a table that is named like a column.
_CLICKHOUSE_DENIED: Final = frozenset(
    {
        # read what is elsewhere, or a table past its row policies
        "url*", "s3*", "gcs*", "oss*", "cosn*", "azure*", "hdfs*", "remote*", "cluster*", "file*", "mysql*",
        "postgresql*", "mongodb*", "redis*", "sqlite*", "jdbc*", "odbc*", "executable*", "iceberg*", "deltalake*",
        "hudi*", "paimon*", "arrowflight*", "ytsaurus*", "input", "merge", "mergetree*", "loop", "fuzz*", "view*",
        "dictionary", "dictget*", "dicthas", "dictis*", "joinget*", "prometheus*", "timeseries*", "eventhouse*",
        "in", "notin", "nullin", "notnullin", "globalin", "globalnotin", "globalnullin", "globalnotnullin",
        "inignoreset", "notinignoreset", "nullinignoreset", "notnullinignoreset", "globalinignoreset",
        "globalnotinignoreset", "globalnullinignoreset", "globalnotnullinignoreset", "hascolumnintable",
        # tell of the server, or of what another person asks
        "getsetting*", "getmacro", "getserversetting", "getservicestatus", "getclienthttpheader", "getoskernel*",
        "hostname", "fqdn", "tcpport", "getserverport", "filesystem*", "displayname", "serveruuid", "zookeeper*",
        "catboostevaluate", "modelevaluate", "evalmlmethod", "initialqueryid", "queryid", "connectionid",
        "currentprofiles", "enabledprofiles", "defaultprofiles", "showcertificate", "structureto*", "llm*", "ai*",
        "addressto*", "demangle", "introspection*", "trap", "throwif", "logtrace", "transaction*",
        # wait
        "sleep*",
    }
)  # fmt: skip

_CLICKHOUSE_METADATA: Final = (
    "one", "databases", "tables", "columns", "settings", "functions", "data_type_families", "formats",
    "table_engines", "collations", "time_zones", "keywords", "numbers",
)  # fmt: skip

# Counts of rows that no row policy is on, and the text of row policies and of what lies elsewhere.
_CLICKHOUSE_COUNTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "system.tables": frozenset(
            {
                "total_rows", "total_bytes", "total_bytes_uncompressed", "parts", "active_parts", "total_marks",
                "lifetime_rows", "lifetime_bytes", "create_table_query", "as_select", "engine_full",
                "metadata_path", "parameterized_view_parameters",
            }
        ),
        "system.columns": frozenset({"data_compressed_bytes", "data_uncompressed_bytes", "marks_bytes"}),
        "system.databases": frozenset({"engine_full", "data_path", "metadata_path"}),
    }
)  # fmt: skip

# https://www.postgresql.org/docs/current/functions-xml.html and -admin.html: text that runs as SQL, files, settings.
_POSTGRES_DENIED: Final = frozenset(
    {
        "pg_*", "lo_*", "dblink*", "query_to_*", "table_to_*", "schema_to_*", "database_to_*", "cursor_to_*",
        "ts_stat", "ts_rewrite", "current_setting", "set_config", "txid_*", "nextval", "setval", "currval", "lastval",
        "xpath_table", "crosstab*", "connectby",
    }
)  # fmt: skip

# https://duckdb.org/docs/stable/data/overview: files and other databases as tables, and text that runs as SQL.
_DUCKDB_DENIED: Final = frozenset(
    {
        "read_*", "parquet_*", "sniff_*", "glob", "getenv", "getvariable", "current_setting", "query", "query_table",
        "sqlite_*", "postgres_*", "mysql_*", "iceberg_*", "delta_*", "duckdb_*", "pragma_*", "json_execute*",
        "from_substrait*", "st_read*", "write_*", "copy_*", "which_secret", "nextval", "currval",
    }
)  # fmt: skip

DIALECTS: Final[Mapping[str, GuardDialect]] = MappingProxyType(
    {
        "ansi": GuardDialect(sqlglot=""),
        "duckdb": GuardDialect(
            sqlglot="duckdb",
            folding="lower",
            table_functions=frozenset({"range", "generate_series"}),
            denied_functions=_DUCKDB_DENIED,
        ),
        "postgres": GuardDialect(
            sqlglot="postgres",
            name_parts=2,
            table_functions=frozenset({"generate_series"}),
            denied_functions=_POSTGRES_DENIED,
            metadata=frozenset({"information_schema.*"}),
        ),
        "trino": GuardDialect(
            sqlglot="trino",
            name_parts=3,
            folding="lower",
            prepares=True,
            table_functions=frozenset({"sequence"}),
            # `query` and `raw_query` hand text to what is behind a connector, past every filter of Trino's.
            denied_functions=frozenset({"query", "raw_query", "procedure", "exclude_columns", "scopegate_*"}),
            # `system.runtime.queries` has the statements of others, so `system` is not open as a whole.
            metadata=frozenset({"*.information_schema.*", "system.jdbc.*", "system.metadata.table_comments"}),
        ),
        "clickhouse": GuardDialect(
            sqlglot="clickhouse",
            name_parts=2,
            # A server's own default: what a request without a database is run in.
            default_schema="default",
            folding="exact",
            backslash_escapes=True,
            backquotes=True,
            braces=True,
            tables_as_sets=True,
            table_functions=frozenset({"numbers", "numbers_mt", "zeros", "zeros_mt", "generate_series"}),
            denied_functions=_CLICKHOUSE_DENIED,
            metadata=frozenset(f"system.{name}" for name in _CLICKHOUSE_METADATA),
            metadata_hidden=_CLICKHOUSE_COUNTS,
            # The place of a row among all rows of its part: how many that nobody may see stand before it.
            # https://clickhouse.com/docs/engines/table-engines/mergetree-family/mergetree#virtual-columns
            virtual_columns=frozenset({"_part*", "_block*", "_row_exists", "_sample_factor", "_disk_name"}),
        ),
    }
)
"""The dialects in which statements can be examined."""
