"""Envoy, two Scopegate workers, and a real ClickHouse engine with rendered row policies behind a server of a few lines.

The engine has no HTTP server of its own here: this one passes on what the real one would, packs as it does, and refuses
what it would refuse.
"""

import contextlib
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128

from authz.config.load import load_policy
from authz.rendering.targets.clickhouse import SETTING, USER
from tests.edge_counterparts import Answer, Seen
from tests.integration.whole_system import WholeSystem, whole_system
from tests.warehouses.clickhouse_engine import Asked, engine

KEY: Final = "the-warehouses-own-key"
POLICY: Final = """\
version: 1
edge:
  certificate: {directory}/server.crt
  private_key: {directory}/server.key
  scopegate: [{sockets}]
  admin: unix:{directory}/admin.sock
  per_address: 100000/s
issuers:
  okta: {{issuer: "{issuer}", audiences: ["{audience}"], groups_claim: groups, jwks_file: "{directory}/jwks.json"}}
dimensions:
  region: {{type: string}}
warehouses:
  events:
    kind: clickhouse
    routes: [{{prefix: /}}]
    upstream: "{upstream}"
    upstream_api_key_file: {directory}/clickhouse.key
    credentials: [bearer, {{basic: sub}}]
    tables:
      sales.orders: {{columns: {{region: region}}}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: all, scope: {{region: [EU, UK]}}}}
  - {{id: us, to: {{groups: [analysts-us]}}, on: all, scope: {{region: [US]}}}}
"""
SETUP: Final = [
    "CREATE DATABASE sales",
    "CREATE TABLE sales.orders (id UInt32, region String) ENGINE = MergeTree ORDER BY id",
    "INSERT INTO sales.orders VALUES (1, 'EU'), (2, 'UK'), (3, 'US'), (4, 'US'), (5, '')",
    "CREATE TABLE sales.other (secret String) ENGINE = MergeTree ORDER BY tuple()",
    "INSERT INTO sales.other VALUES ('canary')",
]

_OF_TRANSPORT: Final = frozenset(
    {"compress", "database", "default_format", "query", "query_id", "wait_end_of_query", "send_progress_in_http_headers"}
)  # fmt: skip
"""Parameters that are no settings of a query."""


class Server:
    """What ClickHouse's HTTP side does with a request."""

    def __init__(self, connection: str) -> None:
        self._connection = connection

    def __call__(self, seen: Seen) -> Answer:
        if seen.values("x-clickhouse-user") != [USER] or seen.values("x-clickhouse-key") != [KEY]:
            return Answer(status=403, body=b"Code: 516. DB::Exception: Authentication failed.")
        told = parse_qsl(urlsplit(seen.target).query, keep_blank_values=True, strict_parsing=True)
        assert [name for name, _ in told[:2]] == [SETTING, "readonly"], told
        facts = dict(told)
        assert facts.pop("readonly") == "1"
        assert len(facts) == len(told) - 1
        formats = seen.values("x-clickhouse-format") or [facts.get("default_format", "TabSeparated")]
        database = (seen.values("x-clickhouse-database") or [facts.get("database", "default")])[0]
        scope = facts.pop(SETTING).strip("'")
        settings = {name: _quoted(value) for name, value in facts.items() if name not in _OF_TRANSPORT}
        asked = Asked(self._connection, scope, settings, database)
        try:
            body = asked.bytes(seen.body.decode() or facts["query"], formats[0])
        except RuntimeError as error:
            code = re.search(r"Code: (\d+)", str(error))
            return Answer(
                status=500,
                headers=(("x-clickhouse-exception-code", code[1] if code else "0"),),
                body=str(error).encode(),
            )
        finally:
            asked.close()
        return Answer(
            headers=(("x-clickhouse-format", formats[0]), ("x-clickhouse-timezone", "UTC")),
            body=packed(body) if facts.get("compress") == "1" else body,
        )


def packed(data: bytes) -> bytes:
    """ClickHouse's own form of LZ4: a checksum, a header of nine bytes, and the block."""
    block = lz4.block.compress(data, store_size=False)
    framed = struct.pack("<BII", 0x82, len(block) + 9, len(data)) + block
    checksum = CityHash128(framed)
    return struct.pack("<QQ", checksum >> 64, checksum & (2**64 - 1)) + framed


def _quoted(value: str) -> str:
    return value if value.isdecimal() else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextlib.contextmanager
def clickhouse_system(data: Path) -> Iterator[WholeSystem]:
    """`data` is an empty directory for the engine."""
    with whole_system(
        policy_text=POLICY,
        prepare=lambda directory, _: (directory / "clickhouse.key").write_text(KEY) and None,
    ) as running:
        policy = load_policy(running.directory / "scopegate.yaml")
        running.warehouse.answer = Server(engine(data, policy, policy.warehouses["events"], SETUP))
        yield running
