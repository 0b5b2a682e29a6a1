"""Statements at random in Trino's SQL, about two tables: the ways in which a column can be named, most of them wrong.

`customers` has a column `email` that is to be hidden; `orders` has one of the same name that is not.
"""

import random

_NAMES = (
    "id", "id", "id", "name", "region", "email", "c.id", "o.id", "x.id", "c.email", "o.email", "customers.email", "orders.email",
    "x.email", "amount", "1", "'x'", "count(*)", "null", '"email"', "EMAIL", "c", "customers", "tags", "customers.id", "x",
)  # fmt: skip
_WRAPPED = (
    "({0})", "lower(cast({0} as varchar))", "max({0})", "if({0} is null, 1, 2)", "row_number() over (order by {0})", "row({0}, {1})",
    "array[{0}]", "coalesce({0}, {1})", "{0} = {1}", "transform(array[1], x -> {0})", "transform(array[1], email -> email)",
    "array_agg({0})", "({2})", "{0} in ({2})", "exists({2})", "{0}.email", "try({0})", "cast(row({0}) as row(email varchar)).email",
    "{0} = any({2})", "case {0} when 1 then 2 end", "max_by({0}, {1})", "count({0}) filter (where {1} is null)", "format('%s', {0})",
    "{0} between {1} and {1}", "lag({0}) over (partition by {1} order by 1)", "count(distinct {0})",
    "listagg(name, ',') within group (order by {0})",
)  # fmt: skip
_STARS = ("*", "c.*", "o.*", "x.*", "customers.*", "(c).*", "(row(1, 2)).* as (email, b)", "orders.*")
_PLAIN = (
    "customers",
    "customers c",
    "customers as c",
    "orders o",
    "orders",
    '"CUSTOMERS" as "C"',
    "Customers",
)
_SOURCES = (
    "customers c(email, b, d, e, f)", "customers natural join orders", "customers c join orders o using (email)",
    "customers c join orders o using (id)", "customers c join orders o on c.id = o.id", "orders o join customers c on c.email = o.email",
    "customers c, orders o", "(select * from customers) x", "(customers c join orders o using (id))",
    "customers cross join unnest(tags) as t(x)", "customers c cross join lateral (select c.email as x) l",
    "orders, lateral (select email from customers) x", "(table customers) x", "table(sequence(1, 3)) x", "(values (1, 'q')) x(id, email)",
    "customers tablesample bernoulli (100)", "lateral orders", "x", "orders x", "orders as customers", "customers as orders", "(customers)",
    "orders full join customers using (id)", "(select id, name from customers) as x(id, email)", "unnest(array['a']) as x(email)",
    "customers match_recognize (measures a.email as x pattern (a) define a as true)",
)  # fmt: skip
_TAILS = (
    "", "", "", "", " where id > 1", " where email like 'a%'", " group by email", " group by 1", " group by rollup(email)",
    " having max(email) > 'b'", " order by 1", " order by email", " order by x.email", " limit 2", " fetch first 1 row with ties",
    " window w as (order by email)", " where id in (select id from customers where email > 'b')", " order by id offset 1",
    " where exists (select 1 from customers k where k.email = email)", " where (select email) > 'b'",
)  # fmt: skip
_DEFINED = (
    "x", "customers", "orders", "recursive x", "recursive customers", "x(id, email)", "recursive x(id, email)", "recursive customers(id)",
    "customers(id, email)", "Customers",
)  # fmt: skip
_SETS = ("union all", "union", "except", "intersect")
_DEEPEST = 3


class Statements:
    """An endless source; equal seeds, equal statements."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self, depth: int = 0) -> str:
        if depth > _DEEPEST:
            return "select 1"
        chance, pick = self._random.random(), self._random.choice
        if chance < 0.64:
            chosen = ", ".join(self._projection(depth) for _ in range(pick((1, 1, 2))))
            return (
                f"select {pick(('', '', '', 'distinct '))}{chosen} from {self._source(depth)}{pick(_TAILS)}"
            )
        left, right = self.one(depth + 1), self.one(depth + 1)
        if chance < 0.72:
            return f"({left}) {pick(_SETS)} ({right})"
        if chance < 0.8:
            return f"{left} {pick(_SETS)} {right}"
        if chance < 0.93:
            return f"with {pick(_DEFINED)} as ({left}) {right}"
        step = f"select id + 1 from {pick(('x', 'customers'))} where id < 5"
        return pick(
            (
                f"select ({left}) as email from orders",
                f"select id from orders where id in ({left})",
                f"with recursive x(id) as ({left} union all {step}) select * from {pick(('x', 'customers'))}",
                f"with a as ({left}), customers as (select * from {pick(('a', 'customers', 'orders'))}) select * from customers",
            )
        )

    def _column(self, depth: int) -> str:
        pick = self._random.choice
        if depth > _DEEPEST - 1 or self._random.random() < 0.6:
            return pick(_NAMES)
        parts = (self._column(depth + 1), self._column(depth + 1), self.one(depth + 2))
        return pick(_WRAPPED).format(*parts)

    def _projection(self, depth: int) -> str:
        pick, chance = self._random.choice, self._random.random()
        if chance < 0.25:
            return pick(_STARS)
        named = ("", "", " as email", " as id", " e", " x")
        return self._column(depth) + pick(named)

    def _source(self, depth: int) -> str:
        pick, chance = self._random.choice, self._random.random()
        if chance < 0.4:
            return pick(_PLAIN)
        if chance < 0.75:
            return pick(_SOURCES)
        return f"({self.one(depth + 1)}) {pick(('x', 'c', 'as x(id, email)'))}"
