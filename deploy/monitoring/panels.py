"""What a dashboard is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RANGE: Final = "[$__rate_interval]"
"""Grafana's word for four scrapes or one point of the graph, whichever is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel: pairs of a query and its legend. `note` is said when one points at the panel's title."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    note: str = ""
    width: int = 12
    is_stat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard: its rows by their title."""

    uid: str
    title: str
    note: str
    rows: dict[str, Sequence[Panel]]


def one_number(title: str, query: str, unit: str = "short", note: str = "") -> Panel:
    """How it is now."""
    return Panel(title=title, queries=[(query, "")], unit=unit, note=note, width=4, is_stat=True)


def quantiles(series: str, by: str, *shares: float) -> list[tuple[str, str]]:
    """Queries for shares of a histogram, one line for each value of the label `by`."""
    return [
        (
            f"histogram_quantile({share}, sum by (le, {by}) (rate({series}_bucket{RANGE})))",
            f"p{share * 100:g} {{{{{by}}}}}",
        )
        for share in shares
    ]
