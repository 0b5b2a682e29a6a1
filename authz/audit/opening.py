"""From what the operator said to a trail that is kept."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from authz.audit.filestore import FileStore
from authz.audit.keys import KeyFileError, load_signer
from authz.audit.options import AuditSettings, AuditTarget, Collector, Mode
from authz.audit.sink import Fate
from authz.audit.store import Descriptor, Store
from authz.audit.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Who is told what becomes of records: counts, sentences for the log, seconds until they are durable."""

    counted: Callable[[Fate, int], None]
    told: Callable[[str], None]
    synced: Callable[[float], None]


class CannotKeepError(Exception):
    """There can be no trail as it was asked for. The text is for the operator."""


def open_trail(settings: AuditSettings, listeners: Listeners) -> Trail | None:
    """The trail, begun; None where none is to be kept. Raises `CannotKeepError`."""
    if settings.target is AuditTarget.OFF:
        return None
    if settings.target is AuditTarget.STDOUT and settings.trail.mode is Mode.STRICT:
        raise CannotKeepError("--audit-mode strict: nothing on stdout is known to be durable; give a file")
    try:
        signer = None if settings.key is None else load_signer(settings.key)
        return Trail(
            _store(settings, listeners),
            settings.trail,
            signer=signer,
            counted=listeners.counted,
            told=listeners.told,
        )
    except KeyFileError as error:
        raise CannotKeepError(str(error)) from None
    except OSError as error:
        raise CannotKeepError(f"audit trail {_name(settings)}: {error.strerror or error}") from None


def _store(settings: AuditSettings, listeners: Listeners) -> Store:
    match settings.target:
        case Path() as path:
            return FileStore(path, rotation=settings.rotation, told=listeners.told, synced=listeners.synced)
        case Collector(url=url):
            from authz.audit.otlpstore import OtlpStore  # noqa: PLC0415 - loads requests, for those who use it

            return OtlpStore(url, synced=listeners.synced)
        case _:
            return Descriptor(sys.stdout.fileno())


def _name(settings: AuditSettings) -> str:
    return settings.target.url if isinstance(settings.target, Collector) else str(settings.target)
