"""cel-cpp's compile errors in words for the person who writes the policy."""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from authz.policy.facts import READERS

_ERROR = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '(.*)' \(in container ''\)\Z")
_OVERLOAD = re.compile(r"found no matching overload for '(.*)' applied to '\((.*)\)'\Z")
_UNEXPECTED = re.compile(
    r"Syntax error: (?:mismatched input|extraneous input|no viable alternative at input) '(.*?)'"
)
_TYPES = {"google.protobuf.Timestamp": "timestamp", "google.protobuf.Duration": "duration"}
_WORDS = (
    *READERS,
    "contains", "duration", "endsWith", "exists", "exists_one", "filter", "getDayOfWeek", "getHours", "matches",
    "size", "startsWith", "timestamp",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CompileError:
    """`line` and `column` count from 1, in code points."""

    message: str
    line: int
    column: int


def explain_compile_error(text: str) -> CompileError:
    """The first error of cel-cpp's report: what follows it is mostly its echo."""
    found = _ERROR.search(text)
    if found is None:
        return CompileError(_reworded(text.partition("\n")[0]), 1, 1)
    line, column, message = int(found[1]), int(found[2]), found[3].removesuffix(" [INVALID_ARGUMENT]")
    if (undeclared := _UNDECLARED.match(message)) is not None:
        # A dotted name is reported at its last dot; the caret belongs under its beginning.
        column -= len(undeclared[1].rpartition(".")[0])
    return CompileError(_reworded(message), max(line, 1), max(column, 1))


def _reworded(message: str) -> str:
    if (undeclared := _UNDECLARED.match(message)) is not None:
        return _unknown(undeclared[1])
    if (overload := _OVERLOAD.match(message)) is not None:
        return _ill_typed(overload[1], overload[2])
    if (unexpected := _UNEXPECTED.match(message)) is not None:
        return "it ends too early" if unexpected[1] == "<EOF>" else f"unexpected `{unexpected[1]}`"
    if "recursion" in message:
        return "nested too deeply (at most 32 levels)"
    return message[:1].lower() + message[1:]


def _unknown(name: str) -> str:
    if name.startswith("request.header"):
        return f"unknown name `{name}`: no condition can read request headers, because the client writes them"
    if name in _WORDS:
        return f"no form of `{name}` takes these arguments"
    parts = [known for known in READERS if known.startswith(f"{name}.")]
    if parts:
        return f"`{name}` alone has no value: say {', '.join(f'`{part}`' for part in parts)}"
    close = get_close_matches(name, _WORDS, n=1)
    return f"unknown name `{name}`" + (f"; did you mean `{close[0]}`?" if close else "")


def _ill_typed(function: str, arguments: str) -> str:
    operator = function.strip("_@").replace("[_]", "[…]")
    for long, short in _TYPES.items():
        arguments = arguments.replace(long, short)
    return f"`{operator or function}` does not take ({arguments})"
