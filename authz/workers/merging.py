"""The metrics of several workers as those of one server.

Counters and histograms are sums. A gauge is a sum where it counts something, and else what is worst: the least of what
should be high, the most of what should be low.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""What workers are asked for: the form that loses nothing."""

LEAST: Final = frozenset(
    {
        "scopegate_ready",
        "scopegate_policy_current",
        "scopegate_policy_loaded_timestamp_seconds",
        "scopegate_key_source_confirmed_timestamp_seconds",
        "scopegate_revocations",
        "scopegate_revocation_list_due_timestamp_seconds",
        "scopegate_revocation_list_made_timestamp_seconds",
    }
)
"""Gauges of which the least counts: a worker that is behind is one too many."""

SUMMED: Final = frozenset(
    {
        "scopegate_checks_in_flight",
        "scopegate_audit_queue_records",
        "scopegate_memory_entries",
        "scopegate_memory_limit_entries",
    }
)
"""Gauges that count. All others: the most."""

_Key = tuple[str, tuple[tuple[str, str], ...]]


class _Fixed(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    # Python 3.11 has no typing.override, hence the remark.
    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        yield from self._families


def merged(texts: Sequence[str], own: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The series of all workers, each text in OpenMetrics, and the supervisor's own; in what `accept` asks for.

    Raises ValueError for a text that cannot be read.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(merge(texts)))
    registry.register(_Fixed(own.collect()))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def merge(texts: Sequence[str]) -> list[Metric]:
    """The families of all texts, each with the samples of all."""
    families: dict[str, Metric] = {}
    samples: dict[str, dict[_Key, Sample]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
            families.setdefault(family.name, family)
            known = samples.setdefault(family.name, {})
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                other = known.get(key)
                known[key] = sample if other is None else _both(family, other, sample)
    for name, family in families.items():
        family.samples = _in_order(samples[name].values())
    return list(families.values())


def _in_order(samples: Iterable[Sample]) -> list[Sample]:
    """Those of one histogram one after another, as a series that only one worker has would not be."""
    groups: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        groups.setdefault(labels, []).append(sample)
    return [sample for group in groups.values() for sample in group]


def _both(family: Metric, one: Sample, other: Sample) -> Sample:
    value = _value(family, one, other)
    return one._replace(value=value, exemplar=one.exemplar or other.exemplar)


def _value(family: Metric, one: Sample, other: Sample) -> float:
    if one.name.endswith("_created"):
        return min(one.value, other.value)
    if family.type in {"counter", "histogram", "summary"} or family.name in SUMMED:
        return one.value + other.value
    return min(one.value, other.value) if family.name in LEAST else max(one.value, other.value)
