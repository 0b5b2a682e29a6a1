"""Series that the deciding thread writes: plain numbers, made into samples when somebody scrapes.

A counter of prometheus_client takes a lock for each increment, which with two of them is most of a microsecond in
every check. One thread writes these, and the same thread answers the scrape, so they need none.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from authz.errors import Reason
from authz.telemetry.traces import sampled_trace_id

DECISIONS: Final = "scopegate_decisions"
_DECISIONS_HELP: Final = "Decisions by warehouse, outcome and reason"


class Decisions(Collector):
    """Counts decisions. `warehouse` is a configured name, or None where no warehouse was found.

    `catch_up` is called before the series are read.
    """

    def __init__(self, catch_up: Callable[[], None]) -> None:
        self._catch_up = catch_up
        self._granted: dict[str | None, int] = {}
        self._denied: dict[tuple[str | None, Reason], int] = {}

    def count(self, warehouse: str | None, reason: Reason, times: int = 1) -> None:
        """So many more."""
        if reason is Reason.GRANTED:
            self._granted[warehouse] = self._granted.get(warehouse, 0) + times
        else:
            # The hash of an enum's member is computed in Python: this costs four times as much.
            key = (warehouse, reason)
            self._denied[key] = self._denied.get(key, 0) + times

    def expect(self, warehouse: str) -> None:
        """Have a series from now on: a counter that appears with its first increase hides that from a rate."""
        self._granted.setdefault(warehouse, 0)

    # Python 3.11 has no typing.override, hence the remark.
    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        self._catch_up()
        family = CounterMetricFamily(DECISIONS, _DECISIONS_HELP, labels=["warehouse", "outcome", "reason"])
        for granted_by, number in self._granted.items():
            family.add_metric([granted_by or "", "allow", Reason.GRANTED.value], number)
        for (denied_by, reason), number in self._denied.items():
            family.add_metric([denied_by or "", "deny", reason.value], number)
        yield family


class _Times:
    """The times of one label value: a number for each bucket, and the newest trace that fell into it."""

    __slots__ = ("counts", "total", "traces")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.traces: list[tuple[str, float, float] | None] = [None] * buckets
        self.total = 0.0


class Times(Collector):
    """A histogram of seconds with one label, whose values are a closed set that is given here.

    `catch_up` is called before the series are read.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a histogram is made of
        self,
        name: str,
        text: str,
        label: str,
        values: Sequence[str],
        buckets: Sequence[float],
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._catch_up = catch_up
        self._name, self._text, self._label = name, text, label
        self._bounds = tuple(buckets)
        self._times = {value: _Times(len(self._bounds) + 1) for value in values}

    def observe(self, value: str, seconds: float, traceparent: str | None = None, at: float = 0.0) -> None:
        """Note one time. `traceparent` is the header's raw text: it is read at the scrape, if it is still there."""
        self.observe_all([(value, seconds, traceparent, at)])

    def observe_all(self, observed: Iterable[tuple[str, float, str | None, float]]) -> None:
        """`observe` many."""
        bounds, all_times = self._bounds, self._times
        for value, seconds, traceparent, at in observed:
            times = all_times[value]
            bucket = bisect_left(bounds, seconds)
            times.counts[bucket] += 1
            times.total += seconds
            if traceparent is not None:
                times.traces[bucket] = (traceparent, seconds, at)

    # Python 3.11 has no typing.override, hence the remark.
    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        self._catch_up()
        family = HistogramMetricFamily(self._name, self._text, labels=[self._label])
        names = [*map(repr, self._bounds), "+Inf"]
        for value, times in self._times.items():
            buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
            reached = 0
            for name, number, trace in zip(names, times.counts, times.traces, strict=True):
                reached += number
                exemplar = _exemplar(trace)
                buckets.append((name, reached) if exemplar is None else (name, reached, exemplar))
            family.add_metric([value], buckets, times.total)
        yield family


def _exemplar(trace: tuple[str, float, float] | None) -> Exemplar | None:
    if trace is None:
        return None
    traceparent, seconds, at = trace
    trace_id = sampled_trace_id(traceparent)
    return None if trace_id is None else Exemplar({"trace_id": trace_id}, seconds, at)
