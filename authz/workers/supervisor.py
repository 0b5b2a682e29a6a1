"""Starts the workers, watches them, starts those anew that end, and ends them all.

One crash never takes the service down: each worker has addresses of its own, and Envoy balances over those that are
healthy.
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import structlog

from authz import __version__
from authz.orders import EXIT_CANNOT_START, EXIT_STOPPED, Orders, loop_factory
from authz.settings import Settings
from authz.telemetry.logs import configure_logging
from authz.transport.addresses import Address, TcpAddress, UnixAddress, check_free, clear_stale_socket
from authz.transport.descriptors import available_descriptors, checking_connections
from authz.workers.engines import EngineName
from authz.workers.front import Front, ask
from authz.workers.host import host_command
from authz.workers.link import ENDED, HANGUP, LISTENING, STOP, Link
from authz.workers.metrics import ServiceMetrics
from authz.workers.spec import WorkerSpec

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 30.0
GOOD_SECONDS: Final = 60.0
"""A worker that has run for so long did not fail at its start: the next pause is the first one again."""

PROBE_SECONDS: Final = 5.0
PROBES: Final = 3
"""A worker that does not answer so many questions in a row hangs."""

_PARTING_SECONDS: Final = 5.0
"""What an end may take beyond its notice and its grace, before it is cut short."""

_log: Final = structlog.get_logger("scopegate")


class Worker:
    """One worker, over all its lives."""

    def __init__(
        self, number: int, settings: Settings, engine: EngineName, directory: Path, *, alone: bool
    ) -> None:
        self.number = number
        self.http = directory / f"{number}.http"
        self.listening: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.pid: int | None = None
        self._settings = settings
        self._engine = engine
        self._admin = directory / f"{number}.admin"
        self._alone = alone
        self._link: Link | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def live(self) -> int | None:
        """One life, from the start of the process to its end; the status that it has said it ends with, if it has.

        Raises OSError if there is to be none.
        """
        for path in (self.http, self._admin):
            path.unlink(missing_ok=True)
        ours, theirs = socket.socketpair()
        try:
            self._process = await self._started(theirs)
        finally:
            theirs.close()
        self.pid = self._process.pid
        self._link = link = await Link.over(ours)
        status: int | None = None
        while (said := await link.hear()) is not None:
            if LISTENING in said and not self.listening.done():
                self.listening.set_result(said[LISTENING])
            if ENDED in said:
                status = said[ENDED]
        await self._process.wait()
        self.pid = None
        self._link = None
        await link.close()
        self._clear_sockets()
        return status

    def _clear_sockets(self) -> None:
        """Remove what an Envoy leaves behind. A socket that somebody listens on again is not ours."""
        for address in self._settings.listen:
            if isinstance(address, UnixAddress):
                with suppress(OSError):
                    clear_stale_socket(address.path)

    async def _started(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        spec = WorkerSpec(
            number=self.number,
            alone=self._alone,
            link=theirs.fileno(),
            engine=self._engine.value,
            settings=replace(self._settings, http=UnixAddress(self.http)),
            host_admin=self._admin if self._engine is EngineName.PYVOY else None,
        )
        if self._engine is EngineName.PYVOY:
            for address in self._settings.listen:
                if isinstance(address, UnixAddress):
                    # Envoy would take a socket away from whoever listens there.
                    clear_stale_socket(address.path)
                else:
                    check_free(address)
            connections = checking_connections(available_descriptors())
            command, environment = host_command(
                self._settings.listen, self._admin, connections, self._settings.log_format
            )
        else:
            command, environment = [sys.executable, "-m", "authz.workers.plain"], {}
        return await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **environment, **spec.environment()},
            pass_fds=(theirs.fileno(),),
            # A terminal's Ctrl-C is for the supervisor, who has a worker end in peace.
            start_new_session=True,
        )

    def say(self, **words: object) -> None:
        """Give an order; one that is between two lives hears nothing."""
        if self._link is not None:
            self._link.say(**words)

    def kill(self) -> None:
        """End this life now."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()


class Supervisor:
    """All workers of a service. `settings` are those of each, by number."""

    def __init__(self, settings: Sequence[Settings], engine: EngineName, directory: Path) -> None:
        self._engine = engine
        self._common = settings[0]
        self._workers = [
            Worker(number, each, engine, directory, alone=len(settings) == 1)
            for number, each in enumerate(settings)
        ]
        self._metrics = ServiceMetrics(
            len(settings), lambda: sum(worker.pid is not None for worker in self._workers)
        )
        self._front = Front(
            lambda: {worker.number: worker.http for worker in self._workers},
            self._metrics.registry,
            lambda: all(worker.listening.done() for worker in self._workers),
        )
        self._ending = False

    async def run(self) -> int:
        """Serve until a signal ends it; the exit status."""
        orders = Orders()
        orders.follow_signals(asyncio.get_running_loop())
        if not isinstance(self._common.http, TcpAddress):
            raise TypeError("operators ask over TCP")
        try:
            http = await self._front.start(self._common.http)
        except OSError as error:
            _log.error("cannot_start", error=str(error))
            return EXIT_CANNOT_START
        lives = [asyncio.create_task(self._lives(worker)) for worker in self._workers]
        others = [
            asyncio.create_task(self._announce(http)),
            asyncio.create_task(self._pass_hangups(orders)),
            *(asyncio.create_task(self._probe(worker)) for worker in self._workers),
        ]
        stop = asyncio.create_task(orders.stops.get())
        try:
            # A task of `lives` ends early only if the service cannot start.
            await asyncio.wait({*lives, stop}, return_when=asyncio.FIRST_COMPLETED)
            self._ending = True
            await self._end(lives, stop, orders)
            return (
                EXIT_STOPPED
                if stop.done()
                else next(life.result() for life in lives if life.done() and life.result())
            )
        finally:
            for task in (*lives, *others, stop):
                task.cancel()
            await asyncio.gather(*lives, *others, stop, return_exceptions=True)
            for worker in self._workers:
                worker.kill()
            await self._front.stop()
            _log.info("stopped")

    async def _lives(self, worker: Worker) -> int:
        """One life after another; the exit status, once there is to be no other."""
        pause = FIRST_PAUSE_SECONDS
        first = True
        while True:
            began = time.monotonic()
            try:
                status = await worker.live()
            except OSError as error:
                _log.error("cannot_start", error=str(error), worker=worker.number)
                status = EXIT_CANNOT_START
            if self._ending:
                return EXIT_STOPPED
            if first and (status is not None or not worker.listening.done()):
                return EXIT_CANNOT_START if status is None else status
            first = False
            if time.monotonic() - began >= GOOD_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._metrics.restarts.inc()
            _log.error("worker_ended", worker=worker.number, status=status, again_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _announce(self, http: Address) -> None:
        where = await asyncio.gather(*(worker.listening for worker in self._workers))
        opa = [one["opa"] for one in where if "opa" in one]
        _log.info(
            "listening",
            version=__version__,
            engine=self._engine.value,
            listen=[address for one in where for address in one["listen"]],
            http=http.text,
            **({"opa": opa[0] if len(opa) == 1 else opa} if opa else {}),
        )

    async def _pass_hangups(self, orders: Orders) -> None:
        while True:
            await orders.hangup.wait()
            orders.hangup.clear()
            for worker in self._workers:
                worker.say(**{HANGUP: True})

    async def _probe(self, worker: Worker) -> None:
        await asyncio.shield(worker.listening)
        missed = 0
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            alive = worker.pid is None or await ask(worker.http, "/healthz") is not None
            missed = 0 if alive else missed + 1
            if missed >= PROBES and not self._ending:
                _log.error("worker_hangs", worker=worker.number)
                worker.kill()
                missed = 0

    async def _end(
        self, lives: "Sequence[asyncio.Task[int]]", stop: "asyncio.Task[signal.Signals]", orders: Orders
    ) -> None:
        sent = stop.result() if stop.done() else signal.SIGINT
        for worker in self._workers:
            worker.say(**{STOP: sent.name})
        again = asyncio.create_task(self._pass_stops(orders))
        longest = self._common.drain_notice_seconds + self._common.drain_grace_seconds + _PARTING_SECONDS
        await asyncio.wait(lives, timeout=longest)
        again.cancel()

    async def _pass_stops(self, orders: Orders) -> None:
        while True:
            sent = await orders.stops.get()
            for worker in self._workers:
                worker.say(**{STOP: sent.name})


def run_workers(settings: Sequence[Settings], engine: EngineName, *, because: str | None = None) -> int:
    """Serve with a worker for each of `settings` until a signal ends it; the exit status.

    `because` says why no faster engine serves.
    """
    configure_logging(settings[0].log_format, settings[0].log_level)
    if because is not None:
        _log.info("engine", engine=engine.value, because=because)
    # Beside the sockets that Envoy asks, where there are such: in a container that may be the one place to write.
    beside = next((a.path.parent for a in settings[0].listen if isinstance(a, UnixAddress)), None)
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".scopegate-", dir=beside) as directory,
            asyncio.Runner(loop_factory=loop_factory()) as runner,
        ):
            return runner.run(_supervised(settings, engine, Path(directory)))
    except OSError as error:
        _log.error("cannot_start", error=str(error))
        return EXIT_CANNOT_START


async def _supervised(settings: Sequence[Settings], engine: EngineName, directory: Path) -> int:
    return await Supervisor(settings, engine, directory).run()
