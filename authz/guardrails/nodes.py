"""What a tree may consist of: whatever is not listed here is refused, so a syntax that SQLGlot learns is, too."""

from collections.abc import Iterator
from typing import Final

from sqlglot import exp

from authz.errors import Denied, Reason
from authz.guardrails.dialects import GuardDialect

# Any function of SQLGlot's is allowed here; their names are looked at as text (`authz.guardrails.functions`).
_NODES: Final[frozenset[type[exp.Expr]]] = frozenset(
    {
        exp.Select, exp.Subquery, exp.Union, exp.Except, exp.Intersect, exp.With, exp.CTE, exp.Values, exp.From,
        exp.Join, exp.Table, exp.TableAlias, exp.Lateral, exp.Unnest, exp.TableSample, exp.Final,
        exp.Where, exp.PreWhere, exp.Having, exp.Qualify, exp.Group, exp.Cube, exp.Rollup, exp.GroupingSets,
        exp.Order, exp.Ordered, exp.WithFill, exp.Limit, exp.LimitOptions, exp.Fetch, exp.Offset, exp.Distinct,
        exp.Window, exp.WindowSpec, exp.WithinGroup, exp.Filter, exp.IgnoreNulls, exp.RespectNulls, exp.HavingMax,
        exp.Column, exp.Identifier, exp.Star, exp.Dot, exp.Alias, exp.Aliases, exp.Paren, exp.Tuple, exp.Bracket,
        exp.Slice, exp.Lambda, exp.Kwarg, exp.PropertyEQ, exp.Placeholder, exp.Parameter, exp.Var,
        exp.Literal, exp.Boolean, exp.Null, exp.RawString, exp.National, exp.Interval, exp.IntervalSpan,
        exp.DataType, exp.DataTypeParam, exp.ColumnDef, exp.AtTimeZone,
        exp.All, exp.Any, exp.Between, exp.In, exp.Not, exp.Neg, exp.BitwiseNot,
        exp.JSONKeyValue, exp.FormatJson, exp.OverflowTruncateBehavior,
    }
)  # fmt: skip

# Functions to SQLGlot that are no such thing: tables from elsewhere, and schemas of them.
_NO_FUNCTIONS: Final[frozenset[type[exp.Expr]]] = frozenset(
    {exp.ReadCSV, exp.ReadParquet, exp.OpenJSON, exp.XMLTable, exp.JSONTable, exp.Predict}
)

_QUERY: Final = frozenset({"with_", "limit", "offset", "order"})
_ARGUMENTS: Final[dict[type[exp.Expr], frozenset[str]]] = {
    exp.Select: _QUERY
    | {
        "expressions", "distinct", "from_", "joins", "laterals", "where", "prewhere", "group", "having", "qualify",
        "windows", "format",
    },
    exp.Subquery: _QUERY | {"this", "alias", "joins", "laterals", "format"},
    exp.Union: _QUERY | {"this", "expression", "distinct", "format"},
    exp.Except: _QUERY | {"this", "expression", "distinct", "format"},
    exp.Intersect: _QUERY | {"this", "expression", "distinct", "format"},
    exp.Values: frozenset({"expressions", "alias", "order", "limit", "offset"}),
    exp.Table: frozenset({"this", "db", "catalog", "alias", "joins", "laterals", "sample"}),
    exp.Join: frozenset({"this", "on", "using", "side", "kind", "method", "global_", "expressions"}),
    exp.With: frozenset({"expressions", "recursive"}),
    exp.CTE: frozenset({"this", "alias", "materialized", "scalar"}),
    exp.Lateral: frozenset({"this", "alias", "ordinality", "view", "outer"}),
    exp.Unnest: frozenset({"expressions", "alias", "offset"}),
    exp.Column: frozenset({"this", "table", "db", "catalog"}),
    exp.Star: frozenset({"except_", "replace"}),
}  # fmt: skip
"""For these, what else they may carry is refused: SETTINGS, INTO, locks, hints, pivots, versions, partitions."""

_PLACES: Final[dict[str, tuple[type[exp.Expr], ...]]] = {
    "from_": (exp.From,),
    "with_": (exp.With,),
    "joins": (exp.Join,),
    "laterals": (exp.Lateral,),
}

_MAX_DEFINITIONS: Final = 100
"""Names are looked for in each of them."""

_SOURCES: Final = (exp.Table, exp.Subquery, exp.Unnest, exp.Lateral, exp.Values, exp.Final)

_FORMATS_REFUSED: Final = ("template", "custom", "capnproto", "protobuf")
"""Output formats that read a file of the server's."""


def check_nodes(tree: exp.Query, dialect: GuardDialect) -> tuple[exp.Expr, ...]:
    """Every node of `tree`. Raises `Denied(statement_denied)` if one is of a kind that is not known to be harmless."""
    nodes = tuple(tree.walk())
    for node in nodes:
        kind = type(node)
        if not (kind in _NODES or _is_harmless(node)):
            raise _denied(f"`{kind.__name__}`")
        for argument in _beyond(node, kind):
            raise _denied(f"`{argument}` of `{kind.__name__}`")
        if isinstance(node, exp.With) and len(node.expressions) > _MAX_DEFINITIONS:
            raise Denied(Reason.STATEMENT_TOO_LARGE, f"a WITH of more than {_MAX_DEFINITIONS} definitions")
        _check_source(node)
        _check_lateral(node)
        _check_parameter(node)
        _check_format(node)
        if dialect.tables_as_sets and isinstance(node, exp.In):
            _check_set(node)
    return nodes


def _is_harmless(node: exp.Expr) -> bool:
    return isinstance(node, exp.Func | exp.Binary | exp.Connector) and not isinstance(
        node, tuple(_NO_FUNCTIONS)
    )


def _beyond(node: exp.Expr, kind: type[exp.Expr]) -> Iterator[str]:
    known = _ARGUMENTS.get(kind)
    if known is not None:
        yield from (
            name for name, value in node.args.items() if name not in known and value not in (None, [], False)
        )


def _check_source(node: exp.Expr) -> None:
    """What stands where a table stands is one, or a query, or what `_SOURCES` lists."""
    if isinstance(node, exp.From | exp.Join | exp.Final):
        source = node.this
        is_array_join = isinstance(node, exp.Join) and node.args.get("kind") == "ARRAY"
        if not isinstance(source, _SOURCES) and not is_array_join:
            raise _denied(f"`{type(source).__name__}` in place of a table")
        for more in node.args.get("expressions") or ():
            if not is_array_join and not isinstance(more, _SOURCES):
                raise _denied("a list in place of a table")


def _check_lateral(node: exp.Expr) -> None:
    """LATERAL stands before a query; before a name it is itself the name of a table to Trino."""
    if isinstance(node, exp.Lateral) and not isinstance(node.this, exp.Subquery):
        raise _denied("LATERAL before something else than a query")


def _check_parameter(node: exp.Expr) -> None:
    """`{t:Identifier}` of ClickHouse is a name that stands in the URL, and could be any table's or column's."""
    if isinstance(node, exp.Placeholder):
        kind = node.args.get("kind")
        if kind is not None and not isinstance(kind, exp.DataType):
            raise _denied("a parameter that stands for a name")


def _check_format(node: exp.Expr) -> None:
    format_ = node.args.get("format") if isinstance(node, exp.Query) else None
    if format_ is not None and (
        not isinstance(format_, exp.Identifier) or format_.name.lower().startswith(_FORMATS_REFUSED)
    ):
        raise _denied("the output format")


def _check_set(node: exp.In) -> None:
    """`x IN orders` and `x IN (orders)` read the table `orders`, past every list of tables."""
    field = node.args.get("field")
    if field is not None and not isinstance(field, exp.Literal | exp.Array | exp.Tuple | exp.Placeholder):
        raise _denied("a name after IN, which would be a table")
    if any(isinstance(one.unnest(), exp.Column | exp.Dot | exp.Identifier) for one in node.expressions):
        raise _denied("a name after IN, which would be a table")


def _denied(what: str) -> Denied:
    return Denied(Reason.STATEMENT_DENIED, f"the statement has {what}, which is not known to be harmless")
