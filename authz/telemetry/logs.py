"""Logs: one line per notable event, as JSON or for a terminal, that no request can forge and no token enters."""

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path, PurePath
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    CONSOLE = "console"


LOGGER: Final = "scopegate"
"""Every logger of ours has this name or begins with it and a dot."""

# A signed token in compact form (RFC 7515 section 3.1), wherever a library may have put one into its message.
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}={0,2}|(?i:bearer)\s+\S+")
_DETAIL: Final = re.compile(r"[\n<({\[]|\\n")
_WITHHELD: Final = "[token withheld]"
_MOST_CHARACTERS: Final = 4_096
"""Of one value. Somebody who sends much must not fill the log with it."""


def configure_logging(
    form: LogFormat, level: str, stream: TextIO | None = None, *, always: Mapping[str, object] | None = None
) -> None:
    """Send our events from `level` up, and the libraries' warnings, to `stream` (stderr unless given).

    stdout stays free for the audit trail. `always` stands in every line. Call once, at the start of the process.
    """
    out = sys.stderr if stream is None else stream
    said = dict(always or {})
    shared: list[Processor] = [
        lambda _, __, event: {**event, **said},
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        make_printable,
    ]
    renderer: Processor
    match form:
        case LogFormat.JSON:
            renderer = structlog.processors.JSONRenderer(sort_keys=True)
        case LogFormat.CONSOLE:
            renderer = structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                without_library_detail,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                without_exception_text,
                renderer,
            ],
            foreign_pre_chain=shared,
        )
    )
    # A log that cannot be written would else print the exception, with its text, to stderr.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries tell of every file event and request at `info`; their troubles are enough, unless one debugs.
    number = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(number if number <= logging.DEBUG else max(number, logging.WARNING))
    logging.getLogger(LOGGER).setLevel(number)


def make_printable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escape what a request may have brought in: control characters would forge lines or drive a terminal."""
    return {key: value if key == "exc_info" else _printable(value) for key, value in event.items()}


def _printable(value: object) -> object:
    if isinstance(value, str | PurePath):
        text = _TOKEN.sub(_WITHHELD, _shortened(str(value)))
        if text.isprintable():
            return text
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    # What a renderer would make of it may quote anything: an exception its cause, bytes a request.
    return f"[{type(value).__name__}]"


def _shortened(text: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"{text[:_MOST_CHARACTERS]}[{len(text) - _MOST_CHARACTERS} more characters]"


def without_library_detail(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Of a library's line about an exception, keep what it says of itself.

    asyncio's own has the task's or the callback's representation in it, and with that the exception's text.
    """
    if not event.get("_from_structlog") and event.get("exc_info"):
        event["event"] = _DETAIL.split(str(event["event"]), maxsplit=1)[0].rstrip()
    return event


def without_exception_text(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and place: its text may quote a credential that it stumbled over."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event.update(describe(error))
    return event


def describe(error: BaseException) -> dict[str, object]:
    """Type and call stack of an exception, without its text and without any value."""
    return {
        "error": type(error).__name__,
        "frames": [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)[-12:]
        ],
    }
