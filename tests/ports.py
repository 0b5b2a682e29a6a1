"""Ports for servers that must be told theirs before they start.

A port that the kernel gave a moment ago is one that it may give the next connection: any client of any test may be
handed it as its own before the server binds. So these lie below the ports that the kernel gives by itself (32768 to
60999 on Linux, net.ipv4.ip_local_port_range; 49152 on macOS), and each is claimed for as long as the process lives,
by a lock that the kernel drops with it, so that two runs beside each other take different ones.
"""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

FIRST, LAST = 20_000, 32_767
_claimed: set[int] = set()


@cache
def _claims() -> int:
    """One file for all of a person's runs, open for writing: its byte N is locked by who has port N.

    Opened once: to close any of a process's handles of a file gives up all of its locks (fcntl(2), "record locks").
    """
    path = Path(tempfile.gettempdir()) / f"scopegate-test-ports-{os.getuid()}"
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses, and nobody else is given while this process lives."""
    order = list(range(FIRST, LAST + 1))
    random.shuffle(order)
    for port in order:
        if port not in _claimed and _claim(port):
            _claimed.add(port)
            return port
    raise RuntimeError(f"no port of {FIRST} to {LAST} is free")


def _claim(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as probe:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        probe.bind(("127.0.0.1", port))
        return True
    return False
