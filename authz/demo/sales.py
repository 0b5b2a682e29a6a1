"""The demo's data: a few million sales, the same ones for everybody who generates them on the same day.

The table is made by arithmetic, not by chance, so that what a person should get can be computed with
SQL written by hand (the oracle) and compared with what came through Envoy.
"""

from datetime import date
from pathlib import Path

import duckdb

ROWS = 3_000_000

COLUMNS = ("order_id", "ordered_at", "region", "product", "quantity", "amount", "customer_email")

# Knuth's multiplicative hash, another shift for each column: looks random, is not. The days reach three years
# back and a month ahead (orders booked for later), so that both ends of a rolling window matter. NO is Norway:
# a policy file read by the rules of YAML 1.1 would make it `false`. One sale in sixteen has no region at all:
# no list of regions may select it.
_GENERATE = """
CREATE TABLE sales AS
SELECT
    i + 1                                                                         AS order_id,
    CAST(? AS DATE) + 30 - CAST((i * 2654435761 >> 5) % 1125 AS INTEGER)          AS ordered_at,
    ['EU', 'EU', 'EU', 'EU', 'UK', 'UK', 'NO', 'US', 'US', 'US', 'US', 'CA', 'JP', 'JP', 'IN', NULL]
        [1 + CAST((i * 2246822519 >> 11) % 16 AS INTEGER)]                        AS region,
    ['lamp', 'desk', 'chair', 'shelf'][1 + CAST((i * 3266489917 >> 9) % 4 AS INTEGER)] AS product,
    CAST(1 + (i * 668265263 >> 8) % 9 AS INTEGER)                                 AS quantity,
    CAST((100 + (i * 374761393 >> 6) % 50000) / 100 AS DECIMAL(12, 2))            AS amount,
    'customer' || CAST((i * 2654435769 >> 13) % 200000 AS VARCHAR) || '@mail.example' AS customer_email
FROM range(?) AS numbers(i)
"""


def generate(database: Path, *, rows: int, today: date) -> None:
    """Write `rows` sales around `today` into a new DuckDB file. About half a second a million.

    Raises `duckdb.Error` if the file exists and holds sales, or cannot be written.
    """
    with duckdb.connect(str(database), config={"threads": 2}) as connection:
        connection.execute(_GENERATE, [today, rows])


def open_read_only(database: Path) -> duckdb.DuckDBPyConnection:
    """The generated file, opened so that no statement can write, read other files or change that again."""
    return duckdb.connect(
        str(database),
        read_only=True,
        config={"threads": 2, "enable_external_access": "false", "lock_configuration": "true"},
    )
