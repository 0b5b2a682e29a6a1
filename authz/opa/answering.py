"""The straight line of one question: who, what they may see, and what Trino is told of it.

Pure, like `authz.check.check`. Whatever goes wrong, what is told opens nothing: no, none of them, no row, NULL.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from authz.check import Outcome, Snapshot
from authz.errors import Denied, Reason
from authz.opa.access import OpenTables, is_metadata
from authz.opa.expressions import NOTHING, NULL, UNTOLD, column_mask, row_filter
from authz.opa.questions import ColumnResource, Endpoint, Question, Resource
from authz.opa.vouching import Vouched, decide_vouched, vouched_principal, vouching_warehouse
from authz.policy.decision import Allow, Decision, Deny
from authz.request import AccessRequest
from authz.scopes.columns import ColumnMask

_FILTERED: Final[Mapping[Endpoint, str]] = {
    Endpoint.ROW_FILTERS: "GetRowFilters",
    Endpoint.COLUMN_MASK: "GetColumnMask",
    Endpoint.COLUMN_MASKS: "GetColumnMask",
}
"""The one operation of the addresses that are asked for expressions."""

MAX_RECORDED: Final = 16
"""Tables that a record names at most."""

Result = bool | list[int] | list[dict[str, object]] | dict[str, object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a record says was asked: in the place of a statement, which Trino does not show."""

    kind: str
    tables: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """32 hex digits: equal for the same operation on the same tables."""
        return hashlib.sha256("\0".join((self.kind, *self.tables)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class OpaAddress:
    """Where a question arrived: `warehouse` is what the path says, which may be no warehouse."""

    warehouse: str
    endpoint: Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaAnswer:
    """`result` is what Trino is told, `outcome` what the audit trail is."""

    outcome: Outcome
    result: Result


def answer_question(
    address: OpaAddress, question: Question, request: AccessRequest, snapshot: Snapshot, now: float
) -> OpaAnswer:
    """`now` is in seconds since the epoch. Raises `Denied` for a question that is none of this address."""
    warehouse, issuer = vouching_warehouse(address.warehouse, snapshot)
    _check_form(address.endpoint, question)
    principal = vouched_principal(
        warehouse, issuer, Vouched(user=question.user, groups=question.groups), snapshot
    )
    remembered = False
    open_tables: OpenTables | None = None
    try:
        decision, remembered = decide_vouched(warehouse, principal, request, snapshot, now)
        if isinstance(decision, Allow):
            open_tables = OpenTables(warehouse, decision.scope)
    except Denied as denied:
        decision = Deny(reason=denied.reason, detail=denied.detail)
    result, refused = _result(address.endpoint, question, open_tables)
    if refused is not None and isinstance(decision, Allow):
        decision = _denied_by(decision, refused)
    return OpaAnswer(
        outcome=Outcome(
            decision=decision,
            warehouse=warehouse,
            principal=principal,
            rewrites=None,
            request_rewrites=None,
            policy_version=snapshot.policy.version,
            remembered=remembered,
            statement=_operation(question),
        ),
        result=result,
    )


def _check_form(endpoint: Endpoint, question: Question) -> None:
    """An operation at an address that is not for it could be answered in words that mean something else."""
    expected = _FILTERED.get(endpoint)
    if expected is not None and question.operation != expected:
        raise Denied(Reason.REQUEST_MALFORMED, f"this address is asked for `{expected}` alone")
    if question.several is not (endpoint in {Endpoint.BATCH, Endpoint.COLUMN_MASKS}):
        raise Denied(
            Reason.REQUEST_MALFORMED, "a question about several things, or about one, at the wrong address"
        )
    if endpoint is Endpoint.BATCH and not question.operation.startswith("Filter"):
        raise Denied(Reason.REQUEST_MALFORMED, "only filters are asked about several things")


def _result(
    endpoint: Endpoint, question: Question, open_tables: OpenTables | None
) -> tuple[Result, Denied | None]:
    """What Trino is told, and what kept it from more."""
    match endpoint:
        case Endpoint.ALLOW:
            (resource,) = question.resources or (None,)
            refused = _refusal(question, resource, open_tables)
            return refused is None, refused
        case Endpoint.BATCH:
            return _let_through(question, open_tables), None
        case Endpoint.ROW_FILTERS:
            return _filters(question, open_tables)
        case Endpoint.COLUMN_MASK:
            (column,) = _columns(question)
            mask = _mask(column, open_tables)
            return None if mask is None else _expression(mask), None
        case Endpoint.COLUMN_MASKS:
            masks = [_mask(column, open_tables) for column in _columns(question)]
            shown: list[dict[str, object]] = [
                {"index": place, "viewExpression": _expression(mask)}
                for place, mask in enumerate(masks)
                if mask is not None
            ]
            return shown, None
        case _:
            assert_never(endpoint)


def _refusal(question: Question, resource: Resource | None, open_tables: OpenTables | None) -> Denied | None:
    if open_tables is None:
        return Denied(Reason.NO_GRANT, "nothing is open to this person")
    try:
        open_tables.check(question.operation, question.user, resource)
    except Denied as denied:
        return denied
    return None


def _let_through(question: Question, open_tables: OpenTables | None) -> list[int]:
    """The places of what may be seen; of the columns, where one table is asked about by its columns."""
    resources = question.resources
    if question.operation == "FilterColumns":
        if len(resources) != 1 or (table := resources[0].table) is None or table.columns is None:
            raise Denied(Reason.REQUEST_MALFORMED, "columns are filtered of one table at a time")
        resources = tuple(
            Resource(table=table.model_copy(update={"columns": [column]})) for column in table.columns
        )
    return [
        place for place, resource in enumerate(resources) if _refusal(question, resource, open_tables) is None
    ]


def _filters(
    question: Question, open_tables: OpenTables | None
) -> tuple[list[dict[str, object]], Denied | None]:
    table = question.resources[0].table if question.resources else None
    if table is None:
        raise Denied(Reason.REQUEST_MALFORMED, "no table to be filtered")
    if open_tables is not None and is_metadata(table.catalog, table.schema_name):
        return [], None
    found = None if open_tables is None else open_tables.find(table.catalog, table.schema_name, table.name)
    if found is None:
        return [_expression(NOTHING)], Denied(Reason.TABLE_DENIED, "the table is not open to this person")
    try:
        rows = row_filter(*found)
    except Denied as denied:
        return [_expression(NOTHING)], denied
    return ([] if rows is None else [_expression(rows)]), None


def _mask(column: ColumnResource, open_tables: OpenTables | None) -> str | None:
    if open_tables is not None and is_metadata(column.catalog, column.schema_name):
        return None
    found = (
        None if open_tables is None else open_tables.find(column.catalog, column.schema_name, column.table)
    )
    if found is None:
        return NULL
    mask = found[1].columns.get(column.name, ColumnMask.CLEAR)
    return NULL if mask in UNTOLD else column_mask(mask, column.name, column.type_name)


def _columns(question: Question) -> list[ColumnResource]:
    columns = [resource.column for resource in question.resources if resource.column is not None]
    if len(columns) != len(question.resources) or not (columns or question.several):
        raise Denied(Reason.REQUEST_MALFORMED, "something to be masked that is no column")
    return columns


def _expression(sql: str) -> dict[str, object]:
    return {"expression": sql}


def _denied_by(decision: Allow, refused: Denied) -> Decision:
    return Deny(
        reason=refused.reason,
        detail=refused.detail,
        rules=decision.grants + decision.restrictions,
        valid_until=decision.valid_until,
        # Made for one operation: others by the same rules are answered otherwise.
        per_request=True,
    )


def _operation(question: Question) -> Operation:
    return Operation(
        kind=question.operation, tables=tuple(sorted(set(_named(question.resources)))[:MAX_RECORDED])
    )


def _named(resources: tuple[Resource, ...]) -> list[str]:
    return [name for name in map(_table_of, resources) if name is not None]


def _table_of(resource: Resource) -> str | None:
    if (table := resource.table) is not None:
        return f"{table.catalog}.{table.schema_name}.{table.name}"
    if (column := resource.column) is not None:
        return f"{column.catalog}.{column.schema_name}.{column.table}"
    return None
