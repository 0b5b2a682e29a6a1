"""Small texts with a meaning of their own: durations, rates, moments, addresses."""

import re
from datetime import UTC, date, datetime, time, timedelta

from authz.policy.policyset import RateLimit

DURATION_PATTERN = r"^(?:[0-9]{1,9}(?:ms|s|m|h|d|w))$"
RATE_PATTERN = r"^[0-9]{1,9}/(?:s|min|h|d)$"

_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d|w)\Z", re.ASCII)
_RATE = re.compile(r"([0-9]{1,9})/(s|min|h|d)\Z", re.ASCII)
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_LONGEST = timedelta(days=36_525)


class WrongError(ValueError):
    """A text that does not mean what its place asks for: what was got and expected, and what to do about it."""

    def __init__(self, message: str, help: str | None = None) -> None:  # noqa: A002 - the word of the report
        super().__init__(message)
        self.help = help


def shown(raw: object) -> str:
    """A value of the document for a message: its kind and, if it is short, its text."""
    match raw:
        case None:
            return "nothing"
        case bool():
            return f"the word `{str(raw).lower()}`"
        case str():
            return f"`{raw}`" if len(raw) <= 80 else f"a text of {len(raw)} characters"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return f"the number `{raw}`"


def parse_duration(raw: object) -> timedelta:
    """`60s`, `12h`, `400d`: a whole number of ms, s, m, h, d or w. Raises WrongError."""
    found = _DURATION.match(raw) if isinstance(raw, str) else None
    if found is None:
        hint = "write a whole number with its unit, such as `60s`, `12h` or `400d`"
        if isinstance(raw, int) and not isinstance(raw, bool):
            hint = f"say the unit, such as `{raw}s` or `{raw}d`"
        raise WrongError(f"got {shown(raw)}, expected a duration", hint)
    result = int(found[1]) * _UNITS[found[2]] if int(found[1]) <= 10**8 else _LONGEST * 2
    if result > _LONGEST:
        raise WrongError(f"got {shown(raw)}, expected a duration of at most a century")
    return result


def duration_text(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads back."""
    unit = next(
        (unit for unit in ("w", "d", "h", "m", "s") if duration and not duration % _UNITS[unit]), "ms"
    )
    return f"{duration // _UNITS[unit]}{unit}"


def parse_rate(raw: object) -> RateLimit:
    """`5/s`, `120/min`, `1000/h`. Raises WrongError."""
    found = _RATE.match(raw) if isinstance(raw, str) else None
    if found is None:
        hint = "write requests and unit, such as `5/s`, `120/min` or `1000/h`"
        if isinstance(raw, int) and not isinstance(raw, bool):
            hint = f"say the unit, such as `{raw}/min`"
        elif isinstance(raw, str) and re.fullmatch(r"[0-9]+/(?:m|minute)", raw):
            hint = f"write `{raw.partition('/')[0]}/min`"
        raise WrongError(f"got {shown(raw)}, expected a rate", hint)
    requests = int(found[1])
    if requests == 0:
        raise WrongError(
            "got a rate of 0, expected at least one request",
            "a deny with `when: 'true'` closes a warehouse",
        )
    return RateLimit(requests=requests, seconds=_SECONDS[found[2]])


def rate_text(rate: RateLimit) -> str:
    """The text that `parse_rate` reads back."""
    return f"{rate.requests}/{next(unit for unit, seconds in _SECONDS.items() if seconds == rate.seconds)}"


def parse_moment(raw: object) -> float:
    """A date (its first moment in UTC) or an RFC 3339 timestamp, in seconds since the epoch. Raises WrongError."""
    if isinstance(raw, str):
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", raw):
                return datetime.combine(date.fromisoformat(raw), time(), UTC).timestamp()
            if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:", raw):
                return _aware(datetime.fromisoformat(raw.upper()), raw).timestamp()
        except WrongError:
            raise
        except (ValueError, OverflowError) as error:
            raise WrongError(f"got `{raw}`, expected a date or a timestamp that exists: {error}") from None
    raise WrongError(
        f"got {shown(raw)}, expected a date or a timestamp", "write `2026-01-31` or `2026-01-31T18:00:00Z`"
    )


def _aware(moment: datetime, raw: str) -> datetime:
    if moment.tzinfo is None:
        raise WrongError(f"got `{raw}`, expected a timestamp with its zone", f"write `{raw}Z` for UTC")
    return moment


_HOST_PORT = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})\Z", re.ASCII
)


def parse_address(raw: object, *, sockets: bool = True) -> str:
    """`host:port`, `[::1]:port` or, where `sockets` may stand, `unix:/path`. Raises WrongError."""
    expected = "`host:port` or `unix:/path`" if sockets else "`host:port`"
    if not isinstance(raw, str):
        raise WrongError(f"got {shown(raw)}, expected {expected}", "such as `0.0.0.0:8443`")
    if raw.startswith("unix:"):
        if not sockets:
            raise WrongError(f"got `{raw}`, expected {expected}")
        # sun_path holds 108 bytes with its final NUL (Linux, unix(7)).
        if not raw.startswith("unix:/") or len(raw.removeprefix("unix:").encode()) > 107 or "\0" in raw:
            raise WrongError(
                f"got {shown(raw)}, expected an absolute path of at most 107 bytes after `unix:`",
                "such as `unix:/run/scopegate/scopegate.sock`",
            )
        return raw
    found = _HOST_PORT.match(raw)
    if found is None:
        hint = (
            f"say the host, too, such as `0.0.0.0{raw}`" if raw.startswith(":") else "such as `0.0.0.0:8443`"
        )
        raise WrongError(f"got {shown(raw)}, expected {expected}", hint)
    if not 1 <= int(found[1]) <= 65_535:
        raise WrongError(f"got the port `{found[1]}`, expected 1 to 65535")
    return raw
