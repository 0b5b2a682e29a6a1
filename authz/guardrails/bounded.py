"""Whether a query gives few rows: it says a LIMIT, or aggregates."""

from typing import Final

from sqlglot import exp

from authz.errors import Denied, Reason

MAX_DIGITS: Final = 9
"""Of a number that is understood."""


def check_rows(query: exp.Expr, max_rows: int | None) -> None:
    """Raise `Denied(limit_required)` unless `query` says a LIMIT of at most `max_rows`, aggregates, or reads no table."""
    if max_rows is not None and not _is_bounded(query, max_rows):
        raise Denied(
            Reason.LIMIT_REQUIRED, f"the statement neither aggregates nor says a LIMIT of at most {max_rows}"
        )


def _is_bounded(query: exp.Expr, most: int) -> bool:
    open_ = [query]
    while open_:
        node = open_.pop()
        rows = _limit(node.args.get("limit"))
        if rows is not None and rows <= most:
            continue
        match node:
            case exp.Subquery():
                open_.append(node.this)
            case exp.SetOperation():
                open_ += [node.left, node.right]
            case exp.Select() if not node.args.get("from_") or node.args.get("group") or _aggregates(node):
                pass
            case _:
                return False
    return True


def _limit(limit: exp.Expr | None) -> int | None:
    """The rows that a LIMIT or FETCH lets through. ClickHouse's `LIMIT 1 BY x` is no such thing."""
    if limit is None or limit.args.get("expressions"):
        return None
    options = limit.args.get("limit_options")
    if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
        return None
    return whole_number(limit.args.get("count" if isinstance(limit, exp.Fetch) else "expression"))


def whole_number(node: exp.Expr | None) -> int | None:
    """The number that a literal of at most nine digits is."""
    if (
        isinstance(node, exp.Literal)
        and not node.is_string
        and node.name.isdecimal()
        and len(node.name) <= MAX_DIGITS
    ):
        return int(node.name)
    return None


def _aggregates(select: exp.Select) -> bool:
    """Whether it has an aggregate of its own among its columns: then it gives one row."""
    return any(
        found.find_ancestor(exp.Select) is select and found.find_ancestor(exp.Window) is None
        for projection in select.expressions
        for found in projection.find_all(exp.AggFunc)
    )
