"""Ending an Envoy so that no client loses an answer.

Told that its health check has failed, Envoy goes on answering, and closes each connection with its next answer
(`Connection: close`, GOAWAY): https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/operations/draining.
New connections are still taken, because those who lead clients here learn of the end later than Envoy does.
"""

import http.client
import re
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Final

from authz.edge.names import LISTENER

_POLL_SECONDS: Final = 0.2
_ADMIN_SECONDS: Final = 5.0
_OPEN: Final = f"http.{LISTENER}.downstream_rq_active"


class AdminError(Exception):
    """Envoy's admin interface cannot be asked, or refuses."""


class Admin:
    """Envoy's admin interface on a socket."""

    def __init__(self, path: str) -> None:
        self._path = path

    def announce_end(self) -> None:
        """Have Envoy close its connections one by one, answer by answer."""
        self._ask("POST", "/healthcheck/fail")

    def open_requests(self) -> int:
        """Requests of clients that are not yet answered in full."""
        text = self._ask("GET", f"/stats?filter=^{re.escape(_OPEN)}$")
        found = re.search(r": ([0-9]+)", text)
        if found is None:
            raise AdminError(f"no `{_OPEN}` in its statistics")
        return int(found[1])

    def _ask(self, method: str, path: str) -> str:
        try:
            with closing(_SocketConnection(self._path)) as connection:
                connection.request(method, path)
                answer = connection.getresponse()
                text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise AdminError(str(error) or type(error).__name__) from error
        if answer.status != 200:
            raise AdminError(f"{method} {path}: got {answer.status}, expected 200")
        return text


def drain_envoy(
    admin: Admin,
    *,
    notice_seconds: float,
    longest_seconds: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> bool:
    """Announce the end, and return when nothing is open (True) or the longest time is over (False).

    Not before `notice_seconds`: until then clients may be led here. Raises `AdminError`.
    """
    began = clock()
    admin.announce_end()
    sleep(notice_seconds)
    while admin.open_requests():
        if clock() - began >= longest_seconds:
            return False
        sleep(_POLL_SECONDS)
    return True


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_ADMIN_SECONDS)
        self._path = path

    # Python 3.11 has no typing.override, hence the remark.
    def connect(self) -> None:  # type: ignore[explicit-override]
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
