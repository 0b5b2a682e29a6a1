"""PostgreSQL's side of a scope: row-level security and views that read the claims which PostgREST has verified.

One script, to be run by a superuser. It can be run again: what it made before, it makes anew. Rows
are filtered by a restrictive policy, so that no policy of somebody else's can widen what it lets through; columns
with labels are seen through views, so that a filter or an order on them works on what is shown, too.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from sqlglot import exp

from authz.edge.messages import EdgeError
from authz.policy.policyset import PolicySet, Warehouse
from authz.policy.tables import Table
from authz.rendering.targets.postgrest import MAX_ALTERNATIVES
from authz.scopes.values import ValueType

_TYPES: Final[Mapping[ValueType, tuple[str, str, str]]] = {
    ValueType.STRING: ("text", "scopegate.textrange", "{}::text"),
    ValueType.INTEGER: ("numeric", "numrange", "{}::numeric"),
    ValueType.DECIMAL: ("numeric", "numrange", "{}::numeric"),
    # A cast would depend on the session's time zone, which a client of PostgREST may choose.
    ValueType.DATE: ("date", "daterange", "scopegate.day({})"),
    ValueType.TIMESTAMP: ("timestamptz", "tstzrange", "scopegate.instant({})"),
    # There is no range of these; a constraint on them is a list.
    ValueType.BOOLEAN: ("integer", "int4range", "{}::integer"),
}
"""What a column is compared as, ranges of it, and how a column becomes it."""

_DOLLAR: Final = "$scopegate$"

_HEADER: Final = """\
-- PostgreSQL's side of the warehouse {warehouse}, rendered by `scopegate render postgres`.
-- Do not edit: change the policy and render again. Run it as a superuser; it can be run again:
--   psql --set ON_ERROR_STOP=1 --file scopegate.sql
\\set ON_ERROR_STOP 1
BEGIN;
SET LOCAL client_min_messages = warning;
"""


def postgres_files(policy: PolicySet, warehouse: Warehouse) -> dict[str, str]:
    """The files for a warehouse of kind `postgrest`, by name. The same policy, the same texts.

    Raises `EdgeError` for a name that the script cannot hold.
    """
    return {"scopegate.sql": _script(policy, warehouse), "postgrest.conf": _postgrest(warehouse)}


def _script(policy: PolicySet, warehouse: Warehouse) -> str:
    target = warehouse.postgrest
    names = {
        **{key: _name(name) for key, name in (("owner", target.owner), ("reader", target.role))},
        **{key: _text(name) for key, name in (("owner_text", target.owner), ("reader_text", target.role))},
        "schema": _name(target.schema),
        "audience": _text(warehouse.name),
        "alternatives": str(MAX_ALTERNATIVES),
        "dimensions": ", ".join(map(_text, sorted(warehouse.dimensions))),
        "tables": ", ".join(_text(_table(table)) for table in warehouse.tables.values()),
    }
    return "\n".join(
        [
            _HEADER.format(warehouse=warehouse.name),
            _ROLES.format(**names),
            files("authz.edge.warehouses").joinpath("postgres.sql").read_text(encoding="utf-8"),
            *(_within(kind) for kind in ValueType),
            _HASH.format(**names),
            _MASK,
            *(part for table in warehouse.tables.values() for part in _of_table(policy, table, names)),
            _CHECKS.format(**names),
            "COMMIT;\n",
        ]
    )


_ROLES: Final = """\
DO $scopegate$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {owner_text}) THEN
    CREATE ROLE {owner} NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {reader_text}) THEN
    CREATE ROLE {reader} NOLOGIN;
  END IF;
END
$scopegate$;

CREATE SCHEMA IF NOT EXISTS scopegate;
CREATE SCHEMA IF NOT EXISTS {schema};
REVOKE ALL ON SCHEMA scopegate, {schema} FROM PUBLIC, {reader}, {owner};
GRANT USAGE ON SCHEMA scopegate, {schema} TO {reader}, {owner};
GRANT CREATE ON SCHEMA {schema} TO {owner};

CREATE OR REPLACE FUNCTION scopegate.audience() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT {audience}::text;
END;

CREATE OR REPLACE FUNCTION scopegate.dimensions() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT ARRAY[{dimensions}]::text[];
END;

CREATE OR REPLACE FUNCTION scopegate.alternatives() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT {alternatives};
END;
"""

_HASH: Final = """\
-- The key of the mask `hash`: made here, readable for nobody who asks. Equal values have equal hashes.
CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA scopegate;
CREATE TABLE IF NOT EXISTS scopegate.hash_key (key bytea NOT NULL);
INSERT INTO scopegate.hash_key SELECT scopegate.gen_random_bytes(32) WHERE NOT EXISTS (SELECT FROM scopegate.hash_key);
REVOKE ALL ON scopegate.hash_key FROM PUBLIC, {reader}, {owner};

CREATE OR REPLACE FUNCTION scopegate.hashed(value text) RETURNS text
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT encode(scopegate.hmac(convert_to(value, 'UTF8'), key, 'sha256'), 'hex') FROM scopegate.hash_key $$;
"""

_MASK: Final = """\
-- The expression that shows a column by the treatment of its label. What a type cannot be shown as is NULL.
CREATE OR REPLACE FUNCTION scopegate.shown(name text, kind regtype, label text) RETURNS text LANGUAGE sql STABLE
AS $$
  SELECT format('CASE (SELECT scopegate.treatment(%2$L)) WHEN ''clear'' THEN %1$I', name, label) || CASE
    WHEN kind IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) THEN format(
      ' WHEN ''hash'' THEN scopegate.hashed(%1$I::text) WHEN ''last4'' THEN CASE WHEN length(%1$I::text) > 4'
      ' THEN right(%1$I::text, 4) WHEN %1$I IS NOT NULL THEN ''****'' END', name)
    WHEN kind IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN format(
      ' WHEN ''year'' THEN date_trunc(''year'', %1$I)::%2$s', name, kind)
    ELSE '' END || ' END'
$$;
REVOKE ALL ON FUNCTION scopegate.shown(text, regtype, text) FROM PUBLIC;
"""


def _within(kind: ValueType) -> str:
    type_, range_, _ = _TYPES[kind]
    return _WITHIN.format(
        kind=kind,
        type=type_,
        range=range_,
        multirange=range_.replace("range", "multirange"),
        each="each::boolean::integer" if kind is ValueType.BOOLEAN else f"each::{type_}",
    )


_WITHIN: Final = """\
-- The values that a constraint lets through, as ranges: one look-up a row, however long the list.
CREATE OR REPLACE FUNCTION scopegate.within_{kind}(number integer, dimension text) RETURNS {multirange} LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  -- Without a constraint that can be read this is NULL: a range without bounds would be every value.
  SELECT CASE WHEN bound ? 'in'
    THEN (SELECT range_agg({range}({each}, {each}, '[]')) FROM jsonb_array_elements_text(bound -> 'in') AS each)
    WHEN bound ?| ARRAY['from', 'after', 'through', 'before'] THEN {multirange}({range}(
      coalesce(bound ->> 'from', bound ->> 'after')::{type}, coalesce(bound ->> 'through', bound ->> 'before')::{type},
      CASE WHEN bound ? 'after' THEN '(' ELSE '[' END || CASE WHEN bound ? 'before' THEN ')' ELSE ']' END))
  END
  FROM (SELECT scopegate.bound(number, dimension, '{kind}') AS bound) AS found;
END;
"""


def _of_table(policy: PolicySet, table: Table, names: Mapping[str, str]) -> tuple[str, str]:
    alternatives = "".join(
        f"\n  OR ({_alternative(policy, table, number)})" for number in range(1, MAX_ALTERNATIVES + 1)
    )
    labels = ", ".join(f"({_text(column)}, {_text(label)})" for column, label in table.labels.items())
    of_table = {
        "name": table.name,
        "name_text": _text(table.name),
        "base": _table(table),
        "base_text": _text(_table(table)),
        "base_schema": _name(table.name.split(".")[0]),
        "alternatives": alternatives,
        "labelled": f"(VALUES {labels})" if labels else "(SELECT NULL, NULL WHERE false)",
        "view": f"{names['schema']}.{_name(view_name(table))}",
        "view_text": _text(f"{names['schema']}.{_name(view_name(table))}"),
    }
    facts = {**names, **of_table}
    return _ROWS.format(**facts), _VIEW.format(**facts)


def _alternative(policy: PolicySet, table: Table, number: int) -> str:
    conditions = [f"(SELECT scopegate.applies({number}))"]
    for dimension, column in table.columns.items():
        kind = policy.dimensions[dimension].type
        asked = f"{number}, {_text(dimension)}"
        value = _TYPES[kind][2].format(_name(column))
        conditions.append(
            f"((SELECT scopegate.free({asked})) OR {value} <@ (SELECT scopegate.within_{kind}({asked})))"
        )
    return "\n      AND ".join(conditions)


_ROWS: Final = """\
-- {name}
DO $scopegate$
BEGIN
  -- Others see what they saw before: row-level security without a policy of theirs would show them nothing.
  IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = {base_text}::regclass) THEN
    CREATE POLICY scopegate_others ON {base} USING (current_user <> {owner_text});
  END IF;
END
$scopegate$;
ALTER TABLE {base} ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scopegate_open ON {base};
CREATE POLICY scopegate_open ON {base} FOR SELECT TO {owner} USING (true);
DROP POLICY IF EXISTS scopegate_rows ON {base};
CREATE POLICY scopegate_rows ON {base} AS RESTRICTIVE FOR SELECT TO {owner} USING (
  (SELECT scopegate.everything()){alternatives}
);
GRANT USAGE ON SCHEMA {base_schema} TO {owner};
GRANT SELECT ON {base} TO {owner};
"""

_VIEW: Final = """\
DO $scopegate$
DECLARE
  found text;
BEGIN
  SELECT string_agg(label.name, ', ') INTO found FROM {labelled} AS label(name, label)
  WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = {base_text}::regclass AND attname = label.name);
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'table %: no column %, which has a label', {name_text}, found;
  END IF;
  SELECT string_agg(CASE WHEN label.label IS NULL THEN format('%I', attname)
    ELSE format('%s AS %I', scopegate.shown(attname, atttypid, label.label), attname) END, ', ' ORDER BY attnum)
  INTO found
  FROM pg_attribute LEFT JOIN {labelled} AS label(name, label) ON label.name = attname
  WHERE attrelid = {base_text}::regclass AND attnum > 0 AND NOT attisdropped;
  EXECUTE format('DROP VIEW IF EXISTS %s', {view_text});
  EXECUTE format('CREATE VIEW %s WITH (security_barrier) AS SELECT %s FROM %s', {view_text}, found, {base_text});
END
$scopegate$;
ALTER VIEW {view} OWNER TO {owner};
GRANT SELECT ON {view} TO {reader};
"""

_CHECKS: Final = """\
DO $scopegate$
DECLARE
  found text;
BEGIN
  SELECT string_agg(rolname, ', ') INTO found FROM pg_roles
  WHERE rolname IN ({owner_text}, {reader_text}) AND (rolsuper OR rolbypassrls);
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'role %: a superuser, or BYPASSRLS: row-level security does not hold for it', found;
  END IF;
  SELECT string_agg(name, ', ') INTO found FROM unnest(ARRAY[{tables}]::text[]) AS name
  JOIN pg_class ON pg_class.oid = name::regclass WHERE pg_get_userbyid(relowner) = {owner_text} OR relkind NOT IN ('r', 'p');
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'table %: no plain table, or owned by {owner}: row-level security does not hold for its owner', found;
  END IF;
  SELECT string_agg(name, ', ') INTO found FROM unnest(ARRAY[{tables}]::text[]) AS name
  WHERE has_table_privilege({reader_text}, name, 'SELECT') OR has_any_column_privilege({reader_text}, name, 'SELECT');
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'table %: {reader} can read it without the view; revoke that, from PUBLIC, too', found;
  END IF;
END
$scopegate$;
"""


_POSTGREST: Final = """\
# PostgREST for the warehouse {warehouse}, rendered by `scopegate render postgres`: what must be so for the scope to
# hold. Beside it stand where PostgREST listens (for Envoy alone) and `db-uri`, with a role that may become {role}.
db-schemas = {schema}
# Nobody without a token of Scopegate's: there is no db-anon-role.
# The key set is that of /.well-known/jwks.json on Scopegate's HTTP port; the file is read again on SIGUSR2.
jwt-secret = "@/etc/postgrest/scopegate-jwks.json"
jwt-aud = {audience}
jwt-role-claim-key = ".role"
openapi-mode = "disabled"
db-plan-enabled = false
db-aggregates-enabled = false
"""


def _postgrest(warehouse: Warehouse) -> str:
    target = warehouse.postgrest
    return _POSTGREST.format(
        warehouse=warehouse.name,
        role=target.role,
        schema=json.dumps(target.schema),
        audience=json.dumps(warehouse.name),
    )


def view_name(table: Table) -> str:
    """The view of a table, and the path segment under which PostgREST shows it."""
    return table.name.split(".")[-1]


def _table(table: Table) -> str:
    return ".".join(map(_name, table.name.split(".")))


def _name(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql(dialect="postgres")


def _text(text: str) -> str:
    if _DOLLAR in text:
        raise EdgeError(f"`{text}`: got `{_DOLLAR}` in a name, which ends a part of the script")
    return exp.Literal.string(text).sql(dialect="postgres")
