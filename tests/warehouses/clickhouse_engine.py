"""A real ClickHouse engine (chdb) whose user has the row policies that `scopegate render clickhouse` writes.

The engine within Python reads users and row policies from a file as the server does, and knows no custom settings:
`log_comment` stands in for ours.
"""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chdb.session import Session

from authz.edge.warehouses.clickhouse import clickhouse_files
from authz.policy.policyset import PolicySet, Warehouse
from authz.rendering.targets.clickhouse import SETTING

STAND_IN: Final = "log_comment"


def engine(directory: Path, policy: PolicySet, warehouse: Warehouse, setup: list[str]) -> str:
    """The connection text of an engine with the rendered row policies, after `setup` was run without them."""
    fill(directory, setup)
    return restricted(directory, policy, warehouse)


def fill(directory: Path, setup: list[str]) -> None:
    """Statements as whoever loads the data runs them, whom no row policy is on."""
    with_all = Session(str(directory / "data"))
    for statement in setup:
        with_all.query(statement)
    with_all.close()


def restricted(directory: Path, policy: PolicySet, warehouse: Warehouse) -> str:
    """The connection text of what `fill` has filled, with the rendered row policies."""
    data = directory / "data"
    rendered = clickhouse_files(policy, warehouse)["scopegate-users.xml"].replace(SETTING, STAND_IN)
    databases = re.search(r"<databases>.*</databases>", rendered, re.DOTALL)
    assert databases is not None
    users = directory / "users.xml"
    users.write_text(
        "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default><password/>"
        "<networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>"
        f"{databases[0]}</default></users></clickhouse>"
    )
    config = directory / "config.xml"
    config.write_text(
        f"<clickhouse><user_directories><users_xml><path>{users}</path></users_xml></user_directories></clickhouse>"
    )
    return f"{data}?config-file={config}"


class Asked:
    """One session, as a request of one person has it; `settings` are those that the request says beside the scope."""

    def __init__(
        self,
        connection: str,
        scope: str | None,
        settings: Mapping[str, str] | None = None,
        database: str = "default",
    ) -> None:
        self._session = Session(connection)
        self._session.query(f"USE {database}")
        for name, value in (settings or {}).items():
            self._session.query(f"SET {name} = {value}")
        if scope is not None:
            self._session.query(f"SET {STAND_IN} = '{scope}'")
        self._session.query("SET readonly = 1")

    def rows(self, statement: str) -> list[str]:
        return str(self._session.query(statement, "TSV")).splitlines()

    def bytes(self, statement: str, form: str) -> bytes:
        return bytes(self._session.query(statement, form).bytes())

    def close(self) -> None:
        self._session.close()


def setting(text: str) -> str:
    """As `scope_parameter` writes it, without the quotes that a literal would lose."""
    return base64.b64encode(text.encode()).decode()
