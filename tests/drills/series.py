"""What operators' ports tell: series before and after."""

import http.client
import re
from collections.abc import Mapping, Sequence
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


def scrape(jobs: Mapping[str, Sequence[str]]) -> Series:
    """Ask each target (`host:port`) of each job for its metrics, as Prometheus does."""
    samples: list[tuple[str, Mapping[str, str], float]] = []
    for job, targets in jobs.items():
        for target in targets:
            labels = {"job": job, "instance": target}
            try:
                text = _get(target)
            except (OSError, http.client.HTTPException):
                samples.append(("up", labels, 0.0))
                continue
            samples.append(("up", labels, 1.0))
            for family in text_string_to_metric_families(text):
                # The parser gives counters of any name the ending of OpenMetrics; Envoy's have none.
                foreign = family.type == "counter" and f"# TYPE {family.name}_total " not in text
                ending = "_total" if foreign else ""
                samples += [
                    (each.name.removesuffix(ending), {**each.labels, **labels}, each.value)
                    for each in family.samples
                ]
    return Series(tuple(samples))


def _get(target: str) -> str:
    host, _, port = target.rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=2)) as connection:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"got {answer.status}")
        return answer.read().decode()
