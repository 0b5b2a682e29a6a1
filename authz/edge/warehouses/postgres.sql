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
