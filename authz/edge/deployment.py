"""What the place of deployment adds to a policy's configuration."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Each is off without a value.

    `http`: the address, `host:port`, where operators ask Envoy for /metrics, /readyz and /healthz. `limit_service`:
    that of a rate limit service that counts for all Envoys together. `secrets`: a directory with the files that
    have Envoy follow its certificates (`authz.edge.secrets`); otherwise they are read when it starts. `traces`: the URL
    of an OpenTelemetry collector, for `trace_percent` of the requests that come without a trace.
    """

    http: str | None = None
    limit_service: str | None = None
    secrets: str | None = None
    traces: str | None = None
    trace_percent: float = 1.0


PLAIN: Final = Deployment()
"""Nothing beside the policy."""
