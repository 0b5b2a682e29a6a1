"""The log of a worker says which one it is, where there are several."""

from authz.telemetry.logs import configure_logging
from authz.workers.spec import WorkerSpec


def configure(spec: WorkerSpec) -> None:
    """Configure the log of this process."""
    configure_logging(
        spec.settings.log_format,
        spec.settings.log_level,
        always={} if spec.alone else {"worker": spec.number},
    )
