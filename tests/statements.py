"""Statements that guardrails let through, each list beside those that they refuse, by dialect.

Whoever they are examined for must not see `email` of `customers`; `orders` has a column of that name that is clear.
"""

from collections.abc import Mapping

from authz.errors import Reason
from authz.guardrails.rules import GuardrailRules, Session, TableName

TABLES: Mapping[str, tuple[TableName, TableName]] = {
    "trino": (("sales", "public", "orders"), ("sales", "public", "customers")),
    "clickhouse": (("sales", "orders"), ("sales", "customers")),
    "postgres": (("public", "orders"), ("public", "customers")),
    "duckdb": (("orders",), ("customers",)),
    "ansi": (("orders",), ("customers",)),
}
SESSIONS: Mapping[str, Session] = {
    "trino": Session(catalog="sales", schema="public", prepared=frozenset({"st1"})),
    "clickhouse": Session(schema="sales"),
    "postgres": Session(schema="public"),
    "duckdb": Session(),
    "ansi": Session(),
}


def rules(dialect: str) -> GuardrailRules:
    """The rules of a warehouse that says nothing about guardrails."""
    return GuardrailRules(dialect=dialect, tables=frozenset(".".join(name) for name in TABLES[dialect]))


def hidden(dialect: str) -> Mapping[TableName, frozenset[str]]:
    return {TABLES[dialect][1]: frozenset({"email"})}


_TABLEAU = (
    'SELECT "o"."region" AS "region", SUM("o"."amount") AS "sum:amount:ok" FROM "public"."orders" "o"'
    ' WHERE ("o"."order_date" >= DATE \'2024-01-01\') GROUP BY 1 HAVING (COUNT(1) > 0) LIMIT 10'
)

# What trino-jdbc, the dialect of SQLAlchemy, clickhouse-jdbc and clickhouse-connect ask for by themselves.
_TRINO_DRIVERS = (
    "SELECT TABLE_CAT, TABLE_SCHEM, TABLE_NAME, TABLE_TYPE, REMARKS, TYPE_CAT, REF_GENERATION FROM system.jdbc.tables WHERE TABLE_CAT = 'sales' AND TABLE_SCHEM LIKE 'pub\\_lic' ESCAPE '\\' AND TABLE_TYPE IN ('TABLE', 'VIEW') ORDER BY TABLE_TYPE, TABLE_CAT, TABLE_SCHEM, TABLE_NAME",
    "SELECT  CAST(NULL AS varchar) TABLE_CAT,  CAST(NULL AS smallint) KEY_SEQ WHERE false",
    "SELECT current_user",
    'SELECT "column_name", "data_type" FROM "information_schema"."columns" WHERE "table_schema" = ? ORDER BY "ordinal_position" ASC',
    'SELECT "comment" FROM "system"."metadata"."table_comments" WHERE "catalog_name" = ?',
    "EXECUTE IMMEDIATE 'SELECT 1'",
)  # fmt: skip
_CLICKHOUSE_DRIVERS = (
    "SELECT 'x' AS TABLE_CAT, t.database AS TABLE_SCHEM, t.name AS TABLE_NAME, CASE WHEN t.engine LIKE '%Log' THEN 'LOG TABLE' WHEN t.engine in ('Buffer', 'Memory', 'Set') THEN 'MEMORY TABLE' WHEN t.is_temporary != 0 THEN 'TEMPORARY TABLE' WHEN t.engine like '%View' THEN 'VIEW'WHEN t.engine = 'Dictionary' THEN 'DICTIONARY' WHEN empty(t.data_paths) THEN 'REMOTE TABLE' ELSE 'TABLE' END AS TABLE_TYPE, t.comment AS REMARKS, null::Nullable(String) AS TYPE_CAT, d.engine AS TYPE_SCHEM FROM system.tables t JOIN system.databases d ON system.tables.database = system.databases.name WHERE t.database LIKE '%'",
    "SELECT system.columns.default_expression AS COLUMN_DEF, toInt32(0) AS SQL_DATA_TYPE, position(upper(type), 'NULLABLE') >= 1 ? 'YES' : 'NO' AS IS_NULLABLE,NULL::Nullable(String) AS SCOPE_CATALOG FROM system.columns WHERE database LIKE 'sales'",
    "SELECT NULL::Nullable(String) AS TABLE_CAT, trim(c.1) AS COLUMN_NAME, c.2::Int16 AS KEY_SEQ FROM system.tables ARRAY JOIN arrayZip(splitByChar(',', primary_key), arrayEnumerate(splitByChar(',', primary_key))) as c WHERE system.tables.primary_key <> ''",
    "SELECT name AS TYPE_NAME, attrs.c2::Nullable(Int32) AS PRECISION, not(dt.case_insensitive)::Boolean AS CASE_SENSITIVE, if(empty(alias_to), name, alias_to) AS LOCAL_TYPE_NAME FROM system.data_type_families dt  LEFT JOIN (SELECT * FROM VALUES (('Int8', 3), ('Int16', 5))) as attrs ON dt.name = attrs.c1 WHERE alias_to == ''",
    "SELECT concat(description, '(', origin, ')') AS REMARKS, 0::Int16 AS FUNCTION_TYPE FROM system.functions WHERE name LIKE '%'",
    "SELECT * FROM (select id from orders) LIMIT 0",
    "SELECT 1 AS check",
)  # fmt: skip

ANYWHERE_ALLOWED = (
    "select id from orders",
    "SELECT id FROM orders;",
    "select * from orders",
    "select o.* from orders o",
    "select email from orders",
    "select o.email from orders o join customers c on c.id = o.customer_id",
    "select count(*) from customers",
    "select x.* from (select id, name from customers) x",
    "select email from (select 'x' as email from orders) z",
    "with orders as (select id, region from orders) select * from orders",
    "with a as (select id from orders), b as (select * from a) select * from b union all select * from a",
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) select i from n",
    "select case when id > 1 then 'x' else null end, cast(id as decimal(10, 2)) from orders -- note",
    "/* a tool */ select 1",
    "select id from orders where note like '%it''s%' and region not in ('EU', 'US')",
    "select id from orders where exists (select 1 from customers c where c.id = orders.customer_id)",
    "select rank() over (partition by region order by amount desc) from orders",
    'select "id" as "Ümlaut; -- \'" from orders',
)
"""In every dialect."""

ALLOWED: Mapping[str, tuple[str, ...]] = {
    "ansi": ANYWHERE_ALLOWED,
    "duckdb": (*ANYWHERE_ALLOWED, "select i from range(3) t(i)"),
    "postgres": (*ANYWHERE_ALLOWED, "select i from generate_series(1, 3) t(i)", 'select id from public."orders"'),
    "trino": (
        *ANYWHERE_ALLOWED,
        _TABLEAU,
        "select id from SALES.Public.ORDERS",
        "table orders",
        "select x from unnest(array[1, 2]) as t(x)",
        "select * from table(sequence(start => 1, stop => 5))",
        "select filter(array[1], x -> x > 1), a[1], m['k'] from orders cross join unnest(arr) with ordinality u(a, n)",
        "select approx_percentile(amount, 0.5) filter (where amount > 1), listagg(a, ',') within group (order by a) from orders",
        "select json_extract_scalar(doc, '$.email') from orders",
        "select table_name from information_schema.tables",
        "select * from system.jdbc.tables where table_schem = 'public'",
        "show catalogs", "show schemas from sales", r"show tables from sales.public like 'a\_%' escape '\'",
        "show columns from orders", "describe orders", "desc sales.public.orders", "show functions",
        *_TRINO_DRIVERS,
        "prepare p from select id from orders where region = ?", "execute st1", "execute st1 using 'EU', date '2020-01-01'",
        "execute immediate 'select id from orders where region = ?' using 'EU'", "deallocate prepare p",
        "describe output st1", "describe input st1",
        "start transaction isolation level read committed, read only", "commit", "rollback work", "use sales.public",
    ),
    "clickhouse": (
        *ANYWHERE_ALLOWED,
        "SELECT DISTINCT `orders`.`region` FROM `sales`.`orders` `orders` WHERE (`orders`.`order_date` >= toDate('2024-01-01'))",
        "select id from orders final prewhere region = 'EU' where amount > 1 limit 10 FORMAT JSON",
        "SELECT version(), timezone()", "SELECT currentUser() AS user, timezone() AS timezone, version() AS version",
        "SELECT name, value, readonly as readonly FROM system.settings LIMIT 10000",
        "SELECT name, database FROM system.tables WHERE database = 'sales' FORMAT TabSeparated",
        "select quantile(0.5)(amount), countIf(amount > 1), uniqExact(region) from orders group by region with totals",
        "select toStartOfMonth(order_date) m, sum(amount) from orders group by m order by m with fill",
        "select id from orders where region in ('EU', 'US') and id global in (select id from customers)",
        "select arrayMap(x -> x + 1, [1, 2]), arr[1] from orders array join arr as a",
        "select id from orders where id = {id:UInt64} and region in {r:Array(String)}",
        "with 1 as x select x + id from orders", "select number from numbers(10)",
        "select id from orders o any left join customers c on o.id = c.id", r"select id from orders where note like '%it\'s%\_'",
        "select id from orders limit 1 by region", "select id, region ? 1 : 2 from orders sample 0.1",
        "exists table orders", "exists `sales`.`orders` format JSON", "exists database sales",
        *_CLICKHOUSE_DRIVERS,
        "describe table orders format JSON", "show tables from sales format JSON", "show databases",
    ),
}  # fmt: skip

_HIDDEN = (
    "select * from customers",
    "select email from customers",
    'select "EMAIL" from customers',
    "select c.email from customers c",
    "select C.Email from customers c",
    "select customers.email from customers",
    "select c.* from customers c",
    "select c from customers c",
    "select count(c) from customers c",
    "select id from customers where email like 'a%'",
    "select id from customers order by email",
    "select id from customers group by id, email",
    "select id from customers group by id having max(email) > 'b'",
    "select row_number() over (order by email) from customers",
    "select id from orders union all select email from customers",
    "select id from orders union all select * from customers",
    "select (select max(email) from customers) from orders",
    "select id from orders where exists (select 1 from customers where email = note)",
    "with c as (select * from customers) select id from c",
    "with c as (select email e from customers) select e from c",
    "with customers as (select * from customers) select id from customers",
    "with recursive customers as (select email from customers) select 1 from customers",
    "with recursive t as (select email from customers union all select 'x' from t) select * from t",
    "select id from customers c(id, b, d)",
    "select id from orders join customers using (email)",
    "select id from orders natural join customers",
    "select * from orders o join customers c on o.id = c.id",
    "select * from (select * from customers) x",
    "select email.domain from customers",
    "select x from orders o cross join lateral (select email as x from customers) l",
)

_MALFORMED = (
    "",
    " ; ",
    "select 1 /* a /* b */ */",
    "select/*+ hint */ 1",
    "select /*! 1 */ 1",
    "select id from orders /* unfinished",
    "select 'a",
    'select "a',
    "select (1",
    "select 1)",
    "select [1)",
    "select U&'\\0041'",
    'select U&"em\\0061il" from customers',
    "select E'\\x41'",
    "select $$a$$",
    "select $1",
    "select id from orders -- \r , email from customers",
    "select \uff45mail from customers",
    "select\u00a0email from customers",
    "select 1\x00",
    "\ufeffselect 1",
    'select "a""b" from orders',
    'select "em\\x61il" from orders',
    "select id from orders where a = 'b'c",
    "select id fro orders, , ",
    "select 1 # note",
    "select @@version",
    "select {{ x }}",
)

_KINDS = (
    "select 1; select 2",
    "select 1; drop table orders",
    "; select 1",
    "insert into orders select 1",
    "update orders set id = 1",
    "delete from orders",
    "create table x as select 1",
    "drop table orders",
    "alter table orders add column x int",
    "truncate table orders",
    "grant select on orders to public",
    "call p()",
    "set x = 1",
    "explain select 1",
    "explain select email from customers",
    "explain analyze select 1",
    "show create table orders",
    "selec 1",
    "1",
    "with a as (insert into orders select 1) select 1",
    "with a as (delete from orders) select 1",
    "select id from orders for update",
)

ANYWHERE_DENIED: tuple[tuple[str, frozenset[Reason]], ...] = (
    *((text, frozenset({Reason.COLUMN_HIDDEN})) for text in _HIDDEN),
    *((text, frozenset({Reason.STATEMENT_MALFORMED})) for text in _MALFORMED),
    *((text, frozenset({Reason.STATEMENT_DENIED, Reason.STATEMENT_MALFORMED})) for text in _KINDS),
    *(
        (text, frozenset({Reason.TABLE_DENIED}))
        for text in (
            "select id from secrets",
            "select id from other.orders",
            "select id from orders, secrets",
            "select id from orders where id in (select id from secrets)",
            "with a as (select * from secrets) select 1 from a",
            "select id from (select id from secrets) x",
            "with secrets as (select * from secrets) select 1 from secrets",
            "with a as (select 1 from b), b as (select 1) select * from a",
            "select id from a.b.c.d.e",
            "with x as (select 1) select * from sales.x",
            'select id from "orders$partitions"',
        )
    ),
    ("select 1 " + "union all select 1 " * 2_000, frozenset({Reason.STATEMENT_TOO_LARGE})),
    ("select '" + "x" * 70_000 + "'", frozenset({Reason.STATEMENT_TOO_LARGE})),
    ("select '" + "ü" * 33_000 + "'", frozenset({Reason.STATEMENT_TOO_LARGE})),
    ("select " + "(" * 41 + "1" + ")" * 41, frozenset({Reason.STATEMENT_TOO_LARGE})),
    ("select " + "case when " * 41 + "1" + " then 1 end" * 41, frozenset({Reason.STATEMENT_TOO_LARGE})),
    ("select " + "- " * 9 + "1", frozenset({Reason.STATEMENT_TOO_LARGE})),
    ("select " + "not " * 9 + "true", frozenset({Reason.STATEMENT_TOO_LARGE})),
    ("with " + ", ".join(f"c{i} as (select 1)" for i in range(101)) + " select 1", frozenset({Reason.STATEMENT_TOO_LARGE})),
)  # fmt: skip
"""In every dialect, with what may be the reason."""

_TRINO = {
    Reason.COLUMN_HIDDEN: (
        "table customers", "select * from (table customers)", "select transform(array[1], x -> x || email) from customers",
        "execute immediate 'select email from customers'", "prepare p from select email from customers",
        "execute immediate 'execute immediate ''select email from customers'''",
    ),
    Reason.STATEMENT_DENIED: (
        "set session a = 1", "reset session a", "set role admin", "set time zone 'UTC'", "execute missing", "describe output missing",
        "execute st1 using (select max(id) from orders)", "execute st1 using id", "execute immediate 'drop table x'",
        "execute immediate 'set session a = 1'", "prepare p from drop table orders", "prepare p from execute st1", "execute immediate x",
        "with function f() returns int return 1 select f()", "show stats for orders", "show create view v", "show grants on orders",
        "show columns", "show tables from sales where 1 = 1", "select id from orders for version as of 3", "describe (select 1)",
        "select * from orders match_recognize (pattern (a) define a as true)", "call system.runtime.kill_query('x')", "values 1",
        "start transaction; drop table x", "start", "use sales.public x", "select * from lateral orders", "select 1 from orders o, lateral customers",
    ),
    Reason.FUNCTION_DENIED: (
        "select * from table(pg.system.query(query => 'select 1'))", "select * from table(raw_query('x'))",
        "select * from table(exclude_columns(input => table(customers), columns => descriptor(id)))", "select scopegate_mask('x')",
        'select "SCOPEGATE_mask"(\'x\')', "select * from table(information(1))", "select * from query('select 1')",
    ),
    Reason.TABLE_DENIED: (
        "select * from system.runtime.queries", "select * from system.metadata.catalogs", "select id from hive.public.orders",
        "show columns from secrets", "describe secrets", "describe sales.public.secrets", "prepare p from select * from secrets",
        "execute immediate 'select * from secrets'",
    ),
    Reason.STATEMENT_MALFORMED: ("select id from orders where id = `x`", "select {x:Int32}"),
}  # fmt: skip

_CLICKHOUSE = {
    Reason.COLUMN_HIDDEN: (
        "select COLUMNS('.*') from customers", "select c.COLUMNS('em.*') from customers c", "select * apply(toString) from customers",
        "select * except(id) from customers", "select * replace(1 as id) from customers", "select tuple(*) from customers",
        "select `email` from customers", "select arrayMap(email -> email, [1]) from customers", "select untuple(c) from customers c",
        "select email.size0 from customers", "with email as e select 1 from customers", "select id from customers limit 1 by email",
        "select id from customers array join splitByChar('@', email) as p", "select total_rows from system.tables",
        "select * from system.tables", "select c.total_bytes from system.tables as c", "select id from customers prewhere email = ''",
        "select _part_offset from orders", "select max(o._Part_Offset) from orders o", "select `_block_number` from orders", 'select "_part" from orders',
        "select id from orders where _part_starting_offset > 0", "select id from orders order by _block_offset", "select id as _part_offset from orders",
        "select _sample_factor from orders", "select _row_exists from orders",
    ),
    Reason.STATEMENT_DENIED: (
        "select id from orders where id in customers", "select id from orders where id in (customers)", "select id from orders where id in ((customers))",
        "select id from orders where id global not in sales.secrets", "select id from orders where id in numbers(3)",
        "select id from {t:Identifier}", "select {c:Identifier} from orders", "select id from orders settings max_threads = 1",
        "select id from (select id from orders settings additional_table_filters = 'x')", "select id from orders format JSON settings a = 1",
        "select id from orders format Template", "set max_threads = 1", "system flush logs", "insert into orders values (1)",
        "show processlist", "show create table orders", "describe url('http://x')", "describe (select email from customers)", "kill query where 1",
        "backup table x to y", "use sales", "show tables from sales where 1", "show columns from orders from system",
    ),
    Reason.FUNCTION_DENIED: (
        *(
            f"select * from {call}"
            for call in (
                "url('http://x', 'CSV')", "s3('x')", "remote('x', sales.orders)", "remoteSecure('x', sales.orders)", "cluster('x', sales.orders)",
                "clusterAllReplicas('x', sales.orders)", "merge('sales', 'orders')", "file('/etc/passwd')", "mysql('a', 'b', 'c', 'd', 'e')",
                "postgresql('a')", "jdbc('a', 'b')", "odbc('a', 'b', 'c')", "hdfs('x')", "mergeTreeIndex('sales', 'orders')", "view(select 1)",
                "dictionary('x')", "executable('x')", "generateRandom('x UInt8')", "loop(sales.orders)", "URL('http://x')", "`url`('http://x')",
                "input('x UInt8')", "azureBlobStorage('x')", "iceberg('x')", "fuzzJSON('x')", "null('x UInt8')",
            )
        ),
        "select * from numbers(10) n, url('x')", "select dictGet('d', 'email', 1)", "select dictGetOrNull('d', 'email', 1)", "select joinGet('j', 'email', 1)",
        "select getSetting('SQL_scope')", "select hostName()", "select sleep(3)", "select file('/etc/passwd')", "select in(id, customers) from orders",
        "select globalNotIn(id, customers) from orders", "select id from orders where not in(id, customers)", "select getClientHTTPHeader('x')",
        "select /* url */ s3 /* ( */ ('x')",
    ),
    Reason.TABLE_DENIED: (
        "select id from Customers", "select * from information_schema.tables", "select query from system.query_log",
        "select * from system.row_policies", "select * from system.processes", "select * from system.parts", "describe secrets", "exists secrets", "exists table sales.secrets", "select id from default.orders",
    ),
    Reason.STATEMENT_MALFORMED: (
        "select id from orders into outfile 'x'", 'select "a\\"b" from orders', "select `a``b` from orders", "select id from orders parallel with drop table x",
        "select $tag$x$tag$", "select 0x41",
    ),
}  # fmt: skip

_POSTGRES = {
    Reason.COLUMN_HIDDEN: (
        "select row_to_json(c) from customers c", "select c::text from customers c", "select (c).email from customers c", "select (c.*)::text from customers c",
        "select distinct on (email) id from customers",
    ),
    Reason.FUNCTION_DENIED: (
        "select query_to_xml('select 1', true, false, '')", "select pg_read_file('x')", "select pg_sleep(9)", "select current_setting('x')",
        "select set_config('request.jwt.claims', '{}', true)", "select * from dblink('x', 'y')", "select lo_import('/etc/passwd')", "select * from ts_stat('select 1')",
    ),
    Reason.TABLE_DENIED: ('select id from "ORDERS"', "select * from pg_catalog.pg_class", "select * from pg_class"),
    Reason.STATEMENT_DENIED: ("prepare p as select 1", "execute p", "copy orders to '/x'", "select 1 into x"),
}  # fmt: skip

DENIED: Mapping[str, tuple[tuple[str, frozenset[Reason]], ...]] = {
    dialect: (*ANYWHERE_DENIED, *((text, frozenset({reason})) for reason, texts in own.items() for text in texts))
    for dialect, own in {
        "ansi": {},
        "duckdb": {
            Reason.COLUMN_HIDDEN: ("select COLUMNS('e.*') from customers", "select * exclude (id) from customers"),
            Reason.FUNCTION_DENIED: ("select * from read_csv('/etc/passwd')", "select * from query('select 1')"),
            Reason.TABLE_DENIED: ("select * from 'x.csv'",),
        },
        "trino": _TRINO,
        "clickhouse": _CLICKHOUSE,
        "postgres": _POSTGRES,
    }.items()
}  # fmt: skip
