"""The Envoy that a worker lives in."""

import json
from pathlib import Path

import pytest

from authz.telemetry.logs import LogFormat
from authz.transport.addresses import TcpAddress, UnixAddress
from authz.workers.engines import problem_with_pyvoy
from authz.workers.host import host_command

pytestmark = pytest.mark.skipif(
    problem_with_pyvoy() is not None, reason=f"pyvoy cannot serve here: {problem_with_pyvoy()}"
)


def test_it_listens_where_it_is_told_and_nowhere_else() -> None:
    """Sockets are for the owner and the group; no port is shared with another process."""
    addresses = (UnixAddress(Path("/run/a.sock")), TcpAddress("127.0.0.1", 50051))
    command, environment = host_command(addresses, Path("/run/admin"), 100, LogFormat.JSON)
    config = json.loads(command[command.index("--config-yaml") + 1])
    (listener,) = config["static_resources"]["listeners"]
    assert listener["address"] == {"pipe": {"path": "/run/a.sock", "mode": 0o660}}
    assert listener["additional_addresses"] == [
        {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 50051}}}
    ]
    assert listener["enable_reuse_port"] is False
    assert config["admin"]["address"] == {"pipe": {"path": "/run/admin", "mode": 0o600}}
    assert "libpython" in environment["LD_PRELOAD"]


def test_what_was_to_be_loaded_beforehand_still_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's allocator, beside the library of Python that the engine needs."""
    monkeypatch.setenv("LD_PRELOAD", "/lib/mine.so")
    _, environment = host_command(
        (UnixAddress(Path("/run/a.sock")),), Path("/run/admin"), 100, LogFormat.JSON
    )
    first, second = environment["LD_PRELOAD"].split(":")
    assert "libpython" in first
    assert second == "/lib/mine.so"
