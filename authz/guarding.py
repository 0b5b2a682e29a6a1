"""The step between a decision and its rewrites: may this statement be asked?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from authz.errors import Denied, Reason
from authz.guardrails.asked import Asked
from authz.guardrails.clickhouse import read_clickhouse
from authz.guardrails.examine import Hidden, refuse_hidden
from authz.guardrails.examiner import Examiner
from authz.guardrails.rules import Examined, GuardrailRules, Session
from authz.guardrails.trino import read_trino
from authz.policy.decision import Allow
from authz.policy.tables import WarehouseKind
from authz.request import AccessRequest
from authz.scopes.columns import ColumnMask
from authz.scopes.datascope import DataScope


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The statement of a request and the prepared ones that it brings along, as the rules found them."""

    main: Examined
    prepared: Mapping[str, Examined]

    @property
    def kind(self) -> str:
        return self.main.kind.value

    @property
    def tables(self) -> tuple[str, ...]:
        """Whole names, sorted: of a prepared statement, those of the one that is executed."""
        executed = self._executed
        found = {*self.main.tables, *(() if executed is None else executed.tables)}
        return tuple(sorted(map(".".join, found)))

    @property
    def fingerprint(self) -> str:
        """32 hex digits, of the prepared statement where one is executed."""
        return self.main.fingerprint if self._executed is None else self._executed.fingerprint

    @property
    def _executed(self) -> Examined | None:
        return None if self.main.executes is None else self.prepared.get(self.main.executes)


def examine_request(allow: Allow, request: AccessRequest, examiner: Examiner) -> Statement | None:
    """What the request asks, where its warehouse has guardrails; None for a request without a statement.

    Raises `Denied` as `authz.guardrails.examine.examine` and the readers of each kind do.
    """
    rules = allow.warehouse.guardrails
    asked = None if rules is None else _asked(allow.warehouse.kind, request)
    return None if asked is None or rules is None else examine_asked(asked, rules, examiner)


def examine_asked(asked: Asked, rules: GuardrailRules, examiner: Examiner) -> Statement:
    """What `asked` is by `rules`. Raises `Denied`."""
    prepared = {name: examiner.examine(text, rules, _alone(asked)) for name, text in asked.prepared.items()}
    return Statement(main=examiner.examine(asked.statement, rules, asked.session), prepared=prepared)


def refuse_hidden_columns(statement: Statement, scope: DataScope) -> None:
    """Raise `Denied(column_hidden)` for a column that `scope` hides."""
    for examined in (statement.main, *statement.prepared.values()):
        refuse_hidden(examined, _hidden(scope, examined))


def _alone(asked: Asked) -> Session:
    """What a prepared statement is read with: it executes no other."""
    return replace(asked.session, prepared=frozenset())


def _hidden(scope: DataScope, examined: Examined) -> Hidden:
    """What is hidden of the tables that can be meant: on every request, so of no others."""
    names = map(".".join, examined.tables) if examined.parsed else scope.tables
    return {
        tuple(name.split(".")): frozenset(
            column for column, mask in scope.tables[name].columns.items() if mask is ColumnMask.HIDDEN
        )
        for name in names
        if name in scope.tables
    }


def _asked(kind: WarehouseKind, request: AccessRequest) -> Asked | None:
    match kind:
        case WarehouseKind.TRINO:
            return read_trino(request)
        case WarehouseKind.CLICKHOUSE:
            return read_clickhouse(request)
        case WarehouseKind.HTTP | WarehouseKind.POSTGREST | WarehouseKind.CUBE:
            raise Denied(
                Reason.STATEMENT_MALFORMED, f"no statement stands in requests of kind `{kind.value}`"
            )
        case _:
            assert_never(kind)
