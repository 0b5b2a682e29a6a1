"""How long the examination of a statement takes at most.

    .venv/bin/python bench/statements.py [trino|clickhouse [SHAPE ...]]

Each shape is repeated until one more of it would be refused; CPU time of the largest that is examined, and of the first
that is not. A third of the shapes is what SQLGlot is slowest at.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from authz.errors import Denied, Reason
from authz.guardrails.examine import examine
from authz.guardrails.rules import GuardrailRules, Session

# What stands in front, one piece (`@` is its number), between two pieces, at the end.
SHAPES = {
    "columns": ("SELECT ", "a.b AS c@", ", ", " FROM t"),
    "list of values": ("SELECT 1 FROM t WHERE x IN (", "1", ",", ")"),
    "joins": ("SELECT 1 FROM t ", "JOIN t ON a = b", " ", ""),
    "unions": ("", "SELECT a FROM t", " UNION ALL ", ""),
    "conditions": ("SELECT 1 FROM t WHERE ", "a.b = 'x'", " OR ", ""),
    "windows": ("SELECT ", "f() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)", ", ", ""),
    "CASE": ("SELECT CASE ", "WHEN a THEN b", " ", " END"),
    "subqueries": ("SELECT ", "(SELECT 1)", ", ", ""),
    "WITH": ("WITH ", "c@ AS (SELECT a FROM t)", ", ", " SELECT 1"),
    "dates": ("SELECT ", "date '2020-01-01'", ", ", ""),
    "subscripts": ("SELECT ", "a[1]", ", ", ""),
    "nested arrays": ("SELECT ", "array[array[array[1]]]", ", ", ""),
    "rows": ("SELECT ", "row(a, row(b, c))", ", ", ""),
    "maps": ("SELECT ", "map(array[1], array[2])", ", ", ""),
    "concatenation": ("SELECT ", "a", " || ", ""),
    "deep": ("SELECT ", "((((((f(((((((a)))))))))))))", ", ", ""),
}  # fmt: skip


def main() -> None:
    """One line a shape."""
    dialect = sys.argv[1] if len(sys.argv) > 1 else "trino"
    rules = GuardrailRules(dialect=dialect, tables=frozenset({"*.*.*", "*.*"}))

    def taken(text: str) -> tuple[float, bool]:
        began = time.process_time()
        try:
            examine(text, rules, Session(catalog="c", schema="s"))
        except Denied as denied:
            return time.process_time() - began, denied.reason is Reason.STATEMENT_TOO_LARGE
        return time.process_time() - began, False

    for name in sys.argv[2:] or SHAPES:
        front, piece, between, end = SHAPES[name]

        def made(count: int) -> str:
            return front + between.join(piece.replace("@", str(n)) for n in range(count)) + end  # noqa: B023 - called here

        most = _largest(lambda count: not taken(made(count))[1])
        examined = min(taken(made(most))[0] for _ in range(3))
        refused = min(taken(made(most + 1))[0] for _ in range(3))
        print(f"{name:16} {most:5} times: {examined * 1e3:5.0f} ms, one more {refused * 1e3:5.0f} ms")


def _largest(fits: Callable[[int], bool]) -> int:
    low, high = 1, 10_000
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


if __name__ == "__main__":
    main()
