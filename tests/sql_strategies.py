"""Generated statements over two tables, for the properties of guardrails: the ways in which a column can be named.

`customers` has a column that is to be hidden, `email`; `orders` has one of the same name that is not.
"""

from hypothesis import strategies as st

_NAMES = ("id", "id", "id", "name", "email", "region", "c", "o", "x", "amount", "customers", "orders")
_SOURCES = (
    "customers",
    "customers c",
    "customers AS c",
    "orders o",
    "orders",
    '"customers" AS "C"',
    "Customers",
)

names = st.sampled_from(
    (*_NAMES, '"email"', "EMAIL", "c.email", "o.email", "customers.email", "c.id", "o.id", "x.email")
)

columns = st.recursive(
    names | st.sampled_from(("1", "'x'", "count(*)", "NULL")),
    lambda inner: st.one_of(
        inner.map(lambda e: f"({e})"),
        inner.map(lambda e: f"lower(CAST({e} AS VARCHAR))"),
        inner.map(lambda e: f"max({e})"),
        inner.map(lambda e: f"CASE WHEN {e} IS NULL THEN 1 ELSE 2 END"),
        inner.map(lambda e: f"row_number() OVER (ORDER BY {e})"),
        inner.map(lambda e: f"struct_pack(a := {e})"),
        inner.map(lambda e: f"[{e}]"),
        st.tuples(inner, inner).map(lambda p: f"coalesce({p[0]}, {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"{p[0]} = {p[1]}"),
    ),
    max_leaves=3,
)

_projections = st.one_of(
    columns,
    columns,
    st.tuples(columns, st.sampled_from(("email", "e", "id", "x"))).map(lambda p: f"{p[0]} AS {p[1]}"),
    st.sampled_from(
        (
            "*", "c.*", "o.*", "x.*", "customers.*", "COLUMNS('.*')", "COLUMNS('e.*')", "c.COLUMNS('e.*')", "* EXCLUDE (email)",
            "* EXCLUDE (id)", "* REPLACE (1 AS email)", "* REPLACE (email AS id)", "c", "unnest(c)", "customers", "count(c)",
            "row(c)", "to_json(c)", "c['email']", "struct_extract(c, 'email')", "min(COLUMNS(*))", "count(email)",
            "list_transform([1], email -> email)", "list_transform([1], x -> email)", "[x for x in [email]]", "#2", "count(DISTINCT email)",
        )
    ),
)  # fmt: skip

_tails = st.sampled_from(
    (
        "", "", "", " WHERE id > 1", " WHERE email LIKE 'a%'", " ORDER BY 1", " ORDER BY email", " ORDER BY ALL", " GROUP BY ALL",
        " GROUP BY email", " LIMIT 2", " WHERE EXISTS (SELECT 1 FROM customers k WHERE k.email = 'a@x')", " HAVING max(email) > 'b'",
        " WHERE id IN (SELECT id FROM customers WHERE email > 'b')", " QUALIFY row_number() OVER (ORDER BY email) = 1",
        " WHERE (SELECT email) > 'b'", " LIMIT (SELECT count(*) FROM customers WHERE email > 'b')", " ORDER BY 3", " WHERE x.email > 'b'",
    )
)  # fmt: skip


@st.composite
def _selects(draw: st.DrawFn, queries: st.SearchStrategy[str]) -> str:
    sources = st.one_of(
        st.sampled_from(_SOURCES),
        st.sampled_from(
            (
                "customers c(email, b, d, e)", "customers NATURAL JOIN orders", "customers c JOIN orders o USING (email)",
                "customers c JOIN orders o ON c.id = o.id", "orders o JOIN customers c ON c.email = o.email", "customers c, orders o",
                "(customers c JOIN orders o USING (id))", "orders o, LATERAL (SELECT email FROM customers) x", "orders POSITIONAL JOIN customers",
                "customers c LEFT JOIN orders o ON true", "x", "orders x", "(VALUES (1, 'q')) x(id, email)", "main.customers", "memory.main.customers",
                "(FROM customers) x", "(TABLE customers) x", "customers TABLESAMPLE 100%", "(PIVOT customers ON region USING max(email)) x",
                "(UNPIVOT customers ON email INTO NAME n VALUE x) x", "query_table('customers') x", "'customers' x", "range(3) x(id)",
                "(SUMMARIZE customers) x", "(DESCRIBE customers) x", "query('SELECT * FROM customers') x", "orders SEMI JOIN customers USING (email)",
            )
        ),
        queries.map(lambda q: f"({q}) x"),
        queries.map(lambda q: f"({q}) c"),
        queries.map(lambda q: f"({q}) AS x(id, email)"),
    )  # fmt: skip
    chosen = ", ".join(draw(st.lists(_projections, min_size=1, max_size=2)))
    distinct = draw(st.sampled_from(("", "", "DISTINCT ", "DISTINCT ON (email) ")))
    return f"SELECT {distinct}{chosen} FROM {draw(sources)}{draw(_tails)}"


def _extended(queries: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        _selects(queries),
        st.tuples(
            queries, st.sampled_from(("UNION ALL", "UNION", "EXCEPT", "INTERSECT", "UNION BY NAME")), queries
        ).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
        st.tuples(
            st.sampled_from(("x", "c", "customers", "orders", "x(id, email)", "customers(email)")),
            queries,
            queries,
        ).map(lambda p: f"WITH {p[0]} AS ({p[1]}) {p[2]}"),
        st.tuples(queries, queries).map(
            lambda p: f"WITH RECURSIVE customers AS ({p[0]}), x AS ({p[1]}) SELECT * FROM x"
        ),
        queries.map(lambda q: f"SELECT ({q}) AS email FROM orders"),
        queries.map(lambda q: f"SELECT id FROM orders WHERE id IN ({q})"),
        queries.map(lambda q: f"SELECT ARRAY({q})"),
        st.sampled_from(
            (
                "TABLE customers",
                "FROM customers",
                "SUMMARIZE customers",
                "SELECT 1 /* FROM customers */",
                "(SELECT 1)",
            )
        ),
    )


queries: st.SearchStrategy[str] = st.recursive(_selects(st.just("SELECT 1 AS id")), _extended, max_leaves=4)
"""Most of them mean something to DuckDB."""
