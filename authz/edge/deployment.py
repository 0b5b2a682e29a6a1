"""What the place of deployment adds to a policy's configuration."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Both are addresses, `host:port`, and both are off without one.

    `http`: where operators ask Envoy for /metrics, /readyz and /healthz. `limit_service`: a rate limit service that
    counts for all Envoys together.
    """

    http: str | None = None
    limit_service: str | None = None


PLAIN: Final = Deployment()
"""Nothing beside the policy."""
