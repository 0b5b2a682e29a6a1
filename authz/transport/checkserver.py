"""What every engine's server of checks offers; see `grpcserver`, `asgi` and `http2server`."""

from collections.abc import Sequence
from typing import Final, Protocol

from authz.transport.addresses import Address

SERVICE: Final = "envoy.service.auth.v3.Authorization"
PROCESSING_SERVICE: Final = "envoy.service.ext_proc.v3.ExternalProcessor"
MAX_REQUEST_BYTES: Final = 1 << 20
"""Longest accepted question. Envoy's headers end at 60 KiB and the body that it sends along at 64 KiB."""

MAX_METADATA_BYTES: Final = 64 * 1024


class CheckServer(Protocol):
    """Answers Envoy's checks, the messages of its external processing, and its health checks."""

    @property
    def in_flight(self) -> int:
        """Checks that are accepted and not yet answered."""

    async def start(self, addresses: Sequence[Address]) -> tuple[Address, ...]:
        """Listen on `addresses` and begin to serve, as not yet healthy; the addresses that were bound.

        Raises OSError if one of them cannot be bound.
        """

    async def healthy(self, *, healthy: bool) -> None:
        """Tell Envoy's health checks whether to send checks here."""

    async def announce_end(self) -> None:
        """Be NOT_SERVING to Envoy's health checks from now on, while checks are answered as before."""

    async def stop(self, grace_seconds: float) -> None:
        """Take no new checks; let those in flight end, within `grace_seconds`."""
