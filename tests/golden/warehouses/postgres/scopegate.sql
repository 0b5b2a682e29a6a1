-- PostgreSQL's side of the warehouse crm, rendered by `scopegate render postgres`.
-- Do not edit: change the policy and render again. Run it as a superuser; it can be run again:
--   psql --set ON_ERROR_STOP=1 --file scopegate.sql
\set ON_ERROR_STOP 1
BEGIN;
SET LOCAL client_min_messages = warning;

DO $scopegate$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'scopegate_owner') THEN
    CREATE ROLE "scopegate_owner" NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'scopegate_reader') THEN
    CREATE ROLE "scopegate_reader" NOLOGIN;
  END IF;
END
$scopegate$;

CREATE SCHEMA IF NOT EXISTS scopegate;
CREATE SCHEMA IF NOT EXISTS "scopegate_api";
REVOKE ALL ON SCHEMA scopegate, "scopegate_api" FROM PUBLIC, "scopegate_reader", "scopegate_owner";
GRANT USAGE ON SCHEMA scopegate, "scopegate_api" TO "scopegate_reader", "scopegate_owner";
GRANT CREATE ON SCHEMA "scopegate_api" TO "scopegate_owner";

CREATE OR REPLACE FUNCTION scopegate.audience() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT 'crm'::text;
END;

CREATE OR REPLACE FUNCTION scopegate.dimensions() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT ARRAY['ordered_at', 'region']::text[];
END;

CREATE OR REPLACE FUNCTION scopegate.alternatives() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT 8;
END;

-- What the claims of the request say. PostgREST has verified the token that they come from; whoever can set
-- `request.jwt.claims` without PostgREST can say anything, so nobody but PostgREST may have a login here.
-- The functions are asked once a query, not once a row: the policies call them in subqueries of their own.

CREATE OR REPLACE FUNCTION scopegate.claims() RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT CASE WHEN claims ->> 'aud' = scopegate.audience() AND claims -> 'format' = '1'::jsonb THEN claims END
  FROM (SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb AS claims) AS request;
END;

CREATE OR REPLACE FUNCTION scopegate.everything() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT coalesce(scopegate.claims() -> 'rows' = '"all"'::jsonb, false);
END;

-- One of the alternatives of the row filter. NULL where there is none, where there are more than the policies look
-- at, and where it names a dimension that nobody knows here: an alternative without one of its constraints is wider.
CREATE OR REPLACE FUNCTION scopegate.alternative(number integer) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT CASE WHEN jsonb_typeof(one) = 'object' AND one <> '{}'::jsonb AND one - scopegate.dimensions() = '{}'::jsonb THEN one END
  FROM (
    SELECT CASE WHEN jsonb_array_length(rows) <= scopegate.alternatives() THEN rows -> (number - 1) END AS one
    FROM (SELECT CASE WHEN jsonb_typeof(scopegate.claims() -> 'rows') = 'array' THEN scopegate.claims() -> 'rows' END AS rows) AS filter
  ) AS chosen;
END;

CREATE OR REPLACE FUNCTION scopegate.applies(number integer) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT scopegate.alternative(number) IS NOT NULL;
END;

CREATE OR REPLACE FUNCTION scopegate.free(number integer, dimension text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT coalesce(NOT scopegate.alternative(number) ? dimension, false);
END;

-- How columns of a label are shown: `clear`, `hash`, `last4`, `year`, `null` or `hidden`. A label that is missing is hidden.
CREATE OR REPLACE FUNCTION scopegate.treatment(label text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT coalesce(scopegate.claims() -> 'labels' ->> label, 'hidden');
END;

-- The constraint of an alternative on a dimension, if it is a list or a range of that type and nothing else.
CREATE OR REPLACE FUNCTION scopegate.bound(number integer, dimension text, kind text) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT bound FROM (SELECT scopegate.alternative(number) -> dimension AS bound) AS found
  WHERE jsonb_typeof(bound) = 'object' AND bound ->> 'type' = kind AND CASE
    WHEN bound ? 'in' THEN jsonb_typeof(bound -> 'in') = 'array' AND bound - ARRAY['type', 'in'] = '{}'::jsonb
    ELSE bound ?| ARRAY['from', 'after', 'through', 'before']
      AND bound - ARRAY['type', 'from', 'after', 'through', 'before'] = '{}'::jsonb
      AND NOT (bound ?& ARRAY['from', 'after']) AND NOT (bound ?& ARRAY['through', 'before'])
  END;
END;

-- Days and moments are those of UTC, whatever the session's time zone is.
CREATE OR REPLACE FUNCTION scopegate.day(value date) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC SELECT value; END;
CREATE OR REPLACE FUNCTION scopegate.day(value timestamp) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC SELECT value::date; END;
CREATE OR REPLACE FUNCTION scopegate.day(value timestamptz) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC SELECT (value AT TIME ZONE 'UTC')::date; END;
CREATE OR REPLACE FUNCTION scopegate.instant(value timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC SELECT value; END;
CREATE OR REPLACE FUNCTION scopegate.instant(value timestamp) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC SELECT value AT TIME ZONE 'UTC'; END;
CREATE OR REPLACE FUNCTION scopegate.instant(value date) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC SELECT value::timestamp AT TIME ZONE 'UTC'; END;

-- Text is compared by code point, whatever a column's collation: it could take two texts for one.
DO $scopegate$
BEGIN
  IF to_regtype('scopegate.textrange') IS NULL THEN
    CREATE TYPE scopegate.textrange AS RANGE (SUBTYPE = text, COLLATION = "C");
  END IF;
END
$scopegate$;

-- The values that a constraint lets through, as ranges: one look-up a row, however long the list.
CREATE OR REPLACE FUNCTION scopegate.within_string(number integer, dimension text) RETURNS scopegate.textmultirange LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  -- Without a constraint that can be read this is NULL: a range without bounds would be every value.
  SELECT CASE WHEN bound ? 'in'
    THEN (SELECT range_agg(scopegate.textrange(each::text, each::text, '[]')) FROM jsonb_array_elements_text(bound -> 'in') AS each)
    WHEN bound ?| ARRAY['from', 'after', 'through', 'before'] THEN scopegate.textmultirange(scopegate.textrange(
      coalesce(bound ->> 'from', bound ->> 'after')::text, coalesce(bound ->> 'through', bound ->> 'before')::text,
      CASE WHEN bound ? 'after' THEN '(' ELSE '[' END || CASE WHEN bound ? 'before' THEN ')' ELSE ']' END))
  END
  FROM (SELECT scopegate.bound(number, dimension, 'string') AS bound) AS found;
END;

-- The values that a constraint lets through, as ranges: one look-up a row, however long the list.
CREATE OR REPLACE FUNCTION scopegate.within_integer(number integer, dimension text) RETURNS nummultirange LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  -- Without a constraint that can be read this is NULL: a range without bounds would be every value.
  SELECT CASE WHEN bound ? 'in'
    THEN (SELECT range_agg(numrange(each::numeric, each::numeric, '[]')) FROM jsonb_array_elements_text(bound -> 'in') AS each)
    WHEN bound ?| ARRAY['from', 'after', 'through', 'before'] THEN nummultirange(numrange(
      coalesce(bound ->> 'from', bound ->> 'after')::numeric, coalesce(bound ->> 'through', bound ->> 'before')::numeric,
      CASE WHEN bound ? 'after' THEN '(' ELSE '[' END || CASE WHEN bound ? 'before' THEN ')' ELSE ']' END))
  END
  FROM (SELECT scopegate.bound(number, dimension, 'integer') AS bound) AS found;
END;

-- The values that a constraint lets through, as ranges: one look-up a row, however long the list.
CREATE OR REPLACE FUNCTION scopegate.within_decimal(number integer, dimension text) RETURNS nummultirange LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  -- Without a constraint that can be read this is NULL: a range without bounds would be every value.
  SELECT CASE WHEN bound ? 'in'
    THEN (SELECT range_agg(numrange(each::numeric, each::numeric, '[]')) FROM jsonb_array_elements_text(bound -> 'in') AS each)
    WHEN bound ?| ARRAY['from', 'after', 'through', 'before'] THEN nummultirange(numrange(
      coalesce(bound ->> 'from', bound ->> 'after')::numeric, coalesce(bound ->> 'through', bound ->> 'before')::numeric,
      CASE WHEN bound ? 'after' THEN '(' ELSE '[' END || CASE WHEN bound ? 'before' THEN ')' ELSE ']' END))
  END
  FROM (SELECT scopegate.bound(number, dimension, 'decimal') AS bound) AS found;
END;

-- The values that a constraint lets through, as ranges: one look-up a row, however long the list.
CREATE OR REPLACE FUNCTION scopegate.within_date(number integer, dimension text) RETURNS datemultirange LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  -- Without a constraint that can be read this is NULL: a range without bounds would be every value.
  SELECT CASE WHEN bound ? 'in'
    THEN (SELECT range_agg(daterange(each::date, each::date, '[]')) FROM jsonb_array_elements_text(bound -> 'in') AS each)
    WHEN bound ?| ARRAY['from', 'after', 'through', 'before'] THEN datemultirange(daterange(
      coalesce(bound ->> 'from', bound ->> 'after')::date, coalesce(bound ->> 'through', bound ->> 'before')::date,
      CASE WHEN bound ? 'after' THEN '(' ELSE '[' END || CASE WHEN bound ? 'before' THEN ')' ELSE ']' END))
  END
  FROM (SELECT scopegate.bound(number, dimension, 'date') AS bound) AS found;
END;

-- The values that a constraint lets through, as ranges: one look-up a row, however long the list.
CREATE OR REPLACE FUNCTION scopegate.within_timestamp(number integer, dimension text) RETURNS tstzmultirange LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  -- Without a constraint that can be read this is NULL: a range without bounds would be every value.
  SELECT CASE WHEN bound ? 'in'
    THEN (SELECT range_agg(tstzrange(each::timestamptz, each::timestamptz, '[]')) FROM jsonb_array_elements_text(bound -> 'in') AS each)
    WHEN bound ?| ARRAY['from', 'after', 'through', 'before'] THEN tstzmultirange(tstzrange(
      coalesce(bound ->> 'from', bound ->> 'after')::timestamptz, coalesce(bound ->> 'through', bound ->> 'before')::timestamptz,
      CASE WHEN bound ? 'after' THEN '(' ELSE '[' END || CASE WHEN bound ? 'before' THEN ')' ELSE ']' END))
  END
  FROM (SELECT scopegate.bound(number, dimension, 'timestamp') AS bound) AS found;
END;

-- The values that a constraint lets through, as ranges: one look-up a row, however long the list.
CREATE OR REPLACE FUNCTION scopegate.within_boolean(number integer, dimension text) RETURNS int4multirange LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
  -- Without a constraint that can be read this is NULL: a range without bounds would be every value.
  SELECT CASE WHEN bound ? 'in'
    THEN (SELECT range_agg(int4range(each::boolean::integer, each::boolean::integer, '[]')) FROM jsonb_array_elements_text(bound -> 'in') AS each)
    WHEN bound ?| ARRAY['from', 'after', 'through', 'before'] THEN int4multirange(int4range(
      coalesce(bound ->> 'from', bound ->> 'after')::integer, coalesce(bound ->> 'through', bound ->> 'before')::integer,
      CASE WHEN bound ? 'after' THEN '(' ELSE '[' END || CASE WHEN bound ? 'before' THEN ')' ELSE ']' END))
  END
  FROM (SELECT scopegate.bound(number, dimension, 'boolean') AS bound) AS found;
END;

-- The key of the mask `hash`: made here, readable for nobody who asks. Equal values have equal hashes.
CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA scopegate;
CREATE TABLE IF NOT EXISTS scopegate.hash_key (key bytea NOT NULL);
INSERT INTO scopegate.hash_key SELECT scopegate.gen_random_bytes(32) WHERE NOT EXISTS (SELECT FROM scopegate.hash_key);
REVOKE ALL ON scopegate.hash_key FROM PUBLIC, "scopegate_reader", "scopegate_owner";

CREATE OR REPLACE FUNCTION scopegate.hashed(value text) RETURNS text
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT encode(scopegate.hmac(convert_to(value, 'UTF8'), key, 'sha256'), 'hex') FROM scopegate.hash_key $$;

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

-- sales.orders
DO $scopegate$
BEGIN
  -- Others see what they saw before: row-level security without a policy of theirs would show them nothing.
  IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = '"sales"."orders"'::regclass) THEN
    CREATE POLICY scopegate_others ON "sales"."orders" USING (current_user <> 'scopegate_owner');
  END IF;
END
$scopegate$;
ALTER TABLE "sales"."orders" ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scopegate_open ON "sales"."orders";
CREATE POLICY scopegate_open ON "sales"."orders" FOR SELECT TO "scopegate_owner" USING (true);
DROP POLICY IF EXISTS scopegate_rows ON "sales"."orders";
CREATE POLICY scopegate_rows ON "sales"."orders" AS RESTRICTIVE FOR SELECT TO "scopegate_owner" USING (
  (SELECT scopegate.everything())
  OR ((SELECT scopegate.applies(1))
      AND ((SELECT scopegate.free(1, 'region')) OR "region"::text <@ (SELECT scopegate.within_string(1, 'region')))
      AND ((SELECT scopegate.free(1, 'ordered_at')) OR scopegate.day("ordered_at") <@ (SELECT scopegate.within_date(1, 'ordered_at'))))
  OR ((SELECT scopegate.applies(2))
      AND ((SELECT scopegate.free(2, 'region')) OR "region"::text <@ (SELECT scopegate.within_string(2, 'region')))
      AND ((SELECT scopegate.free(2, 'ordered_at')) OR scopegate.day("ordered_at") <@ (SELECT scopegate.within_date(2, 'ordered_at'))))
  OR ((SELECT scopegate.applies(3))
      AND ((SELECT scopegate.free(3, 'region')) OR "region"::text <@ (SELECT scopegate.within_string(3, 'region')))
      AND ((SELECT scopegate.free(3, 'ordered_at')) OR scopegate.day("ordered_at") <@ (SELECT scopegate.within_date(3, 'ordered_at'))))
  OR ((SELECT scopegate.applies(4))
      AND ((SELECT scopegate.free(4, 'region')) OR "region"::text <@ (SELECT scopegate.within_string(4, 'region')))
      AND ((SELECT scopegate.free(4, 'ordered_at')) OR scopegate.day("ordered_at") <@ (SELECT scopegate.within_date(4, 'ordered_at'))))
  OR ((SELECT scopegate.applies(5))
      AND ((SELECT scopegate.free(5, 'region')) OR "region"::text <@ (SELECT scopegate.within_string(5, 'region')))
      AND ((SELECT scopegate.free(5, 'ordered_at')) OR scopegate.day("ordered_at") <@ (SELECT scopegate.within_date(5, 'ordered_at'))))
  OR ((SELECT scopegate.applies(6))
      AND ((SELECT scopegate.free(6, 'region')) OR "region"::text <@ (SELECT scopegate.within_string(6, 'region')))
      AND ((SELECT scopegate.free(6, 'ordered_at')) OR scopegate.day("ordered_at") <@ (SELECT scopegate.within_date(6, 'ordered_at'))))
  OR ((SELECT scopegate.applies(7))
      AND ((SELECT scopegate.free(7, 'region')) OR "region"::text <@ (SELECT scopegate.within_string(7, 'region')))
      AND ((SELECT scopegate.free(7, 'ordered_at')) OR scopegate.day("ordered_at") <@ (SELECT scopegate.within_date(7, 'ordered_at'))))
  OR ((SELECT scopegate.applies(8))
      AND ((SELECT scopegate.free(8, 'region')) OR "region"::text <@ (SELECT scopegate.within_string(8, 'region')))
      AND ((SELECT scopegate.free(8, 'ordered_at')) OR scopegate.day("ordered_at") <@ (SELECT scopegate.within_date(8, 'ordered_at'))))
);
GRANT USAGE ON SCHEMA "sales" TO "scopegate_owner";
GRANT SELECT ON "sales"."orders" TO "scopegate_owner";

DO $scopegate$
DECLARE
  found text;
BEGIN
  SELECT string_agg(label.name, ', ') INTO found FROM (VALUES ('email', 'pii'), ('amount', 'financial')) AS label(name, label)
  WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = '"sales"."orders"'::regclass AND attname = label.name);
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'table %: no column %, which has a label', 'sales.orders', found;
  END IF;
  SELECT string_agg(CASE WHEN label.label IS NULL THEN format('%I', attname)
    ELSE format('%s AS %I', scopegate.shown(attname, atttypid, label.label), attname) END, ', ' ORDER BY attnum)
  INTO found
  FROM pg_attribute LEFT JOIN (VALUES ('email', 'pii'), ('amount', 'financial')) AS label(name, label) ON label.name = attname
  WHERE attrelid = '"sales"."orders"'::regclass AND attnum > 0 AND NOT attisdropped;
  EXECUTE format('DROP VIEW IF EXISTS %s', '"scopegate_api"."orders"');
  EXECUTE format('CREATE VIEW %s WITH (security_barrier) AS SELECT %s FROM %s', '"scopegate_api"."orders"', found, '"sales"."orders"');
END
$scopegate$;
ALTER VIEW "scopegate_api"."orders" OWNER TO "scopegate_owner";
GRANT SELECT ON "scopegate_api"."orders" TO "scopegate_reader";

-- sales.targets
DO $scopegate$
BEGIN
  -- Others see what they saw before: row-level security without a policy of theirs would show them nothing.
  IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = '"sales"."targets"'::regclass) THEN
    CREATE POLICY scopegate_others ON "sales"."targets" USING (current_user <> 'scopegate_owner');
  END IF;
END
$scopegate$;
ALTER TABLE "sales"."targets" ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS scopegate_open ON "sales"."targets";
CREATE POLICY scopegate_open ON "sales"."targets" FOR SELECT TO "scopegate_owner" USING (true);
DROP POLICY IF EXISTS scopegate_rows ON "sales"."targets";
CREATE POLICY scopegate_rows ON "sales"."targets" AS RESTRICTIVE FOR SELECT TO "scopegate_owner" USING (
  (SELECT scopegate.everything())
  OR ((SELECT scopegate.applies(1))
      AND ((SELECT scopegate.free(1, 'region')) OR "area"::text <@ (SELECT scopegate.within_string(1, 'region'))))
  OR ((SELECT scopegate.applies(2))
      AND ((SELECT scopegate.free(2, 'region')) OR "area"::text <@ (SELECT scopegate.within_string(2, 'region'))))
  OR ((SELECT scopegate.applies(3))
      AND ((SELECT scopegate.free(3, 'region')) OR "area"::text <@ (SELECT scopegate.within_string(3, 'region'))))
  OR ((SELECT scopegate.applies(4))
      AND ((SELECT scopegate.free(4, 'region')) OR "area"::text <@ (SELECT scopegate.within_string(4, 'region'))))
  OR ((SELECT scopegate.applies(5))
      AND ((SELECT scopegate.free(5, 'region')) OR "area"::text <@ (SELECT scopegate.within_string(5, 'region'))))
  OR ((SELECT scopegate.applies(6))
      AND ((SELECT scopegate.free(6, 'region')) OR "area"::text <@ (SELECT scopegate.within_string(6, 'region'))))
  OR ((SELECT scopegate.applies(7))
      AND ((SELECT scopegate.free(7, 'region')) OR "area"::text <@ (SELECT scopegate.within_string(7, 'region'))))
  OR ((SELECT scopegate.applies(8))
      AND ((SELECT scopegate.free(8, 'region')) OR "area"::text <@ (SELECT scopegate.within_string(8, 'region'))))
);
GRANT USAGE ON SCHEMA "sales" TO "scopegate_owner";
GRANT SELECT ON "sales"."targets" TO "scopegate_owner";

DO $scopegate$
DECLARE
  found text;
BEGIN
  SELECT string_agg(label.name, ', ') INTO found FROM (SELECT NULL, NULL WHERE false) AS label(name, label)
  WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = '"sales"."targets"'::regclass AND attname = label.name);
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'table %: no column %, which has a label', 'sales.targets', found;
  END IF;
  SELECT string_agg(CASE WHEN label.label IS NULL THEN format('%I', attname)
    ELSE format('%s AS %I', scopegate.shown(attname, atttypid, label.label), attname) END, ', ' ORDER BY attnum)
  INTO found
  FROM pg_attribute LEFT JOIN (SELECT NULL, NULL WHERE false) AS label(name, label) ON label.name = attname
  WHERE attrelid = '"sales"."targets"'::regclass AND attnum > 0 AND NOT attisdropped;
  EXECUTE format('DROP VIEW IF EXISTS %s', '"scopegate_api"."targets"');
  EXECUTE format('CREATE VIEW %s WITH (security_barrier) AS SELECT %s FROM %s', '"scopegate_api"."targets"', found, '"sales"."targets"');
END
$scopegate$;
ALTER VIEW "scopegate_api"."targets" OWNER TO "scopegate_owner";
GRANT SELECT ON "scopegate_api"."targets" TO "scopegate_reader";

DO $scopegate$
DECLARE
  found text;
BEGIN
  SELECT string_agg(rolname, ', ') INTO found FROM pg_roles
  WHERE rolname IN ('scopegate_owner', 'scopegate_reader') AND (rolsuper OR rolbypassrls);
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'role %: a superuser, or BYPASSRLS: row-level security does not hold for it', found;
  END IF;
  SELECT string_agg(name, ', ') INTO found FROM unnest(ARRAY['"sales"."orders"', '"sales"."targets"']::text[]) AS name
  JOIN pg_class ON pg_class.oid = name::regclass WHERE pg_get_userbyid(relowner) = 'scopegate_owner' OR relkind NOT IN ('r', 'p');
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'table %: no plain table, or owned by "scopegate_owner": row-level security does not hold for its owner', found;
  END IF;
  SELECT string_agg(name, ', ') INTO found FROM unnest(ARRAY['"sales"."orders"', '"sales"."targets"']::text[]) AS name
  WHERE has_table_privilege('scopegate_reader', name, 'SELECT') OR has_any_column_privilege('scopegate_reader', name, 'SELECT');
  IF found IS NOT NULL THEN
    RAISE EXCEPTION 'table %: "scopegate_reader" can read it without the view; revoke that, from PUBLIC, too', found;
  END IF;
END
$scopegate$;

COMMIT;
