"""What of a Trino is open to a scope: the same as with the plugin that reads assertions (ScopegateAccessControl.java).

Everything that is not named here is closed: writing, administering, session properties, impersonation, procedures,
and whatever the next Trino asks about.
"""

from typing import Final

from authz.errors import Denied, Reason
from authz.opa.expressions import UNTOLD, row_filter
from authz.opa.questions import Resource, TableResource
from authz.policy.policyset import Warehouse
from authz.policy.tables import Table
from authz.scopes.datascope import DataScope, TableScope

_SYSTEM: Final = "system"
_INFORMATION_SCHEMA: Final = "information_schema"
_JDBC: Final = "jdbc"
"""The schema that drivers read names from; Trino fills it with what is let through here."""


class OpenTables:
    """The tables of a warehouse that a scope shows, by the parts of their names: none of these has a dot in it."""

    __slots__ = ("_catalogs", "_schemas", "_tables")

    def __init__(self, warehouse: Warehouse, scope: DataScope) -> None:
        self._tables: dict[tuple[str, ...], tuple[Table, TableScope]] = {
            tuple(name.split(".")): (warehouse.tables[name], shown) for name, shown in scope.tables.items()
        }
        self._catalogs = {_SYSTEM, *(name[0] for name in self._tables)}
        self._schemas = {name[:2] for name in self._tables}

    def find(self, catalog: str, schema: str, table: str) -> tuple[Table, TableScope] | None:
        """A table and what may be seen of it; None if it is closed."""
        return self._tables.get((catalog, schema, table))

    def check(self, operation: str, user: str, resource: Resource | None) -> None:
        """Raise `Denied` unless `user` may do this: `statement_denied`, `function_denied`, `table_denied`, `column_hidden`.

        Of a table that could not be filtered it raises `scope_not_expressible`.
        """
        match operation, resource:
            case "ExecuteQuery", _:
                # What it asks for is asked about one by one.
                return
            case (("SelectFromColumns" | "FilterColumns"), Resource(table=table)) if table is not None:
                self._check_columns(table)
                return
            case (("ExecuteFunction" | "FilterFunctions"), Resource(function=function)) if (
                function is not None
            ):
                # A connector's own functions may pass a query through to its database.
                if (function.catalog, function.schema_name) != (_SYSTEM, "builtin"):
                    raise Denied(Reason.FUNCTION_DENIED, "only Trino's own functions are open")
                return
        if not self._is_open(operation, user, resource):
            raise Denied(Reason.TABLE_DENIED, f"`{operation}`: nothing of it is open to this person")

    def _is_open(self, operation: str, user: str, resource: Resource | None) -> bool:
        match operation, resource:
            case (("AccessCatalog" | "ShowSchemas"), Resource(catalog=catalog)) if catalog is not None:
                return catalog.name in self._catalogs
            case "FilterCatalogs", Resource(catalog=catalog) if catalog is not None:
                return catalog.name in self._catalogs and catalog.name != _SYSTEM
            case (("ShowTables" | "FilterSchemas"), Resource(schema_=schema)) if schema is not None:
                return self._has_names(schema.catalog, schema.name) or (
                    (schema.catalog, schema.name) in self._schemas
                )
            case (("ShowColumns" | "FilterTables"), Resource(table=table)) if table is not None:
                return self._has_names(table.catalog, table.schema_name) or (
                    self.find(table.catalog, table.schema_name, table.name) is not None
                )
            case (
                ("ViewQueryOwnedBy" | "FilterViewQueryOwnedBy" | "KillQueryOwnedBy"),
                Resource(user=owner),
            ) if owner is not None:
                return owner.user == user
            case _:
                raise Denied(Reason.STATEMENT_DENIED, f"`{operation}` is not open to people")

    def _check_columns(self, table: TableResource) -> None:
        if self._has_names(table.catalog, table.schema_name):
            return
        found = self.find(table.catalog, table.schema_name, table.name)
        if found is None or table.columns is None:
            raise Denied(Reason.TABLE_DENIED, "the table is not open to this person")
        defined, shown = found
        closed = [column for column in table.columns if shown.columns.get(column) in UNTOLD]
        if closed:
            raise Denied(
                Reason.COLUMN_HIDDEN, f"`{defined.name}`: column `{closed[0]}` is hidden, or cannot be masked"
            )
        # Said here, where it is an error: a filter that selects nothing would look like an answer.
        row_filter(defined, shown)

    def _has_names(self, catalog: str, schema: str) -> bool:
        return is_metadata(catalog, schema) and catalog in self._catalogs


def is_metadata(catalog: str, schema: str) -> bool:
    """Whether a schema holds names alone, of which Trino shows those that are let through."""
    return schema == _INFORMATION_SCHEMA or (catalog, schema) == (_SYSTEM, _JDBC)
