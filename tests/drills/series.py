"""What operators' ports tell: series before and after."""

import http.client
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

_SELECTOR = re.compile(r"([a-z_]+)(?:\{(.*)\})?")
_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Selector:
    """A name with labels, in PromQL's words: `name{label="value"}`."""

    name: str
    labels: Mapping[str, str]

    @classmethod
    def of(cls, text: str) -> Self:
        found = _SELECTOR.fullmatch(text)
        assert found is not None, text
        return cls(found[1], dict(_LABEL.findall(found[2] or "")))


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of all targets at one time, with the labels `job` and `instance`, and `up` of each as Prometheus has it."""

    samples: tuple[tuple[str, Mapping[str, str], float], ...]

    def values(self, text: str) -> list[float]:
        """What has this selector."""
        wanted = Selector.of(text)
        return [
            value
            for name, labels, value in self.samples
            if name == wanted.name and wanted.labels.items() <= labels.items()
        ]

    def total(self, text: str) -> float:
        """The sum of that; 0 where there is nothing."""
        return sum(self.values(text))


class Scraper:
    """Asks targets (`host:port`) for their metrics, on connections that it keeps, as Prometheus does."""

    def __init__(self) -> None:
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def scrape(self, jobs: Mapping[str, Sequence[str]]) -> Series:
        """Everything that each target of each job tells now."""
        samples: list[tuple[str, Mapping[str, str], float]] = []
        for job, targets in jobs.items():
            for target in targets:
                labels = {"job": job, "instance": target}
                text = self._text(target)
                samples.append(("up", labels, 0.0 if text is None else 1.0))
                samples += [(name, {**its, **labels}, value) for name, its, value in _samples(text or "")]
        return Series(tuple(samples))

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _text(self, target: str) -> str | None:
        # Once more, because a connection that was kept may have ended meanwhile.
        for _ in range(2):
            kept = self._connections.pop(target, None)
            connection = kept or http.client.HTTPConnection(target, timeout=2)
            try:
                connection.request("GET", "/metrics")
                with closing(connection.getresponse()) as answer:
                    text, status = answer.read().decode(), answer.status
            except (OSError, http.client.HTTPException):
                connection.close()
                continue
            self._connections[target] = connection
            return text if status == 200 else None
        return None


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for family in text_string_to_metric_families(text):
        # The parser gives counters of any name the ending of OpenMetrics; Envoy's have none.
        foreign = family.type == "counter" and f"# TYPE {family.name}_total " not in text
        ending = "_total" if foreign else ""
        for each in family.samples:
            yield each.name.removesuffix(ending), each.labels, each.value
