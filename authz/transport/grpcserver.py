"""The gRPC server: bytes from Envoy to the engine and back, and the health that Envoy's checks ask for."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from authz.transport.addresses import SOCKET_MODE, Address, TcpAddress, UnixAddress, clear_stale_socket
from authz.transport.checkserver import (
    MAX_METADATA_BYTES,
    MAX_REQUEST_BYTES,
    PROCESSING_SERVICE,
    SERVICE,
)
from authz.transport.descriptors import available_descriptors, checking_connections
from authz.transport.tracing import TraceGate

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    # Without this, a second process would silently share the port and answer half of the checks.
    ("grpc.so_reuseport", 0),
    # Envoy's connections are few and long; a keepalive ping from it is never abuse.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)


class GrpcServer:
    """Serves `settle` as Envoy's Authorization service, with the standard health service beside it.

    `process` answers each message of Envoy's external processing; `listeners` is the number of addresses to come.
    With `traces`, a caller's sampled trace is told of the check.
    """

    def __init__(
        self,
        settle: Callable[[bytes, str | None], Awaitable[bytes]],
        process: Callable[[bytes], bytes],
        *,
        listeners: int = 1,
        traces: TraceGate | None = None,
    ) -> None:
        self._traces = traces
        self._settle = settle
        self._process = process
        self._in_flight = 0
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        connections = checking_connections(available_descriptors(), listeners)
        self._server = grpc.aio.server(
            options=(*_OPTIONS, ("grpc.max_allowed_incoming_connections", connections))
        )
        # No (de)serializers: the engine takes bytes and gives bytes.
        check = grpc.unary_unary_rpc_method_handler(self._check)  # type: ignore[no-untyped-call]
        processing = grpc.stream_stream_rpc_method_handler(self._processed)  # type: ignore[no-untyped-call]
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(SERVICE, {"Check": check}),  # type: ignore[no-untyped-call]
                grpc.method_handlers_generic_handler(PROCESSING_SERVICE, {"Process": processing}),  # type: ignore[no-untyped-call]
            )
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)  # type: ignore[no-untyped-call]

    @property
    def in_flight(self) -> int:
        """Checks that are accepted and not yet answered."""
        return self._in_flight

    async def _check(self, data: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        self._in_flight += 1
        try:
            return await self._settle(
                data, None if self._traces is None else self._traces.parent(context.invocation_metadata())
            )
        finally:
            self._in_flight -= 1

    async def _processed(
        self, messages: AsyncIterator[bytes], _: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> AsyncIterator[bytes]:
        # INVARIANT: an answer for each message; a stream that ends without one passes the warehouse's answer on.
        async for data in messages:
            yield self._process(data)

    async def start(self, addresses: Sequence[Address]) -> tuple[Address, ...]:
        """Listen on `addresses` and begin to serve, as not yet healthy; the addresses that were bound.

        Raises OSError if one of them cannot be bound.
        """
        await self.healthy(healthy=False)
        bound = tuple(self._bind(address) for address in addresses)
        await self._server.start()
        return bound

    def _bind(self, address: Address) -> Address:
        match address:
            case TcpAddress(host=host):
                return TcpAddress(host, self._add_port(address))
            case UnixAddress(path=path):
                clear_stale_socket(path)
                # The mask closes the moment between bind and chmod; nothing else runs yet.
                mask = os.umask(0o777 & ~SOCKET_MODE)
                try:
                    self._add_port(address)
                finally:
                    os.umask(mask)
                path.chmod(SOCKET_MODE)
                return address

    def _add_port(self, address: Address) -> int:
        try:
            port: int = self._server.add_insecure_port(address.text)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address.text}: is it taken, or not ours to bind?") from error
        return port

    async def healthy(self, *, healthy: bool) -> None:
        """Tell Envoy's health checks whether to send checks here."""
        status = health_pb2.HealthCheckResponse
        for service in ("", SERVICE):
            await self._health.set(service, status.SERVING if healthy else status.NOT_SERVING)

    async def announce_end(self) -> None:
        """Be NOT_SERVING to Envoy's health checks from now on, while checks are answered as before."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace_seconds: float) -> None:
        """Take no new checks; let those in flight end, within `grace_seconds`.

        gRPC cancels a call that arrives in this very moment, before it is in flight; Envoy answers that with 503.
        That is why the end is announced first, and the clients' health checks are given time to notice.
        """
        await self._server.stop(grace_seconds)
