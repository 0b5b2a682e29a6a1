"""Addresses of listeners and endpoints."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from envoy_data_plane.envoy.config.core import v3 as core

from authz.edge.messages import EdgeError

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._\-]{0,251}[A-Za-z0-9])?\Z")
_MAX_SOCKET_PATH_BYTES = 107
"""sun_path of unix(7), without the closing NUL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnixAddress:
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpAddress:
    """`host` is an IP address (without brackets) or a DNS name."""

    host: str
    port: int

    @property
    def is_ip(self) -> bool:
        """Whether no resolver is needed."""
        return _ip(self.host) is not None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it. A name is never taken for loopback: a resolver decides on it."""
        ip = _ip(self.host)
        return ip is not None and ip.is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where a warehouse is reached, and the authority it is addressed by."""

    address: TcpAddress
    tls: bool
    authority: str


def parse_address(text: str, setting: str) -> UnixAddress | TcpAddress:
    """`unix:/path`, `host:port` or `[ipv6]:port`. Raises `EdgeError` that starts with `setting`."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise EdgeError(f"{setting}: got `{text}`, expected an absolute path after `unix:`")
        if len(path.encode()) > _MAX_SOCKET_PATH_BYTES:
            raise EdgeError(
                f"{setting}: the socket path has {len(path.encode())} bytes, at most {_MAX_SOCKET_PATH_BYTES} are possible"
            )
        return UnixAddress(path=path)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise EdgeError(f"{setting}: got `{text}`, expected `host:port` or `unix:/path`")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not isinstance(_ip(host), ipaddress.IPv6Address):
            raise EdgeError(f"{setting}: got `{text}`, expected an IPv6 address in brackets")
    elif not _HOST.match(host):
        raise EdgeError(f"{setting}: got `{text}`, expected a DNS name or an IP address before the port")
    return TcpAddress(host=host, port=int(port))


def parse_upstream(text: str, setting: str) -> Upstream:
    """`http://host[:port]` or `https://host[:port]`, nothing more. Raises `EdgeError` that starts with `setting`."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise EdgeError(f"{setting}: got `{text}`, expected `http://host:port` or `https://host:port`")
    if "@" in parts.netloc:
        # The text is not repeated: what stands before the `@` is a password.
        raise EdgeError(f"{setting}: the URL carries credentials; use `upstream_api_key_file`")
    tls = parts.scheme == "https"
    standard = 443 if tls else 80
    has_port = bool(re.search(r":[0-9]+\Z", parts.netloc))
    address = parse_address(parts.netloc if has_port else f"{parts.netloc}:{standard}", setting)
    if not isinstance(address, TcpAddress):
        raise EdgeError(f"{setting}: got `{text}`, expected a host and a port")
    return Upstream(address=address, tls=tls, authority=_authority(address, standard))


def to_message(address: UnixAddress | TcpAddress, *, mode: int = 0) -> core.Address:
    """Envoy's form. `mode` are the permission bits of a socket that Envoy creates."""
    match address:
        case UnixAddress():
            return core.Address(pipe=core.Pipe(path=address.path, mode=mode))
        case TcpAddress():
            return core.Address(
                socket_address=core.SocketAddress(address=address.host, port_value=address.port)
            )


def _authority(address: TcpAddress, standard: int) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return host if address.port == standard else f"{host}:{address.port}"


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
