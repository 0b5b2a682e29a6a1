"""What is remembered between checks, as series: read at the scrape, so that remembering costs nothing more."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from authz.memory import Memory

_HIT: Final = "hit"
_MISS: Final = "miss"


class Memories(Collector):
    """Watches memories under names of a closed set. New keys or a new policy bring new ones: the counts go on."""

    def __init__(self) -> None:
        self._watched: Mapping[str, Memory[Any, Any]] = {}
        self._before: dict[tuple[str, str], int] = {}

    def watch(self, memories: Mapping[str, Memory[Any, Any]]) -> None:
        """Watch these from now on, in place of those before."""
        for name, old in self._watched.items():
            for outcome, number in ((_HIT, old.hits), (_MISS, old.misses)):
                self._before[name, outcome] = self._before.get((name, outcome), 0) + number
        self._watched = dict(memories)

    # Python 3.11 has no typing.override, hence the remark.
    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        entries = GaugeMetricFamily("scopegate_memory_entries", "What is remembered now", labels=["memory"])
        limits = GaugeMetricFamily(
            "scopegate_memory_limit_entries", "How much can be remembered at most", labels=["memory"]
        )
        lookups = CounterMetricFamily(
            "scopegate_memory_lookups",
            "Times that a memory was asked, by whether it knew",
            labels=["memory", "outcome"],
        )
        for name, memory in self._watched.items():
            entries.add_metric([name], len(memory))
            limits.add_metric([name], memory.maxsize)
            for outcome, number in ((_HIT, memory.hits), (_MISS, memory.misses)):
                lookups.add_metric([name, outcome], self._before.get((name, outcome), 0) + number)
        yield from (entries, limits, lookups)
