"""The composition root: settings become a running server, and an order ends it: a signal, or a supervisor's word.

Listens first, so that a taken port fails at once and probes are answered while a large policy loads; then
loads the policy, tries every key source once, and serves.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import structlog

from authz import __version__
from authz.audit.opening import CannotKeepError, Listeners, open_trail
from authz.audit.sink import AuditSink, Fate, NoAudit
from authz.config.watch import looks
from authz.inforce import InForce
from authz.orders import EXIT_CANNOT_START, EXIT_POLICY_REFUSED, EXIT_STOPPED, Orders, loop_factory
from authz.recording import untraced
from authz.settings import Settings
from authz.spans import SpanFate, Spans, collector
from authz.telemetry.logs import configure_logging
from authz.telemetry.metrics import Metrics
from authz.transport.admin import AdminServer, Readiness
from authz.transport.checkserver import CheckServer
from authz.transport.descriptors import available_descriptors, checking_connections
from authz.transport.engine import Engine
from authz.transport.opa import OpaDesk, OpaServer
from authz.transport.processing import AnswerProcessor
from authz.transport.tracing import TraceGate

_WATCH_AGAIN_SECONDS: Final = 5.0

_log: Final = structlog.get_logger("scopegate")


MakeChecks = Callable[[Engine, Callable[[bytes], bytes], int, TraceGate | None], CheckServer]
"""From the engine, the answers of external processing, the number of listeners and the gate of traces."""

Listening = Callable[[dict[str, object]], None]
"""Is told where the server listens, in the words of the log."""


def checks_of(engine_name: str) -> MakeChecks:
    """The server of `grpcio` or of `zttp`. Raises ImportError if that is not installed."""
    if engine_name == "zttp":
        from authz.transport.http2server import Http2Server  # noqa: PLC0415 - there is no wheel for every platform

        return lambda engine, process, listeners, traces: Http2Server(
            engine, process, listeners=listeners, traces=traces
        )
    from authz.transport.grpcserver import GrpcServer  # noqa: PLC0415 - its threads and memory are for who needs them

    return lambda engine, process, listeners, traces: GrpcServer(
        engine.settle, process, listeners=listeners, traces=traces
    )


def run(settings: Settings, engine_name: str, *, because: str | None = None) -> int:
    """Serve in this process until a signal ends it; the exit status. `because` says why no faster engine does."""
    configure_logging(settings.log_format, settings.log_level)
    if because is not None:
        _log.info("engine", engine=engine_name, because=because)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_serve(settings, engine_name))


async def _serve(settings: Settings, engine_name: str) -> int:
    orders = Orders()
    orders.follow_signals(asyncio.get_running_loop())
    return await serve(
        settings,
        orders,
        make_checks=checks_of(engine_name),
        listening=lambda where: _log.info("listening", version=__version__, engine=engine_name, **where),
    )


async def serve(
    settings: Settings,
    orders: Orders,
    *,
    make_checks: MakeChecks,
    listening: Listening,
) -> int:
    """Serve until an order ends it; the exit status. Logging is configured."""
    metrics = Metrics()
    try:
        audit = _audit_sink(settings, metrics)
    except CannotKeepError as error:
        _log.error("cannot_start", error=str(error))
        return EXIT_CANNOT_START
    try:
        return await Server(settings, metrics, audit, make_checks).run(orders, listening)
    finally:
        # Its thread writes what is left.
        await asyncio.to_thread(audit.close)


def _audit_sink(settings: Settings, metrics: Metrics) -> AuditSink:
    for fate in Fate:
        metrics.audited(fate.value, 0)
    trail = open_trail(
        settings.audit,
        Listeners(
            counted=lambda fate, records: metrics.audited(fate.value, records),
            told=lambda problem: _log.error("audit_problem", problem=problem),
            synced=metrics.audit_synced,
        ),
    )
    if trail is None:
        return NoAudit()
    metrics.watch_audit_queue(lambda: trail.queued)
    return trail


def _spans(url: str | None, metrics: Metrics) -> Spans | None:
    for fate in SpanFate:
        metrics.traced(fate.value, 0)
    if url is None:
        return None
    return Spans(collector(url), counted=lambda fate, spans: metrics.traced(fate.value, spans))


def _note_defect(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody awaited has failed. asyncio's own words for it would quote the exception."""
    _log.error("defect", exc_info=context.get("exception"))


class Server:
    """One server: its ports, its orders and its end."""

    def __init__(
        self, settings: Settings, metrics: Metrics, audit: AuditSink, make_checks: MakeChecks
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._audit = audit
        self._draining = False
        self._spans = _spans(settings.traces, metrics)
        self._in_force = InForce(
            settings.policy,
            metrics=metrics,
            audit=audit,
            remembered=settings.remember,
            traced=untraced if self._spans is None else self._spans.traced,
        )
        engine = self._in_force.engine
        # Trino's questions are checks, too: they take their part of what those may have.
        listeners = len(settings.listen) + (settings.opa is not None)
        self._opa = OpaServer(
            OpaDesk(lambda: engine.serving),
            connections=checking_connections(available_descriptors(), listeners),
        )
        self._checks = make_checks(
            engine,
            AnswerProcessor(engine.signing_keys).process,
            listeners,
            None
            if self._spans is None
            else TraceGate(
                settings.traces_per_second, limited=lambda: metrics.traced(SpanFate.LIMITED.value, 1)
            ),
        )
        self._admin = AdminServer(
            metrics=metrics.text, readiness=self._readiness, published=self._in_force.published_keys
        )
        metrics.watch_in_flight(lambda: self._checks.in_flight)

    async def run(self, orders: Orders, listening: Listening) -> int:
        """Serve until an order ends it; the exit status."""
        asyncio.get_running_loop().set_exception_handler(_note_defect)
        try:
            bound = await self._checks.start(self._settings.listen)
            opa = None if self._settings.opa is None else await self._opa.start(self._settings.opa)
            # Last: whoever hears from it that this server is alive may start an Envoy that asks.
            http = await self._admin.start(self._settings.http)
        except OSError as error:
            _log.error("cannot_start", error=str(error))
            await self._stop()
            return EXIT_CANNOT_START
        listening(
            {
                "listen": [address.text for address in bound],
                "http": http.text,
                **({} if opa is None else {"opa": opa.text}),
            }
        )
        work = asyncio.create_task(self._work(orders.hangup))
        stop = asyncio.create_task(orders.stops.get())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            await self._drain(stop.result(), orders.stops)
            return EXIT_STOPPED
        finally:
            for task in (work, stop):
                task.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)
            await self._stop()
            _log.info("stopped")

    async def _work(self, hangup: asyncio.Event) -> int:
        """Load what is needed, then follow its changes. Returns only if the first policy is refused."""
        if not await self._in_force.load():
            return EXIT_POLICY_REFUSED
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._announce())
            tasks.create_task(self._follow_hangups(hangup))
            tasks.create_task(self._follow(self._in_force.files, self._in_force.reload_if_changed))
            tasks.create_task(
                self._follow(self._in_force.revocation_files, self._in_force.reload_revocations_if_changed)
            )
        raise AssertionError("following never ends")

    async def _announce(self) -> None:
        await self._in_force.ready.wait()
        await self._checks.healthy(healthy=True)

    async def _follow_hangups(self, hangup: asyncio.Event) -> None:
        while True:
            await hangup.wait()
            hangup.clear()
            _log.info("hangup")
            self._audit.reopen()
            await self._in_force.reload()

    async def _follow(self, files: Callable[[], Iterable[Path]], look: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                async for _ in looks(files):
                    await look()
            except OSError as error:
                # Out of inotify watches, or a directory that went away meanwhile.
                _log.warning("watch_failed", error=error.strerror, again_in_seconds=_WATCH_AGAIN_SECONDS)
                await asyncio.sleep(_WATCH_AGAIN_SECONDS)

    def _readiness(self) -> Readiness:
        state = self._in_force.readiness()
        if self._draining:
            return Readiness(missing=("draining", *state.missing), detail=state.detail)
        return state

    async def _drain(self, stop: signal.Signals, stops: "asyncio.Queue[signal.Signals]") -> None:
        """Tell Envoy, and go on answering until it has noticed; a second signal cuts that short, as does Ctrl-C."""
        self._draining = True
        self._metrics.ready(ready=False)
        notice = 0.0 if stop is signal.SIGINT else self._settings.drain_notice_seconds
        _log.info("draining", signal=stop.name, notice_seconds=notice, in_flight=self._checks.in_flight)
        await self._checks.announce_end()
        with suppress(TimeoutError):
            async with asyncio.timeout(notice):
                await stops.get()

    async def _stop(self) -> None:
        await self._checks.stop(self._settings.drain_grace_seconds)
        if self._spans is not None:
            await asyncio.to_thread(self._spans.close)
        await self._in_force.stop()
        await self._opa.stop()
        await self._admin.stop()
