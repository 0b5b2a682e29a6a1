"""Questions at random in the SQL that Trino, ClickHouse, PostgreSQL and DuckDB have in common.

Every relation begins with a number that is not NULL, and every column has a name of its own: in ClickHouse a name that
is given in SELECT also means itself in WHERE.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from tests.warehouses.matrix_data import POOLS, TABLES, Speech

_T = TypeVar("_T")

Said = Callable[[Speech], str]
"""Text that is not the same in every engine."""

_POOL_OF: Final = {"string": "region", "integer": "customer", "decimal": "amount", "date": "day", "timestamp": "at", "boolean": "active"}  # fmt: skip

_SHOWN: Final = ("string", "integer", "decimal", "date", "boolean")
"""Types that can be in an answer; moments are shown in the zone of a session or a column, so they are only compared."""

_OFTEN: Final = {"facts": 6, "places": 3, "parties": 3, "codes": 1}
"""What is asked for: seldom what everybody sees."""

_ORDERED: Final = ("string", "integer", "decimal", "date")


@dataclass(frozen=True, slots=True)
class Question:
    said: Said
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    said: Said
    columns: tuple[tuple[str, str], ...]
    """Names and types; the first is a number that is not NULL."""

    def of_type(self, *types: str) -> list[str]:
        return [name for name, kind in self.columns[1:] if kind in types]


def question(seed: int) -> Question:
    """Equal seeds, equal questions."""
    return _Asking(random.Random(seed)).question()


class _Asking:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._names = 0

    def question(self) -> Question:
        shape = self._chance.choice(
            (self._rows, self._rows, self._grouped, self._grouped, self._totals, self._ranked, self._windowed, self._defined, self._sets)
        )  # fmt: skip
        return shape()

    # Relations

    def _relation(self, depth: int = 2) -> Relation:
        chance = self._chance.random()
        if depth == 0 or chance < 0.35:
            return self._table()
        if chance < 0.65:
            return self._joined(depth)
        if chance < 0.82:
            return self._united()
        return self._filtered(self._relation(depth - 1))

    def _table(self, wanted: Sequence[str] = ()) -> Relation:
        """Some columns of a table, of the types that are wanted, under names of their own."""
        known = [each for each, held in TABLES.items() if set(wanted) <= set(list(held.columns.values())[1:])]
        (name,) = self._chance.choices(known, [_OFTEN[each] for each in known])
        columns = list(TABLES[name].columns.items())[1:]
        if wanted:
            taken = [next(column for column in columns if column[1] == kind) for kind in wanted]
        else:
            taken = self._chance.sample(columns, min(len(columns), self._chance.randint(2, 5)))
        named = [("id", "integer", self._name())] + [(column, kind, self._name()) for column, kind in taken]
        shown = ", ".join(f"{column} AS {alias}" for column, _, alias in named)
        where = self._where(columns)
        return Relation(
            lambda speech: f"SELECT {shown} FROM {speech.named(name)}{where(speech)}",
            tuple((alias, kind) for _, kind, alias in named),
        )

    def _joined(self, depth: int) -> Relation:
        left, right = self._relation(depth - 1), self._relation(depth - 1)
        a, b = self._name(), self._name()
        outer = self._chance.choice(("JOIN", "JOIN", "LEFT JOIN"))
        on = f"{a}.{left.columns[0][0]} = {b}.{right.columns[0][0]}"
        shared = [
            (one, other) for kind in _ORDERED for one in left.of_type(kind) for other in right.of_type(kind)
        ]
        if shared and self._chance.random() < 0.6:
            one, other = self._chance.choice(shared)
            on = f"{a}.{one} = {b}.{other}"
        # Of the right side, what a LEFT JOIN makes NULL is among the others.
        others = [(a, *column) for column in left.columns[1:]] + [(b, *column) for column in right.columns]
        taken = [(a, *left.columns[0]), *self._some(others, 5)]
        columns = tuple((self._name(), kind) for _, _, kind in taken)
        shown = ", ".join(
            f"{side}.{name} AS {alias}" for (side, name, _), (alias, _) in zip(taken, columns, strict=True)
        )
        return Relation(
            lambda speech: (
                f"SELECT {shown} FROM ({left.said(speech)}) AS {a} {outer} ({right.said(speech)}) AS {b} ON {on}"
            ),
            columns,
        )

    def _united(self) -> Relation:
        wanted = self._chance.choice((("string",), ("string", "decimal"), ("string", "boolean")))
        parts = [self._table(wanted) for _ in range(self._chance.choice((2, 2, 3)))]
        word = self._chance.choice(("ALL", "DISTINCT"))
        return Relation(
            lambda speech: f" UNION {word} ".join(part.said(speech) for part in parts), parts[0].columns
        )

    def _filtered(self, inner: Relation) -> Relation:
        alias = self._name()
        where = self._where(inner.columns)
        return Relation(
            lambda speech: f"SELECT * FROM ({inner.said(speech)}) AS {alias}{where(speech)}", inner.columns
        )

    # Questions

    def _rows(self) -> Question:
        inner = self._relation()
        shown = self._shown(inner)
        distinct = self._chance.choice(("", "", "DISTINCT "))
        alias = self._name()
        return Question(
            lambda speech: f"SELECT {distinct}{_names(shown)} FROM ({inner.said(speech)}) AS {alias}",
            tuple(kind for _, kind in shown),
        )

    def _grouped(self) -> Question:
        inner = self._relation()
        keys = self._some([column for column in inner.columns[1:] if column[1] in _SHOWN], 2)
        if not keys:
            return self._totals()
        totals, types = self._aggregates(inner)
        having = self._chance.choice(("", "", " HAVING count(*) > 1"))
        alias = self._name()
        names = _names(keys)
        return Question(
            lambda speech: (
                f"SELECT {names}, {totals(speech)} FROM ({inner.said(speech)}) AS {alias} GROUP BY {names}{having}"
            ),
            (*(kind for _, kind in keys), *types),
        )

    def _totals(self) -> Question:
        inner = self._relation()
        totals, types = self._aggregates(inner)
        alias = self._name()
        return Question(
            lambda speech: f"SELECT {totals(speech)} FROM ({inner.said(speech)}) AS {alias}", types
        )

    def _ranked(self) -> Question:
        """The first few by a number that no two rows share."""
        inner = self._table()
        shown = self._shown(inner)
        order, limit = self._chance.choice(("", " DESC")), self._chance.randint(1, 12)
        key = inner.columns[0][0]
        alias = self._name()
        return Question(
            lambda speech: (
                f"SELECT {_names(shown)} FROM ({inner.said(speech)}) AS {alias} ORDER BY {key}{order} LIMIT {limit}"
            ),
            tuple(kind for _, kind in shown),
        )

    def _windowed(self) -> Question:
        inner = self._table()
        key = inner.columns[0][0]
        parts = [name for name, kind in inner.columns[1:] if kind in _SHOWN]
        part = f"PARTITION BY {self._chance.choice(parts)}" if parts else ""
        over = self._chance.choice(
            (
                f"rank() OVER ({part} ORDER BY {key})",
                f"count(*) OVER ({part})",
                f"max({key}) OVER ({part})",
                f"sum({key}) OVER ({part} ORDER BY {key} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
                f"min({key}) OVER ({part} ORDER BY {key} ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
            )
        )
        alias = self._name()
        return Question(
            lambda speech: f"SELECT {key}, {over} FROM ({inner.said(speech)}) AS {alias}",
            ("integer", "integer"),
        )

    def _defined(self) -> Question:
        """A definition that is used twice, under the name of a table."""
        inner = self._relation(1)
        name = self._chance.choice(("facts", "codes", "defined"))
        a, b, key = self._name(), self._name(), inner.columns[0][0]
        shown = self._shown(inner)
        listed = ", ".join(f"{a}.{column}" for column, _ in shown)
        return Question(
            lambda speech: (
                f"WITH {name} AS ({inner.said(speech)}) SELECT {listed} FROM {name} AS {a} JOIN"
                f" (SELECT {key} AS {b}k, count(*) AS {b}n FROM {name} GROUP BY {key}) AS {b} ON {a}.{key} = {b}.{b}k WHERE {b}n < 3"
            ),
            tuple(kind for _, kind in shown),
        )

    def _sets(self) -> Question:
        wanted = self._chance.choice((("string",), ("decimal",)))
        one, other = self._table(wanted), self._table(wanted)
        word = self._chance.choice(("EXCEPT DISTINCT", "INTERSECT DISTINCT"))
        a, b = self._name(), self._name()
        return Question(
            lambda speech: (
                f"SELECT {one.columns[1][0]} FROM ({one.said(speech)}) AS {a} {word}"
                f" SELECT {other.columns[1][0]} FROM ({other.said(speech)}) AS {b}"
            ),
            wanted,
        )

    # Parts

    def _aggregates(self, inner: Relation) -> tuple[Said, tuple[str, ...]]:
        parts: list[tuple[Said, str]] = [(lambda _: "count(*)", "integer")]
        for _ in range(self._chance.randint(0, 2)):
            name, kind = self._chance.choice(inner.columns)
            how = self._chance.choice(("count", "distinct", "least", "filter", "sum"))
            if how == "count":
                parts.append((_fixed(f"count({name})"), "integer"))
            elif how == "distinct":
                parts.append((_fixed(f"count(DISTINCT {name})"), "integer"))
            elif how == "sum" and kind == "decimal":
                parts.append((_fixed(f"sum({name})"), "decimal"))
            elif how == "filter":
                condition = self._condition(inner.columns, 0)
                parts.append((_counting(condition), "integer"))
            elif kind in _ORDERED:
                parts.append((_fixed(f"{self._chance.choice(('min', 'max'))}({name})"), kind))
        return lambda speech: ", ".join(said(speech) for said, _ in parts), tuple(kind for _, kind in parts)

    def _where(self, columns: Sequence[tuple[str, str]]) -> Said:
        if self._chance.random() < 0.55:
            return lambda _: ""
        condition = self._condition(columns, 2)
        return lambda speech: f" WHERE {condition(speech)}"

    def _condition(self, columns: Sequence[tuple[str, str]], depth: int) -> Said:
        chance = self._chance.random()
        if depth > 0 and chance < 0.3:
            one, other = self._condition(columns, depth - 1), self._condition(columns, depth - 1)
            word = self._chance.choice(("AND", "OR", "OR"))
            return lambda speech: f"({one(speech)} {word} {other(speech)})"
        if depth > 0 and chance < 0.38:
            one = self._condition(columns, depth - 1)
            return lambda speech: f"NOT ({one(speech)})"
        name, kind = self._chance.choice(list(columns))
        if depth > 0 and chance < 0.5 and kind in _ORDERED:
            return self._of_another(name, kind)
        pool = (*POOLS[_POOL_OF[kind]], *((20, 60) if kind == "integer" else ()))
        value = self._chance.choice(pool)
        if chance < 0.6:
            word = self._chance.choice(("IS NULL", "IS NOT NULL"))
            return lambda _: f"{name} {word}"
        if chance < 0.75:
            some = self._chance.sample(pool, min(len(pool), 3))
            return lambda speech: f"{name} IN ({', '.join(map(speech.literal, some))})"
        sign = self._chance.choice(("=", "<>") if kind == "boolean" else ("=", "<>", "<", "<=", ">", ">="))
        return lambda speech: f"{name} {sign} {speech.literal(value)}"

    def _of_another(self, name: str, kind: str) -> Said:
        """A condition that reads another table, which has a scope of its own."""
        wanted = kind if kind in {"string", "decimal"} else "integer"
        if wanted == "integer" and kind != "integer":
            inner = self._table()
            return lambda speech: f"EXISTS ({inner.said(speech)})"
        if wanted == "integer":
            inner = self._table()
            column = inner.columns[0][0]
        else:
            inner = self._table((wanted,))
            column = inner.columns[1][0]
        alias = self._name()
        if self._chance.random() < 0.6:
            return lambda speech: (
                f"{name} IN (SELECT {column} FROM ({inner.said(speech)}) AS {alias} WHERE {column} IS NOT NULL)"
            )
        word = self._chance.choice(("min", "max"))
        return lambda speech: f"{name} >= (SELECT {word}({column}) FROM ({inner.said(speech)}) AS {alias})"

    def _shown(self, inner: Relation) -> list[tuple[str, str]]:
        return self._some([column for column in inner.columns if column[1] in _SHOWN], 4) or [
            inner.columns[0]
        ]

    def _some(self, values: list[_T], most: int) -> list[_T]:
        return self._chance.sample(values, self._chance.randint(min(1, len(values)), min(len(values), most)))

    def _name(self) -> str:
        self._names += 1
        return f"q{self._names}"


def _names(columns: Sequence[tuple[str, str]]) -> str:
    return ", ".join(name for name, _ in columns)


def _fixed(text: str) -> Said:
    return lambda _: text


def _counting(condition: Said) -> Said:
    return lambda speech: f"count(*) FILTER (WHERE {condition(speech)})"
