"""The demo's warehouse: DuckDB behind a small HTTP API that shows what the injected scope allows, and nothing else.

It is what the owner of a real HTTP warehouse would write: about forty lines between the scope headers and the
query. It believes those headers, so only Envoy may reach it (a loopback port here, an unpublished port in
docker-compose.yml), and it refuses whatever comes without them: a request that bypassed Scopegate, or a route
that somebody forgot to protect.
"""

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import duckdb

from authz.demo.sales import COLUMNS

NAME = "sales"
DEFAULT_LIMIT = 3
MAX_LIMIT = 1_000


class Refused(Exception):  # noqa: N818 - a refusal is not an error of ours
    """The warehouse does not answer this request; `status` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedScope:
    """What the scope headers said. `masks` names a treatment for each masked column."""

    id: str
    where: str
    hidden: tuple[str, ...]
    masks: Mapping[str, str]

    def to_json(self) -> dict[str, object]:
        return {"id": self.id, "where": self.where, "hidden": list(self.hidden), "masked": dict(self.masks)}


def read_scope(headers: Mapping[str, Sequence[str]]) -> InjectedScope:
    """The scope of a request, from its headers (lower-case name to all values).

    Raises `Refused` if a header that must be there is absent, came twice, or names another warehouse or a
    column that does not exist: a scope that is understood by half is not obeyed by half.
    """
    hidden = _list(headers, "x-scope-hidden")
    masks = dict(_mask(item) for item in _list(headers, "x-scope-masked"))
    unknown = [column for column in (*hidden, *masks) if column not in COLUMNS]
    if unknown:
        raise Refused(500, f"the scope names columns that this warehouse does not have: {', '.join(unknown)}")
    if _single(headers, "x-scope-warehouse") != NAME:
        raise Refused(403, "the scope is for another warehouse")
    return InjectedScope(
        id=_single(headers, "x-scope-id"), where=_single(headers, "x-scope-sql"), hidden=hidden, masks=masks
    )


def _single(headers: Mapping[str, Sequence[str]], name: str) -> str:
    values = headers.get(name, ())
    if len(values) != 1 or not values[0]:
        raise Refused(
            403, f"no answer without a scope: expected header `{name}` once, got it {len(values)} times"
        )
    return unquote(values[0], errors="strict")


def _list(headers: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    """The items of a list header. Split first, then decoded: an item may hold a comma."""
    if name not in headers:
        return ()
    if len(headers[name]) != 1:
        raise Refused(403, f"header `{name}` came {len(headers[name])} times")
    return tuple(unquote(item, errors="strict") for item in headers[name][0].split(","))


def _mask(item: str) -> tuple[str, str]:
    column, separator, mask = item.partition("=")
    if not separator:
        raise Refused(500, f"the scope masks `{item}` in no way that could be obeyed")
    return column, mask


class SalesWarehouse:
    """The warehouse without its HTTP. `queries` counts what reached DuckDB, so that sharing can be proven."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        # A mask that everybody could compute would be undone by hashing a list of known addresses.
        self._salt = secrets.token_hex(16)
        self.queries = 0

    def summarize(self, scope: InjectedScope, *, limit: int = DEFAULT_LIMIT) -> dict[str, object]:
        """How many sales, how much revenue, from which regions, and the first `limit` rows, within `scope`."""
        with self._lock:
            self.queries += 1
            serial = self.queries
        cursor = self._connection.cursor()
        shown = [column for column in COLUMNS if column not in scope.hidden]
        # The predicate is Scopegate's, rendered and quoted by SQLGlot; no word of the client's is in it.
        inside = f"FROM sales WHERE ({scope.where})"
        regions = cursor.execute(
            f"SELECT coalesce(region, 'none'), count(*), sum(amount) {inside} GROUP BY 1 ORDER BY 1"
        ).fetchall()
        selected = ", ".join(self._expression(column, scope.masks.get(column)) for column in shown)
        sample = cursor.execute(f"SELECT {selected} {inside} ORDER BY order_id LIMIT ?", [limit]).fetchall()
        return {
            "rows": sum(count for _, count, _ in regions),
            "revenue": str(sum(amount for _, _, amount in regions)),
            "by_region": {region: count for region, count, _ in regions},
            "columns": shown,
            "sample": [
                [value if isinstance(value, int) else _text(value) for value in row] for row in sample
            ],
            "scope": scope.to_json(),
            "query": serial,
        }

    def _expression(self, column: str, mask: str | None) -> str:
        match mask:
            case None:
                return column
            case "hash":
                return f"left(sha256('{self._salt}' || {column}), 16) AS {column}"
            case "last4":
                text = f"CAST({column} AS VARCHAR)"
                return (
                    f"CASE WHEN length({text}) > 4 THEN right({text}, 4)"
                    f" WHEN {column} IS NOT NULL THEN '****' END AS {column}"
                )
            case "year":
                return f"year({column}) AS {column}"
            case "null":
                return f"NULL AS {column}"
            case _:
                raise Refused(500, f"the scope masks `{column}` in a way that this warehouse does not know")


def _text(value: object) -> str | None:
    return None if value is None else str(value)
