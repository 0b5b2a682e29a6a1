"""Questions in the shapes that the OPA plugin of Trino 476 sends them: recorded, then made by kind."""

import json
from typing import Any

ORDERS = ("lake", "sales", "orders")


def question(
    operation: str,
    resource: dict[str, Any] | None = None,
    *,
    user: str = "emma",
    groups: list[str] | None = None,
) -> dict[str, Any]:
    """About one thing, or about nothing (`ExecuteQuery`)."""
    action: dict[str, Any] = {"operation": operation}
    if resource is not None:
        action["resource"] = resource
    return _input(action, user, groups)


def several(
    operation: str, resources: list[dict[str, Any]], *, user: str = "emma", groups: list[str] | None = None
) -> dict[str, Any]:
    """About a list of things."""
    return _input({"operation": operation, "filterResources": resources}, user, groups)


def _input(action: dict[str, Any], user: str, groups: list[str] | None) -> dict[str, Any]:
    identity = {"user": user, "groups": ["emea"] if groups is None else groups}
    context = {"identity": identity, "softwareStack": {"trinoVersion": "476"}}
    return {"input": {"context": context, "action": action}}


def body(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def catalog(name: str = "lake") -> dict[str, Any]:
    return {"catalog": {"name": name}}


def schema(name: str = "sales", of: str = "lake") -> dict[str, Any]:
    return {"schema": {"catalogName": of, "schemaName": name}}


def table(name: tuple[str, str, str] = ORDERS, *columns: str) -> dict[str, Any]:
    catalog_name, schema_name, table_name = name
    named: dict[str, Any] = {
        "catalogName": catalog_name, "schemaName": schema_name, "tableName": table_name,
    }  # fmt: skip
    return {"table": {**named, "columns": list(columns)} if columns else named}


def column(name: str, type_: str = "varchar(40)", of: tuple[str, str, str] = ORDERS) -> dict[str, Any]:
    return {"column": {**table(of)["table"], "columnName": name, "columnType": type_}}
