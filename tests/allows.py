"""Decisions from values, for tests that are about rendering them."""

from collections.abc import Mapping
from typing import Any

from authz.identity.accepts import AcceptedCredentials, Authentication
from authz.identity.principal import Method, Principal
from authz.policy.decision import Allow
from authz.policy.policyset import HeaderForm, Place, Warehouse
from authz.policy.resolve import scope_of
from authz.policy.tables import Table
from authz.rendering.circumstances import Circumstances
from authz.request import AccessRequest
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import OneOf
from authz.scopes.datascope import data_scope
from authz.scopes.rowfilter import RowFilter, any_of, where
from tests.tokens import NOW

POLICY_VERSION = "2025-10-19"
CIRCUMSTANCES = Circumstances(policy_version=POLICY_VERSION, now=NOW)
"""Nothing is signed in them."""
NO_COLUMNS: Mapping[str, ColumnMask] = {}

EU = where({"region": OneOf(("EU",))})
EU_A_OR_US_B = any_of(
    where({"region": OneOf((region,)), "product": OneOf((product,))})
    for region, product in (("EU", "A"), ("US", "B"))
)
"""What no flat form can say."""


def warehouse(**changes: Any) -> Warehouse:
    facts: dict[str, Any] = {
        "name": "sales",
        "routes": (),
        "upstream": "http://warehouse:8080",
        "columns": {"region": "sales_region", "product": "product"},
        "labels": {"email": "pii", "phone": "pii"},
        "accepts": AcceptedCredentials(
            authentication=Authentication.ANY, issuers=frozenset({"okta"}), trusts=frozenset()
        ),
        "dialect": "duckdb",
        "place": Place("test.yaml", 1, "warehouses.sales"),
    }
    return Warehouse(**{**facts, **changes})


def allow(rows: RowFilter = EU, treatments: Mapping[str, ColumnMask] = NO_COLUMNS, **changes: Any) -> Allow:
    return Allow(
        warehouse=warehouse(**changes),
        scope=data_scope(rows, treatments),
        grants=("g",),
        restrictions=(),
        valid_until=4e9,
    )


ORDERS = Table(
    name="lake.sales.orders",
    columns={"region": "sales_region", "product": "product"},
    labels={"email": "pii", "amount": "financial"},
)
TARGETS = Table(
    name="lake.sales.targets", columns={"region": "area"}, unfiltered=frozenset({"product"}), labels={}
)


def allow_tables(
    rows: RowFilter = EU,
    pii: ColumnMask = ColumnMask.HIDDEN,
    financial: ColumnMask = ColumnMask.CLEAR,
    **changes: Any,
) -> Allow:
    """A decision for a warehouse of two tables, the second of which has no products."""
    of_tables = {"columns": {}, "labels": {}, "headers": (HeaderForm.JSON,)}
    asked = warehouse(
        **{**of_tables, "tables": {table.name: table for table in (ORDERS, TARGETS)}, **changes}
    )
    return Allow(
        warehouse=asked,
        scope=scope_of(asked, rows, (financial, pii)),
        grants=("g",),
        restrictions=(),
        valid_until=4e9,
    )


def principal(subject: str = "alice", issuer: str = "okta") -> Principal:
    return Principal(issuer=issuer, subject=subject, methods=frozenset({Method.TOKEN}), expires_at=4e9)


def request(query: str = "", *, path: str = "/api/orders", **headers: str) -> AccessRequest:
    """A request; `x__y` in a keyword stands for the header `x-y`."""
    return AccessRequest(
        method="GET",
        host="edge.example",
        path=path,
        query=query,
        headers={name.replace("__", "-"): (value,) for name, value in headers.items()},
    )
