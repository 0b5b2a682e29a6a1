"""Where the servers listen: a TCP address or a UNIX socket."""

import os
import re
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TCP: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})\Z")
_MAX_SOCKET_PATH: Final = 107  # sun_path of unix(7), without its NUL

SOCKET_MODE: Final = 0o660
"""For the owner and the group that Envoy runs in; nobody else may ask."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """`host` is a name or an address (IPv6 without brackets); `port` 0 asks for a free one."""

    host: str
    port: int

    @property
    def text(self) -> str:
        """As it is written on the command line."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    path: Path

    @property
    def text(self) -> str:
        """As it is written on the command line."""
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress


def parse_address(text: str) -> Address:
    """Read `host:port`, `[::1]:port` or `unix:/absolute/path`. Raises ValueError with got and expected."""
    if text.startswith("unix:"):
        path = Path(text.removeprefix("unix:"))
        if not path.is_absolute():
            raise ValueError(f"got `{text}`, expected an absolute path after `unix:`")
        if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
            raise ValueError(f"`{text}` is longer than the {_MAX_SOCKET_PATH} bytes a socket's path may have")
        return UnixAddress(path)
    match = _TCP.match(text)
    if match is None or int(match["port"]) > 65_535:
        raise ValueError(f"got `{text}`, expected `host:port` or `unix:/path`")
    return TcpAddress(match["host"].strip("[]"), int(match["port"]))


def clear_stale_socket(path: Path) -> None:
    """Remove the socket file that a killed process left behind, so that its successor can bind.

    Raises OSError if somebody still listens there or if it is no socket: neither is ours to remove.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(f"{path} exists and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise OSError(f"another process listens on {path}")


def check_free(address: TcpAddress) -> None:
    """Raise OSError if the address cannot be bound. For who has another process bind it, to say so in good words."""
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        with socket.create_server((address.host, address.port), family=family):
            return
    except OSError as error:
        raise OSError(f"cannot listen on {address.text}: is it taken, or not ours to bind?") from error
