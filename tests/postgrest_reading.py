"""How PostgREST reads a query: its parser and what it makes of conditions, written again from its source.

After `PostgREST.ApiRequest.QueryParams` and `PostgREST.Query.SqlFragment` of version 16, function by function, with
what is surprising about them: nothing has to end where the parser does, and a name may be quoted. It is written for
tests, to read what Scopegate writes with other eyes than Scopegate's.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_to_bytes

_RESERVED = {"select", "columns", "on_conflict"}
_SIMPLE = ("neq", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj")
_QUANTIFIED = ("eq", "gte", "gt", "lte", "lt", "like", "ilike", "match", "imatch")
_SEARCHES = ("fts", "plfts", "phfts", "wfts")


class ReadingError(Exception):
    """PostgREST answers 400."""


@dataclass(frozen=True)
class Condition:
    """`column [->path] [not] operator value`; the value of `in` is a list."""

    column: str
    path: tuple[str, ...]
    negated: bool
    operator: str
    value: Any


@dataclass(frozen=True)
class Group:
    negated: bool
    operator: str
    parts: tuple["Tree", ...]


Tree = Condition | Group


@dataclass
class Reading:
    """A query as PostgREST plans it. A path names an embedded resource; the root has none."""

    conditions: list[tuple[tuple[str, ...], Tree]] = field(default_factory=list)
    embedded: list[str] = field(default_factory=list)
    """Resources that `select` embeds, and those that `order` looks into."""
    selected: list[str] = field(default_factory=list)


class _Text:
    """A parser's place in a text; parsers raise `ReadingError`, `tried` goes back where Parsec's `try` does."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def peek(self, word: str) -> bool:
        return self.text.startswith(word, self.at)

    def passed(self, word: str) -> bool:
        found = self.peek(word)
        self.at += len(word) if found else 0
        return found

    def expect(self, word: str) -> None:
        if not self.passed(word):
            raise ReadingError(f"expected {word!r} at {self.at}")

    def many(self, good: Callable[[str], bool]) -> str:
        begin = self.at
        while self.at < len(self.text) and good(self.text[self.at]):
            self.at += 1
        return self.text[begin : self.at]

    def spaces(self) -> None:
        self.many(lambda c: c in " \t")

    def lexeme(self, word: str) -> None:
        self.spaces()
        self.expect(word)
        self.spaces()

    def tried(self, parser: Callable[["_Text"], Any]) -> Any:
        begin = self.at
        try:
            return parser(self)
        except ReadingError:
            self.at = begin
            return None


def _quoted(text: _Text) -> str:
    text.expect('"')
    found = ""
    while text.at < len(text.text) and not text.peek('"'):
        text.passed("\\")
        if text.at < len(text.text):
            found += text.text[text.at]
            text.at += 1
    text.expect('"')
    return found


def _identifier(text: _Text) -> str:
    # Parsec's `letter` and `digit`: letters of every script, digits of ASCII only.
    found = text.many(lambda c: c.isalpha() or c in "0123456789_ $")
    if not found:
        raise ReadingError(f"expected a name at {text.at}")
    return found.strip()


def _name(text: _Text) -> str:
    if text.peek('"'):
        return _quoted(text)
    parts = [_identifier(text)]
    while text.peek("-") and not text.peek("->"):
        text.expect("-")
        parts.append(_identifier(text))
    return "-".join(parts)


def _json_path(text: _Text) -> tuple[str, ...]:
    steps: list[str] = []
    while text.peek("->"):
        arrow = "->>" if text.passed("->>") else "->"
        if arrow == "->":
            text.expect("->")
        key = _quoted(text) if text.peek('"') else text.many(lambda c: c not in "(-:.,>)").strip()
        if not key:
            raise ReadingError(f"expected a key at {text.at}")
        steps.append(arrow + key)
    return tuple(steps)


def _field(text: _Text) -> tuple[str, tuple[str, ...]]:
    text.spaces()
    found = (_name(text), _json_path(text))
    text.spaces()
    return found


def _closed(text: _Text) -> str:
    found = _quoted(text)
    if text.at < len(text.text) and text.text[text.at] not in ",)":
        raise ReadingError("not followed by `,` or `)`")
    return found


def _element(text: _Text) -> str:
    found = text.tried(_closed)
    return found if found is not None else text.many(lambda c: c not in ",)")


def _array(text: _Text) -> str:
    text.expect("{")
    found = text.many(lambda c: c not in "{}")
    text.expect("}")
    return "{" + found + "}"


def _logic_value(text: _Text) -> str:
    for parser in (_closed, _array):
        if (found := text.tried(parser)) is not None:
            return str(found)
    return text.many(lambda c: c not in ",)")


def _listed(text: _Text) -> list[str]:
    text.lexeme("(")
    found = [_element(text)]
    while text.passed(","):
        found.append(_element(text))
    text.lexeme(")")
    return found


def _operation(text: _Text, value: Callable[[_Text], str]) -> tuple[bool, str, Any]:
    negated = text.passed("not.")
    if text.passed("in."):
        return negated, "in", _listed(text)
    if text.passed("is."):
        for word in ("null", "not_null", "true", "false", "unknown"):
            if text.text[text.at : text.at + len(word)].lower() == word:
                text.at += len(word)
                return negated, "is", word
        raise ReadingError("expected a value of `is`")
    if text.passed("isdistinct."):
        return negated, "isdistinct", value(text)
    for word in (*_SEARCHES, *_SIMPLE, *_QUANTIFIED):
        begin = text.at
        if text.passed(word):
            modifier = text.tried(_modifier) or ""
            if text.passed("."):
                return negated, word + modifier, value(text)
        text.at = begin
    raise ReadingError(f"expected an operator at {text.at}")


def _modifier(text: _Text) -> str:
    text.expect("(")
    found = _identifier(text)
    text.expect(")")
    return f"({found})"


def _condition(text: _Text) -> Condition:
    column, path = _field(text)
    text.expect(".")
    return Condition(column, path, *_operation(text, _logic_value))


def _tree(text: _Text) -> Tree:
    if (found := text.tried(_condition)) is not None:
        return found  # type: ignore[no-any-return]
    negated = text.passed("not.")
    operator = next((word for word in ("and", "or") if text.passed(word)), None)
    if operator is None:
        raise ReadingError("expected `and` or `or`")
    text.lexeme("(")
    parts = [_tree(text)]
    while True:
        text.spaces()
        if not text.passed(","):
            break
        text.spaces()
        parts.append(_tree(text))
    text.lexeme(")")
    return Group(negated, operator, tuple(parts))


def _select(text: _Text, reading: Reading) -> None:
    while text.at < len(text.text):
        text.spaces()
        spread = text.passed("...")
        if not text.tried(lambda t: _relation(t, reading)):
            if spread:
                raise ReadingError("expected a resource")
            reading.selected.append(text.many(lambda c: c != ",") or "*")
        text.spaces()
        if not text.passed(","):
            return


def _relation(text: _Text, reading: Reading) -> bool:
    name = _name(text)
    if text.passed(":"):
        name = _name(text)
    if name == "count":
        raise ReadingError("an aggregate")
    while text.passed("!"):
        _name(text)
    text.expect("(")
    reading.embedded.append(name)
    depth = 1
    while depth and text.at < len(text.text):
        depth += {"(": 1, ")": -1}.get(text.text[text.at], 0)
        text.at += 1
    return True


def read(query: str) -> Reading:
    """A raw query, as PostgREST takes it apart. Raises `ReadingError` where it answers 400."""
    reading = Reading()
    select: str | None = None
    for name, value in _pairs(query):
        last = name.rpartition(".")[2]
        if name == "select":
            select = value if select is None else select
        elif last in {"and", "or"}:
            *path, operator = _path(_Text(name))
            before = "not." if "not" in path else ""
            tree = _tree(_Text(before + operator + value))
            reading.conditions.append((tuple(step for step in path if step != "not"), tree))
        elif last == "order":
            reading.embedded += [part for part in value.split(",") if "(" in part]
        elif name not in _RESERVED and last not in {"limit", "offset"}:
            text = _Text(name)
            *path, column = _path(text)
            condition = Condition(column, _json_path(text), *_operation(_Text(value), _rest))
            reading.conditions.append((tuple(path), condition))
    _select(_Text(select or "*"), reading)
    return reading


def _path(text: _Text) -> list[str]:
    found = [_name(text)]
    while text.passed("."):
        found.append(_name(text))
    return found


def _rest(text: _Text) -> str:
    return text.many(lambda _: True)


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    # http-types takes both for separators.
    for part in query.replace(";", "&").split("&"):
        name, equals, value = part.replace("+", " ").partition("=")
        if equals:
            yield tuple(unquote_to_bytes(each).decode() for each in (name, value))  # type: ignore[misc]


def selects(reading: Reading, row: Mapping[str, Any]) -> bool:
    """Whether the root's conditions hold for a row, by typed values; None is NULL, and never holds."""
    return all(_holds(tree, row) is True for path, tree in reading.conditions if not path)


def _holds(tree: Tree, row: Mapping[str, Any]) -> bool | None:
    """SQL's three values: None is unknown."""
    if isinstance(tree, Group):
        found = [_holds(part, row) for part in tree.parts]
        decided = tree.operator == "or"
        result = decided if decided in found else None if None in found else not decided
    else:
        result = _compared(tree, row[tree.column])
    return None if result is None else result is not tree.negated


def _compared(condition: Condition, value: Any) -> bool | None:
    if condition.operator == "is":
        told = {"null": None, "true": True, "false": False}[condition.value]
        return value is told
    if value is None:
        return None
    match condition.operator:
        case "in":
            return condition.value != [""] and value in [_typed(text, value) for text in condition.value]
        case "eq":
            return bool(value == _typed(condition.value, value))
        case "neq":
            return bool(value != _typed(condition.value, value))
        case "gt":
            return bool(value > _typed(condition.value, value))
        case "gte":
            return bool(value >= _typed(condition.value, value))
        case "lt":
            return bool(value < _typed(condition.value, value))
        case "lte":
            return bool(value <= _typed(condition.value, value))
        case operator:
            raise NotImplementedError(operator)


def _typed(text: str, like: Any) -> Any:
    """A literal, as PostgreSQL reads it for a column of that type."""
    match like:
        case bool():
            return {"true": True, "false": False}[text]
        case int() | Decimal():
            return Decimal(text)
        case datetime():
            return datetime.fromisoformat(text)
        case date():
            return date.fromisoformat(text)
        case _:
            return text


_SQL = {
    "eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "like": "like", "ilike": "ilike",
    "match": "~", "imatch": "~*", "cs": "@>", "cd": "<@", "ov": "&&", "isdistinct": "IS DISTINCT FROM",
}  # fmt: skip


def where(reading: Reading, table: str) -> tuple[str, list[str]]:
    """The root's conditions in SQL with `%s` for each value, an untyped literal, as PostgREST asks PostgreSQL."""
    values: list[str] = []
    parts = [_sql(tree, table, values) for path, tree in reading.conditions if not path]
    return " AND ".join(parts) or "true", values


def _sql(tree: Tree, table: str, values: list[str]) -> str:
    if isinstance(tree, Group):
        inner = f" {tree.operator.upper()} ".join(_sql(part, table, values) for part in tree.parts)
        return f"{'NOT ' if tree.negated else ''}({inner})"
    column = ".".join('"' + name.replace('"', '""') + '"' for name in (table, tree.column))
    before = f"{'NOT ' if tree.negated else ''}{column}"
    match tree.operator:
        case "in":
            values.append("{}" if tree.value == [""] else _array_literal(tree.value))
            return f"{before} = ANY (%s)"
        case "is":
            return f"{before} IS {tree.value.replace('_', ' ').upper()}"
        case "like" | "ilike":
            values.append(tree.value.replace("*", "%"))
        case _:
            values.append(tree.value)
    return f"{before} {_SQL[tree.operator]} %s"


def _array_literal(values: list[str]) -> str:
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"
