"""Logs: one line an event, which no request can forge and no token enters."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from authz.telemetry.logs import LogFormat, configure_logging

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _lines(form: LogFormat, level: str = "info") -> io.StringIO:
    out = io.StringIO()
    configure_logging(form, level, out)
    return out


@pytest.mark.parametrize("form", LogFormat)
@pytest.mark.parametrize(
    "forged", ["a\nevent=ready", "a\r\nb", "\x1b[2J", "a\u2028b", "\u202egnp", "\x00", "\x85"]
)
def test_text_of_a_request_cannot_forge_a_line(form: LogFormat, forged: str) -> None:
    """Line ends, terminal escapes and direction marks are escaped in both formats."""
    out = _lines(form)
    structlog.get_logger("scopegate").info("denied", host=forged, nested={"list": [forged], forged: 1})
    written = out.getvalue()
    assert written.count("\n") == 1
    assert all(char == "\n" or char.isprintable() for char in written)


@pytest.mark.parametrize("form", LogFormat)
@pytest.mark.parametrize(
    "text", [TOKEN, f"got {TOKEN}.", "Authorization: Bearer opaque-secret", "bearer canary"]
)
def test_a_token_is_withheld(form: LogFormat, text: str) -> None:
    """Even where somebody put one into a message by mistake."""
    out = _lines(form)
    structlog.get_logger("scopegate").info("denied", detail=text)
    logging.getLogger("aiohttp").warning("bad request: %s", text)
    for part in (TOKEN, "opaque-secret", "canary"):
        assert part not in out.getvalue()
    assert out.getvalue().count("token withheld") == 2


def _failing() -> None:
    raise ValueError("secret-canary")


@pytest.mark.parametrize("form", LogFormat)
def test_an_exception_shows_its_type_and_place_but_not_its_text(form: LogFormat) -> None:
    """The text of an exception may quote the credential that it stumbled over."""
    out = _lines(form)
    try:
        _failing()
    except ValueError as error:
        structlog.get_logger("scopegate").error("defect", exc_info=error)
        logging.getLogger("asyncio").exception("task failed")
    assert "canary" not in out.getvalue()
    assert out.getvalue().count("ValueError") == 2
    assert out.getvalue().count("_failing") == 2
    assert out.getvalue().count("\n") == 2


def test_json_lines_have_event_level_and_time() -> None:
    """What a log collector needs, under stable names."""
    out = _lines(LogFormat.JSON)
    structlog.get_logger("scopegate").warning("policy_refused", problems=2)
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["problems"]) == ("policy_refused", "warning", 2)
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("level", "events"),
    [("error", []), ("warning", ["lib"]), ("info", ["ready", "lib"]), ("debug", ["ready", "noise", "lib"])],
)
def test_the_level_is_ours_and_libraries_only_warn(level: str, events: list[str]) -> None:
    """A library's every file event is noise, unless one debugs."""
    out = _lines(LogFormat.JSON, level)
    structlog.get_logger("scopegate.engine").info("ready")
    logging.getLogger("watchfiles").info("noise")
    logging.getLogger("aiohttp").warning("lib")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == events


@pytest.mark.parametrize("form", LogFormat)
@pytest.mark.parametrize("value", [ValueError("canary"), b"canary", object(), {"k": {ValueError("canary")}}])
def test_what_is_no_text_shows_its_type_only(form: LogFormat, value: object) -> None:
    """A renderer would call its `repr`, which may quote anything."""
    out = _lines(form)
    structlog.get_logger("scopegate").info("odd", value=value)
    assert "canary" not in out.getvalue()
    assert "0x" not in out.getvalue()


def test_a_long_value_is_cut() -> None:
    """Somebody who sends much must not fill the log with it; how much it was is said."""
    out = _lines(LogFormat.JSON)
    structlog.get_logger("scopegate").info("long", value="a" * 5_000)
    assert json.loads(out.getvalue())["value"] == "a" * 4_096 + "[904 more characters]"


@pytest.mark.parametrize(
    "message",
    [
        "Task exception was never retrieved\nfuture: <Task finished exception=ValueError('canary')>",
        "Exception in callback <function f at 0x7f>('canary')",
        "Unexpected [canary] raised",
    ],
)
def test_a_librarys_words_about_an_exception_are_cut_short(message: str) -> None:
    """asyncio quotes the exception in the message itself."""
    out = _lines(LogFormat.JSON)
    logging.getLogger("asyncio").error(message, exc_info=ValueError("canary"))
    line = json.loads(out.getvalue())
    assert "canary" not in out.getvalue()
    assert line["error"] == "ValueError"
    assert message.startswith(line["event"])
    assert line["event"]
