"""What a supervisor tells of its workers, beside the sums of what they say themselves."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class ServiceMetrics:
    """`running` counts the workers whose processes run, of `workers` that should."""

    def __init__(self, workers: int, running: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.restarts = Counter(
            "scopegate_worker_restarts",
            "Workers that ended by themselves, or hung, and were started anew",
            registry=self.registry,
        )
        Gauge("scopegate_workers", "Workers that should run", registry=self.registry).set(workers)
        Gauge(
            "scopegate_workers_running", "Workers whose processes run", registry=self.registry
        ).set_function(running)
