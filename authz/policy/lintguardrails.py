"""What guardrails leave open, said plainly: valid, and to be known."""

from collections.abc import Iterator

from authz.guardrails.rules import StatementKind, Unparsed
from authz.policy.policyset import Warehouse
from authz.policy.problems import Problem
from authz.policy.tables import WarehouseKind
from authz.policy.warning import warning

_ASKED_IN_SQL = frozenset({WarehouseKind.TRINO, WarehouseKind.CLICKHOUSE})


def lint_guardrails(warehouse: Warehouse) -> Iterator[Problem]:
    """Warnings about one warehouse."""
    rules, place = warehouse.guardrails, warehouse.place
    if warehouse.kind not in _ASKED_IN_SQL:
        return
    if rules is None:
        yield warning(
            "guardrails_off",
            place,
            "statements reach the warehouse without being looked at",
            "its own row filters and privileges are all there is: any function and any table that it allows can be asked",
            ".guardrails",
        )
        return
    if rules.unparsed is Unparsed.PASS:
        yield warning(
            "unparsed_pass",
            place,
            "queries that cannot be parsed pass",
            "which tables they read, how much of them, and that no hidden column is among it, is the warehouse's to ensure",
            ".guardrails.unparsed",
        )
    if StatementKind.EXPLAIN in rules.statements:
        yield warning(
            "explain_allowed",
            place,
            "plans may be asked for",
            "a plan shows the predicates of the row filters, and with them the values of a scope",
            ".guardrails.statements",
        )
