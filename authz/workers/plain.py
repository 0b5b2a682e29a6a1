"""A worker in a Python process of its own: `python -m authz.workers.plain`, started by the supervisor."""

import asyncio
import os
import signal
import socket
import sys

# gRPC's core would write lines of its own form between ours; what matters of them is in our errors.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from authz.app import checks_of, serve
from authz.orders import Orders, loop_factory
from authz.workers.link import ENDED, LISTENING, Link, obey
from authz.workers.logs import configure
from authz.workers.spec import WorkerSpec


async def _work(spec: WorkerSpec) -> int:
    link = await Link.over(socket.socket(fileno=spec.link))
    orders = Orders()
    obeying = asyncio.create_task(obey(link, orders))
    try:
        status = await serve(
            spec.settings,
            orders,
            make_checks=checks_of(spec.engine),
            listening=lambda where: link.say(**{LISTENING: where}),
        )
        link.say(**{ENDED: status})
        return status
    finally:
        obeying.cancel()
        await link.close()


def main() -> int:
    """Work until told otherwise; the exit status."""
    # The supervisor is told by the terminal or the container, and tells its workers.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    spec = WorkerSpec.inherited()
    configure(spec)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_work(spec))


if __name__ == "__main__":
    sys.exit(main())
