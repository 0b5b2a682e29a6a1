"""Which key signs, as series that are read at the scrape. Key ids are hashes of the operator's own public keys."""

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from authz.signing.keys import SigningKeys

ReadKeys = Callable[[], SigningKeys | None]
"""The keys of the moment; None if nothing is signed."""


class SigningKeySeries(Collector):
    """Every published key: two workers that disagree, or a key that nobody publishes any more, can be seen."""

    def __init__(self) -> None:
        self.read: ReadKeys = lambda: None

    # Python 3.11 has no typing.override, hence the remark.
    def collect(self) -> Iterator[Metric]:  # type: ignore[explicit-override]
        family = GaugeMetricFamily(
            "scopegate_signing_key_signs",
            "Published keys of the signed assertion: 1 for the one that signs, 0 for the others",
            labels=["kid"],
        )
        if (keys := self.read()) is not None:
            for key in keys.published:
                family.add_metric([key.kid], key == keys.signing)
        yield family
