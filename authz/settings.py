"""What `scopegate serve` was told on its command line and in its environment, parsed once.

No other module reads the environment.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz.audit.options import AuditSettings
from authz.telemetry.logs import LogFormat
from authz.transport.addresses import Address, TcpAddress

ENVIRONMENT_PREFIX: Final = "SCOPEGATE"
"""`SCOPEGATE_POLICY` stands for `--policy`, and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one server process. `policy` is a file or a directory of files."""

    policy: Path
    listen: tuple[Address, ...]
    http: Address
    """Where operators ask; a UNIX socket if that is a supervisor."""
    opa: TcpAddress | None
    """Where Trino's OPA plugin asks; nowhere, if None."""
    log_format: LogFormat
    log_level: str
    audit: AuditSettings
    remember: int
    """How many principals, decisions and answers are kept ready, each."""
    traces: str | None
    """URL of the OpenTelemetry collector that spans of sampled checks go to (`http://host:4318/v1/traces`)."""
    traces_per_second: float
    """How many checks of sampled traces are traced in a second; a client may have said that its trace is kept."""
    drain_notice_seconds: float
    """How long to go on answering after SIGTERM, so that Envoy's health checks notice first."""
    drain_grace_seconds: float
    """The bound for checks that are in flight when the server stops."""
