"""How old the revocation lists of each trust are, as series that are read at the scrape."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Lists = Mapping[str, Iterable[tuple[float, float]]]
"""By the configured name of a trust, when each of its lists was made and when the next one is due; in seconds since the epoch."""


class RevocationLists(Collector):
    """The oldest list of each trust, and the one that is due first: one stale list is enough to refuse people."""

    def __init__(self) -> None:
        self.read: Callable[[], Lists] = dict

    # Python 3.11 has no typing.override, hence the remark.
    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        made = GaugeMetricFamily(
            "scopegate_revocation_list_made_timestamp_seconds",
            "When the oldest revocation list of a trust was made",
            labels=["name"],
        )
        due = GaugeMetricFamily(
            "scopegate_revocation_list_due_timestamp_seconds",
            "When the first revocation list of a trust is stale",
            labels=["name"],
        )
        for name, lists in self.read().items():
            times = list(lists)
            if times:
                made.add_metric([name], min(time for time, _ in times))
                due.add_metric([name], min(time for _, time in times))
        yield from (made, due)
