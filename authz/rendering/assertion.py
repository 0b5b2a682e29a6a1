"""The signed scope assertion: who asks, and what they may see of one warehouse, in words that nobody else can write.

A JWS in compact form (RFC 7515) with the header `{"alg": "ES256" or "RS256", "kid": …, "typ": "scope+jwt"}` and these
claims; docs/warehouses.md says how a warehouse verifies it:

| claim | value |
|---|---|
| `iss` | the policy's `assertion.issuer` |
| `aud` | the name of the warehouse |
| `sub` | what the warehouse calls the person, see `authz.rendering.person`; absent where answers are shared |
| `sub_issuer` | the configured name of who vouches for them: a subject is unique there only; absent where `sub` is |
| `methods` | how they proved who they are: `certificate`, `token`; absent where `sub` is |
| `iat`, `exp` | seconds since the epoch |
| `format` | 1 |
| `scope_id`, `policy` | the scope id; the version of the policy |
| `rows` | the row filter in dimensions, as `authz.scopes.rowfilter.to_json` says |
| `columns`, `hidden`, `masked` | of a warehouse of one table: `{dimension: column}`, `[column]`, `{column: mask}` |
| `labels` | of a warehouse with tables: `{label: mask}`; a label that is missing is hidden |
| `tables` | of a warehouse with tables: `{table: {…}}`; a table that is missing is closed |

A table has `rows` (in its own dimensions), `hidden` and `masked`; then `sql`, the predicate over its columns in the
warehouse's dialect (`TRUE` for every row), where the kind of warehouse has one, else `columns` (`{dimension: column}`).
A reader that meets another `format`, an unknown mask or an unknown key in a table must refuse.

It is not bound to a method, host, path or statement: all requests of a principal to a warehouse within half of its
life carry the same one. Whoever copies it can show it to that warehouse until it ends, so it is worth what the way
between Envoy and the warehouse is worth; no client ever sees it.
"""

from typing import Final

from authz.errors import Denied, Reason
from authz.identity.principal import Principal
from authz.policy.decision import Allow
from authz.policy.policyset import Warehouse
from authz.policy.tables import OWN_DIALECT, Table, WarehouseKind
from authz.rendering.circumstances import Circumstances
from authz.rendering.minting import MAX_MINTED_BYTES, Minted, mint
from authz.rendering.person import person_name
from authz.rendering.sql import predicate
from authz.rendering.told import count_values, hidden_columns, masked_columns, tells_identity
from authz.scopes.datascope import DataScope, TableScope
from authz.scopes.rowfilter import Everything, to_json

ASSERTION_TYPE: Final = "scope+jwt"
"""The `typ`: no token of another kind by the same issuer is taken for an assertion (RFC 8725 section 3.11)."""
ASSERTION_FORMAT: Final = 1


def assertion(
    allow: Allow, principal: Principal, circumstances: Circumstances, *, limit: int = MAX_MINTED_BYTES
) -> Minted:
    """The assertion for every request of a principal to a warehouse. `limit` is in bytes.

    Raises `Denied`: `not_ready` without keys, `scope_too_large`, `scope_not_expressible` for what the warehouse's
    dialect cannot say, and what `authz.rendering.person.person_name` raises.
    """
    warehouse = allow.warehouse
    claims: dict[str, object] = {
        **scope_claims(warehouse, allow.scope, limit=limit),
        "aud": warehouse.name,
        "format": ASSERTION_FORMAT,
        "policy": circumstances.policy_version,
    }
    # The kinds that know people by name have no shared answers without one.
    if warehouse.kind is not WarehouseKind.HTTP or tells_identity(warehouse):
        claims["sub"] = person_name(warehouse, principal)
        claims["sub_issuer"] = principal.issuer
        claims["methods"] = sorted(method.value for method in principal.methods)
    return mint(claims, ASSERTION_TYPE, circumstances, limit=limit)


def scope_claims(
    warehouse: Warehouse, scope: DataScope, *, limit: int = MAX_MINTED_BYTES
) -> dict[str, object]:
    """The claims that say what may be seen. Raises `Denied` as `assertion` does."""
    # A value and its separator are two bytes at least: no need to write what cannot fit.
    if 2 * (count := count_values(scope.rows)) > limit:
        raise Denied(Reason.SCOPE_TOO_LARGE, f"an assertion of {count} values")
    claims: dict[str, object] = {"scope_id": scope.id, "rows": to_json(scope.rows)}
    if warehouse.tables:
        claims["labels"] = {label: mask.value for label, mask in scope.labels.items()}
        claims["tables"] = {
            name: _table_claims(warehouse, warehouse.tables[name], table)
            for name, table in scope.tables.items()
        }
        return claims
    return {
        **claims,
        "columns": dict(warehouse.columns),
        "hidden": hidden_columns(scope.columns),
        "masked": masked_columns(scope.columns),
    }


def _table_claims(warehouse: Warehouse, table: Table, scope: TableScope) -> dict[str, object]:
    claims: dict[str, object] = {
        "rows": to_json(scope.rows),
        "hidden": hidden_columns(scope.columns),
        "masked": masked_columns(scope.columns),
    }
    if (dialect := OWN_DIALECT.get(warehouse.kind)) is None:
        return {**claims, "columns": dict(table.columns)}
    every_row = isinstance(scope.rows, Everything)
    return {**claims, "sql": "TRUE" if every_row else predicate(scope.rows, table.columns, dialect)}
