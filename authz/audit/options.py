"""How a trail is kept, as the operator says it. Imports nothing heavy: the command line's help is made from it."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

OTLP_PREFIX: Final = "otlp:"
MAX_QUEUED: Final = 50_000


class AuditTarget(StrEnum):
    """Places for the audit trail that are no file."""

    STDOUT = "stdout"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Collector:
    """An OTLP/HTTP receiver of logs: the URL that they are posted to."""

    url: str


class Mode(StrEnum):
    """When an allow may leave."""

    STRICT = "strict"
    """When its record is durable."""
    BUFFERED = "buffered"
    """When its record is in the queue."""


class Overflow(StrEnum):
    """What happens to allows while the queue is full."""

    REFUSE = "refuse"
    WAIT = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailSettings:
    """How a trail is written. `seal_seconds` counts from the first line that no seal has signed."""

    mode: Mode = Mode.BUFFERED
    overflow: Overflow = Overflow.REFUSE
    max_queued: int = MAX_QUEUED
    seal_records: int = 1_000
    seal_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When a file is put away: at a size, at midnight (UTC), or never."""

    max_bytes: int | None = None
    daily: bool = False
    compress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """Where the trail goes and how it is kept."""

    target: Path | Collector | AuditTarget = AuditTarget.OFF
    trail: TrailSettings = field(default_factory=TrailSettings)
    rotation: Rotation = field(default_factory=Rotation)
    key: Path | None = None
    """The Ed25519 private key that signs seals; without one they only say that the end is one."""
