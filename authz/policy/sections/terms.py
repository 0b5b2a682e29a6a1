"""What a rule says of one dimension: `all`, values, a range, a rolling window, or a claim."""

import re
from datetime import timedelta
from typing import Any

from authz.policy.problems import did_you_mean
from authz.policy.report import Path
from authz.policy.sections.context import Context
from authz.policy.sections.units import WrongError, parse_duration, shown
from authz.policy.terms import ALL_VALUES, Fixed, FromClaim, Last, ScopeTerm
from authz.scopes.constraints import between, one_of
from authz.scopes.values import InvalidValueError, Value, ValueType, parse_value

MAX_VALUES = 10_000
"""Most values of one list."""

_DAY = timedelta(days=1)
_KEYS = ("last", "step", "from", "through", "after", "before", "claim", "max_values")
_BOUNDS = ("from", "after", "through", "before")
_CLAIM = re.compile(r"[^\s\x00-\x1f]+\Z")
_FORMS = "`all`, a list of values, `{last: …}`, `{from: …, through: …}` or `{claim: …}`"


def read_term(context: Context, path: Path, dimension: str, type: ValueType, raw: Any) -> ScopeTerm | None:  # noqa: A002 - as in scopes
    """The term at `path`, or None after a problem."""
    if raw == "all" and isinstance(raw, str):
        return ALL_VALUES
    memory = (dimension, repr(raw))
    term = context.terms.get(memory)
    if term is None:
        term = _Reader(context, path, type).read(raw)
        if term is not None:
            context.terms[memory] = term
    return term


def check_form(context: Context, path: Path, raw: Any) -> None:
    """What can be said of a term whose dimension has no known type."""
    if not isinstance(raw, list | dict) and raw != "all":
        context.report.add("scope", path, *_no_form(raw))


def _no_form(raw: Any) -> tuple[str, str | None]:
    return f"got {shown(raw)}, expected {_FORMS}", _scalar_help(raw)


class _RefusedError(Exception):
    """One thing is wrong with the term, at `path` inside it."""

    def __init__(self, path: Path, message: str, help: str | None = None, code: str = "scope") -> None:  # noqa: A002 - the word of the report
        super().__init__(message)
        self.problem = (path, message, help, code)


class _Reader:
    """One term."""

    def __init__(self, context: Context, path: Path, type: ValueType) -> None:  # noqa: A002 - as in scopes
        self._context = context
        self._path = path
        self._type = type

    def read(self, raw: Any) -> ScopeTerm | None:
        try:
            return self._read(raw)
        except _RefusedError as refused:
            self._report(*refused.problem)
            return None

    def _report(self, path: Path, message: str, help: str | None, code: str) -> None:  # noqa: A002 - the word of the report
        self._context.report.add(code, self._path + path, message, help)

    def _read(self, raw: Any) -> ScopeTerm | None:
        if isinstance(raw, list):
            return self._values(raw)
        if isinstance(raw, dict):
            return self._mapping(raw)
        raise _RefusedError((), *_no_form(raw))

    def _values(self, raw: list[Any]) -> ScopeTerm | None:
        if len(raw) > MAX_VALUES:
            raise _RefusedError((), f"a list of {len(raw)} values, at most {MAX_VALUES} are possible")
        values = [self._value((number,), value) for number, value in enumerate(raw)]
        if any(value is None for value in values):
            return None
        return Fixed(one_of(value for value in values if value is not None))

    def _value(self, path: Path, raw: Any) -> Value | None:
        """The value at `path`, or None after a problem: all wrong values of a list are reported."""
        try:
            return parse_value(self._type, raw)
        except InvalidValueError as error:
            message, hint = f"got {shown(raw)}, expected {error.expected}", _value_help(self._type, raw)
        if raw == "all":
            message, hint = "`all` is a word, not a value", "write it without brackets"
        self._report(path, message, hint, "value")
        return None

    def _mapping(self, raw: dict[str, Any]) -> ScopeTerm | None:
        unknown = [key for key in raw if key not in _KEYS]
        for key in unknown:
            self._context.report.add(
                "unknown_key", (*self._path, key), f"unknown key `{key}`", did_you_mean(key, _KEYS), key=True
            )
        if unknown:
            return None
        keys = frozenset(raw)
        if "last" in keys and keys <= {"last", "step"}:
            return self._last(raw)
        if "claim" in keys and keys <= {"claim", "max_values"}:
            return self._claim(raw)
        if keys and keys <= frozenset(_BOUNDS):
            return self._range(raw)
        hint = "one form at a time; a restriction can add another" if raw else None
        said = "an empty mapping" if not raw else "the keys " + ", ".join(f"`{key}`" for key in raw)
        raise _RefusedError((), f"got {said}, expected {_FORMS}", hint)

    def _last(self, raw: dict[str, Any]) -> ScopeTerm | None:
        if self._type not in {ValueType.DATE, ValueType.TIMESTAMP}:
            raise _RefusedError(
                (),
                f"a rolling window over values of type {self._type.value}",
                "only dates and timestamps pass",
            )
        window = self._duration("last", raw["last"])
        step = self._duration("step", raw["step"]) if "step" in raw else None
        if self._type is ValueType.DATE:
            for key, value in (("last", window), ("step", step)):
                if value is not None and value % _DAY:
                    raise _RefusedError(
                        (key,), f"got `{raw[key]}`, expected whole days for a date", "such as `400d`"
                    )
        if step is None:
            step = default_step(self._type, window)
        if step > window:
            raise _RefusedError(
                ("step" if "step" in raw else "last",),
                f"the window `{raw['last']}` is shorter than its step `{raw.get('step', _seconds_text(step))}`",
            )
        return Last(window=window, step=step)

    def _duration(self, key: str, raw: Any) -> timedelta:
        try:
            duration = parse_duration(raw)
        except WrongError as wrong:
            raise _RefusedError((key,), str(wrong), wrong.help, "value") from None
        if not duration:
            raise _RefusedError((key,), f"got `{raw}`, expected more than nothing", None, "value")
        return duration

    def _claim(self, raw: dict[str, Any]) -> ScopeTerm | None:
        claim, most = raw["claim"], raw.get("max_values", 1_000)
        if (
            not isinstance(claim, str)
            or not _CLAIM.match(claim)
            or len(claim) > 256
            or "" in claim.split(".")
        ):
            raise _RefusedError(
                ("claim",), f"got {shown(claim)}, expected the name of a claim", None, "value"
            )
        if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= MAX_VALUES:
            raise _RefusedError(
                ("max_values",),
                f"got {shown(most)}, expected a whole number from 1 to {MAX_VALUES}",
                None,
                "value",
            )
        return FromClaim(path=tuple(claim.split(".")), max_values=most)

    def _range(self, raw: dict[str, Any]) -> ScopeTerm | None:
        for one, other in (("from", "after"), ("through", "before")):
            if one in raw and other in raw:
                raise _RefusedError(
                    (other,), f"`{one}` and `{other}` are two bounds on the same side", "keep one of them"
                )
        if self._type is ValueType.BOOLEAN:
            raise _RefusedError((), "a range of booleans", "write `[true]`, `[false]` or `all`")
        bounds = {key: self._value((key,), raw[key]) for key in raw}
        if any(value is None for value in bounds.values()):
            return None
        low = bounds.get("from", bounds.get("after"))
        high = bounds.get("through", bounds.get("before"))
        constraint = between(
            self._type, low=low, high=high, low_open="after" in bounds, high_open="before" in bounds
        )
        if constraint is None:
            first, last = (key for key in _BOUNDS if key in raw)
            raise _RefusedError(
                (),
                f"the range {first} `{raw[first]}` {last} `{raw[last]}` is empty",
                "are the bounds the wrong way round?",
            )
        return Fixed(constraint)


def default_step(type: ValueType, window: timedelta) -> timedelta:  # noqa: A002 - as in scopes
    """A day for dates. For timestamps an hour, in windows of less than a day a minute, of less than an hour a second."""
    if type is ValueType.DATE:
        return _DAY
    if window >= _DAY:
        return timedelta(hours=1)
    return timedelta(minutes=1) if window >= timedelta(hours=1) else timedelta(seconds=1)


def _seconds_text(duration: timedelta) -> str:
    return f"{duration.total_seconds():g}s"


def _scalar_help(raw: Any) -> str | None:
    if raw is None:
        return "write `all` for every value"
    if isinstance(raw, str):
        if raw.lower() in {"all", "any", "*", "everything"}:
            return "did you mean `all`?"
        parts = [part.strip() for part in raw.split(",") if part.strip()]
        return f"write `[{', '.join(parts)}]`"
    return f"write `[{str(raw).lower() if isinstance(raw, bool) else raw}]`"


def _value_help(type: ValueType, raw: Any) -> str | None:  # noqa: A002 - as in scopes
    match type:
        case ValueType.STRING if isinstance(raw, bool):
            return f"quote it: `'{str(raw).lower()}'`"
        case ValueType.STRING if raw is None:
            return "quote it, if it is a word"
        case ValueType.STRING if not isinstance(raw, str | list | dict):
            return f"quote it: `'{raw}'`"
        case ValueType.INTEGER if isinstance(raw, str) and raw.strip().lstrip("-").isdigit():
            return "write it without quotes"
        case ValueType.BOOLEAN if isinstance(raw, str) and raw.lower() in {"yes", "no", "on", "off"}:
            return "YAML 1.2 writes `true` and `false`"
        case _:
            return None
