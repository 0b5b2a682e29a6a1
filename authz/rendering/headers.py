"""The generic headers: who asks, and what they may see, in the forms that a warehouse asked for.

| header | value |
|---|---|
| `x-scope-id` | the scope id, 32 hex digits |
| `x-scope-warehouse` | the name of the warehouse that the scope is for |
| `x-scope-policy` | the version of the policy |
| `x-scope-subject`, `x-scope-issuer` | who asks, unless the answers are shared |
| `x-scope-json` | the whole scope, see `scope_json` |
| `x-scope-assertion` | the whole scope, signed, see `authz.rendering.assertion` |
| `x-scope-sql` | the row filter as a predicate, see `authz.rendering.sql` |
| `x-scope-<dimension>` | one dimension, see `authz.rendering.encoding.values_text`; `_` becomes `-` |
| `x-scope-hidden` | `email,phone`: columns that must not be shown; absent if there is none |
| `x-scope-masked` | `email=hash,phone=last4`: columns and how they are masked; absent if there is none |

All but the JSON form and the signed one are percent-encoded (UTF-8); lists are split at commas first, then decoded.
"""

from collections.abc import Iterator, Mapping
from typing import assert_never

from authz.errors import Denied, Reason
from authz.identity.principal import Principal
from authz.policy.decision import Allow
from authz.policy.policyset import HeaderForm, Warehouse
from authz.rendering import owned
from authz.rendering.encoding import header_text, item_text, values_text
from authz.rendering.sql import predicate
from authz.rendering.told import count_values, hidden_columns, masked_columns, tells_identity
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import Constraint
from authz.scopes.datascope import DataScope, canonical_json
from authz.scopes.rowfilter import Everything, Nothing, RowFilter, Where, to_json

JSON_FORMAT = 1
"""Version of the JSON form of a warehouse of one table."""

TABLES_FORMAT = 2
"""Version of the JSON form of a warehouse with tables."""

MAX_HEADER_BYTES = 8 * 1024
"""Longest value of one header: what common servers take in a line (nginx, Node, Jetty)."""

MAX_HEADERS_BYTES = 24 * 1024
"""All names and values together, well below Envoy's 60 KiB for a whole request."""


def header_names(allow: Allow) -> tuple[str, ...]:
    """The headers that `scope_headers` sets, without the cost of their values."""
    warehouse = allow.warehouse
    names = [owned.ID, owned.WAREHOUSE, owned.POLICY]
    if tells_identity(warehouse):
        names += [owned.SUBJECT, owned.ISSUER]
    for form in warehouse.headers:
        match form:
            case HeaderForm.JSON:
                names.append(owned.JSON)
            case HeaderForm.SQL:
                names.append(owned.SQL)
            case HeaderForm.ASSERTION:
                names.append(owned.ASSERTION)
            case HeaderForm.VALUES:
                names += map(owned.dimension_header, warehouse.dimensions)
            case _:
                assert_never(form)
    treatments = _treated(allow.scope).values()
    if ColumnMask.HIDDEN in treatments:
        names.append(owned.HIDDEN)
    if any(mask is not ColumnMask.HIDDEN for mask in treatments):
        names.append(owned.MASKED)
    return tuple(names)


def scope_headers(
    allow: Allow, principal: Principal, policy_version: str, *, assertion: str | None = None
) -> tuple[tuple[str, str], ...]:
    """Every header of an allowed request; `assertion` is needed where the warehouse takes one.

    Raises `Denied`: `scope_not_expressible` if a form cannot say the scope exactly, `scope_too_large`.
    """
    headers = tuple(_headers(allow, principal, policy_version, assertion))
    # INVARIANT: what is set is what `header_names` says; a client's copy of every other name is removed.
    if tuple(name for name, _ in headers) != header_names(allow):
        raise ValueError("the headers are not those that were announced")
    _check_sizes(headers)
    return headers


def scope_json(warehouse: Warehouse, scope: DataScope) -> str:
    r"""The whole scope as compact JSON with sorted keys, in ASCII (`\u` escapes).

    `{"columns": {dimension: column}, "format": 1, "hidden": [column], "id": scope id, "masked": {column: mask},
    "rows": …, "warehouse": name}`, where `rows` is as `authz.scopes.rowfilter.to_json` says, in dimensions.
    A warehouse with tables is told `"format": 2` and, in place of `columns`, `hidden` and `masked` at the top, `labels`
    (`{label: mask}`; a label that is missing is hidden) and `tables`: `{name: {"columns", "hidden", "masked", "rows"}}`,
    the rows in the dimensions of that table. A table that is missing is closed.
    A reader that meets another `format`, or a key or mask that it does not know, must refuse.
    """
    if warehouse.tables:
        return canonical_json(
            {
                "format": TABLES_FORMAT,
                "id": scope.id,
                "labels": {label: mask.value for label, mask in scope.labels.items()},
                "rows": to_json(scope.rows),
                "tables": {
                    name: {
                        "columns": dict(warehouse.tables[name].columns),
                        "hidden": hidden_columns(table.columns),
                        "masked": masked_columns(table.columns),
                        "rows": to_json(table.rows),
                    }
                    for name, table in scope.tables.items()
                },
                "warehouse": warehouse.name,
            }
        )
    return canonical_json(
        {
            "columns": dict(warehouse.columns),
            "format": JSON_FORMAT,
            "hidden": hidden_columns(scope.columns),
            "id": scope.id,
            "masked": masked_columns(scope.columns),
            "rows": to_json(scope.rows),
            "warehouse": warehouse.name,
        }
    )


def single_conjunction(rows: RowFilter) -> dict[str, Constraint]:
    """The constraints by dimension, if one list for each dimension says it all.

    Raises `Denied(scope_not_expressible)` for alternatives: {EU, A} or {US, B} is not {EU, US} and {A, B}.
    """
    match rows:
        case Everything():
            return {}
        case Where((disjunct,)):
            return dict(disjunct)
        case Where(disjuncts):
            raise Denied(
                Reason.SCOPE_NOT_EXPRESSIBLE,
                f"{len(disjuncts)} alternatives in a form that takes one list for each dimension",
            )
        case Nothing():
            raise Denied(Reason.SCOPE_NOT_EXPRESSIBLE, "no row, in a form that takes values")
        case _:
            assert_never(rows)


def check_dimensions(warehouse: Warehouse, rows: RowFilter) -> None:
    """Raise `Denied(scope_not_expressible)` if a filter has a dimension that the warehouse does not know.

    Leaving its constraint out would select more.
    """
    if isinstance(rows, Where):
        known = set(warehouse.dimensions)
        for name, _ in (entry for disjunct in rows.disjuncts for entry in disjunct):
            if name not in known:
                raise Denied(
                    Reason.SCOPE_NOT_EXPRESSIBLE,
                    f"warehouse `{warehouse.name}` has no dimension `{name}`",
                )


def _headers(
    allow: Allow, principal: Principal, policy_version: str, assertion: str | None
) -> Iterator[tuple[str, str]]:
    warehouse, scope = allow.warehouse, allow.scope
    yield owned.ID, scope.id
    yield owned.WAREHOUSE, header_text(warehouse.name)
    yield owned.POLICY, header_text(policy_version)
    if tells_identity(warehouse):
        yield owned.SUBJECT, header_text(principal.subject)
        yield owned.ISSUER, header_text(principal.issuer)
    for form in warehouse.headers:
        if form is HeaderForm.ASSERTION:
            if assertion is not None:
                yield owned.ASSERTION, assertion
        else:
            yield from form_headers(form, warehouse, scope)
    treated = _treated(scope)
    if hidden := hidden_columns(treated):
        yield owned.HIDDEN, ",".join(map(item_text, hidden))
    if masked := masked_columns(treated):
        yield owned.MASKED, ",".join(f"{item_text(name)}={mask}" for name, mask in masked.items())


def form_headers(form: HeaderForm, warehouse: Warehouse, scope: DataScope) -> Iterator[tuple[str, str]]:
    """The headers of one form that is not signed. Raises `Denied` as `scope_headers` does."""
    # A value and its separator are two bytes at least: no need to write what cannot fit.
    if 2 * count_values(scope.rows) > MAX_HEADER_BYTES and form is not HeaderForm.VALUES:
        raise _too_large(form.value, f"{count_values(scope.rows)} values")
    for name, value in _form(form, warehouse, scope):
        if len(value) > MAX_HEADER_BYTES:
            raise _too_large(name, f"{len(value)} bytes")
        yield name, value


def _form(form: HeaderForm, warehouse: Warehouse, scope: DataScope) -> Iterator[tuple[str, str]]:
    match form:
        case HeaderForm.JSON:
            yield owned.JSON, scope_json(warehouse, scope)
        case HeaderForm.SQL:
            if warehouse.tables:
                raise Denied(
                    Reason.SCOPE_NOT_EXPRESSIBLE, "several tables, in a form that is the predicate of one"
                )
            yield owned.SQL, header_text(predicate(scope.rows, warehouse.columns, warehouse.dialect))
        case HeaderForm.ASSERTION:
            raise ValueError("an assertion needs keys: see `authz.rendering.assertion`")
        case HeaderForm.VALUES:
            yield from _values_headers(warehouse, scope)
        case _:
            assert_never(form)


def _values_headers(warehouse: Warehouse, scope: DataScope) -> Iterator[tuple[str, str]]:
    constraints = single_conjunction(scope.rows)
    taken: set[str] = set()
    for dimension in warehouse.dimensions:
        name = owned.dimension_header(dimension)
        if dimension in owned.RESERVED_DIMENSIONS or name in taken:
            raise Denied(
                Reason.SCOPE_NOT_EXPRESSIBLE, f"dimension `{dimension}` has no header of its own: `{name}`"
            )
        taken.add(name)
        yield name, values_text(constraints.get(dimension))


def _treated(scope: DataScope) -> Mapping[str, ColumnMask]:
    """Every column that is not clear; behind the name of its table, where there are several."""
    of_tables = {
        f"{name}.{column}": mask
        for name, table in scope.tables.items()
        for column, mask in table.columns.items()
    }
    return {**scope.columns, **of_tables}


def _check_sizes(headers: tuple[tuple[str, str], ...]) -> None:
    for name, value in headers:
        if len(value) > MAX_HEADER_BYTES:
            raise _too_large(name, f"{len(value)} bytes")
    total = sum(len(name) + len(value) for name, value in headers)
    if total > MAX_HEADERS_BYTES:
        raise Denied(
            Reason.SCOPE_TOO_LARGE, f"{total} bytes of headers, at most {MAX_HEADERS_BYTES} are supported"
        )


def _too_large(what: str, size: str) -> Denied:
    return Denied(
        Reason.SCOPE_TOO_LARGE, f"`{what}` of {size}, at most {MAX_HEADER_BYTES} bytes are supported"
    )
