"""Constants in a condition that could only fail at run time, found when the policy loads.

CEL's checker knows types, not values: `timestamp("not a date")` has the type of a timestamp, and would deny
every request from then on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from cel_expr_python import cel

from authz.policy.celsyntax import Call, Node
from authz.policy.facts import READERS

_TIMESTAMP_PARTS = frozenset(
    {
        "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours",
        "getMilliseconds", "getMinutes", "getMonth", "getSeconds",
    }
)  # fmt: skip
_TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class Fault:
    """A constant that cannot work, and why."""

    node: Node
    message: str


def constant_faults(root: Node, env: cel.Env) -> Iterator[Fault]:
    """Every constant of the expression that is bound to fail, outermost expressions first."""
    if _is_constant(root):
        yield from _failing(root, env)
        return
    call = root.call
    if call is not None:
        yield from _unusable_arguments(root, call, env)
    for child in root.children():
        yield from constant_faults(child, env)


def _is_constant(node: Node) -> bool:
    """Whether the value is known without a request: no variable, and no name of a macro around it."""
    for part in node.walk():
        name = part.expr.ident_expr.name
        if name and (name in node.bound or (name not in part.bound and name in READERS)):
            return False
    return True


def _failing(node: Node, env: cel.Env) -> Iterator[Fault]:
    """The innermost parts that fail by themselves. `true || 1 / 0 == 1` does not fail, so it has none."""
    error = _error_of(node, env)
    if error is None:
        return
    inner = [
        fault
        for child in node.children()
        if child.bound == node.bound and _is_constant(child)
        for fault in _failing(child, env)
    ]
    yield from inner or [Fault(node, f"always fails: {error}")]


def _error_of(node: Node, env: cel.Env) -> str | None:
    if node.expr.WhichOneof("expr_kind") in {"const_expr", "ident_expr"}:
        return None
    try:
        value = env.deserialize(node.serialize()).eval(data={})
    except Exception as error:  # noqa: BLE001 - the runtime reports through RuntimeError, ValueError and others
        return plain_error(str(error))
    return plain_error(str(value.value())) if value.type() == cel.Type.ERROR else None


def _unusable_arguments(node: Node, call: Call, env: cel.Env) -> Iterator[Fault]:
    """Arguments whose constant value fails whatever the variable beside it turns out to be."""
    operands = call.arguments if call.receiver is None else (call.receiver, *call.arguments)
    if len(operands) != 2:
        return
    argument = operands[1]
    if call.function == "matches":
        yield from _unusable_pattern(argument, env)
    elif call.function in _TIMESTAMP_PARTS and _is_constant(argument):
        yield from _unusable_in(argument, env, _zone_trial())
    elif call.function in {"_/_", "_%_"} and _value(argument, env) == 0:
        yield Fault(node, "division by zero")
    elif call.function == "_[_]" and _is_negative(_value(argument, env)):
        yield Fault(argument, "a list has no negative index")


def _unusable_pattern(pattern: Node, env: cel.Env) -> Iterator[Fault]:
    if _is_constant(pattern):
        yield from _unusable_in(pattern, env, _pattern_trial())
    else:
        # A pattern out of a claim would be the client's: its cost is the server's (regular expression denial
        # of service), and a broken one denies.
        yield Fault(pattern, "the pattern of `matches` must be a constant, not a fact of the request")


def _unusable_in(argument: Node, env: cel.Env, trial: cel.Expression) -> Iterator[Fault]:
    value = _value(argument, env)
    if value is None:  # it fails by itself, and is reported where it does
        return
    tried = trial.eval(data={_TRIAL: value})
    if tried.type() == cel.Type.ERROR:
        yield Fault(argument, plain_error(str(tried.value())))


def _value(node: Node, env: cel.Env) -> object:
    """The value of a constant expression; None if it is not constant or fails."""
    if not _is_constant(node):
        return None
    try:
        value = env.deserialize(node.serialize()).eval(data={})
    except Exception:  # noqa: BLE001 - reported by `_failing`, with its text
        return None
    return None if value.type() == cel.Type.ERROR else value.plain_value()


def _is_negative(value: object) -> bool:
    return isinstance(value, int) and value < 0


@cache
def _trial_env() -> cel.Env:
    return cel.NewEnv(variables={_TRIAL: cel.Type.STRING})


@cache
def _pattern_trial() -> cel.Expression:
    return _trial_env().compile(f'"".matches({_TRIAL})')


@cache
def _zone_trial() -> cel.Expression:
    return _trial_env().compile(f"timestamp(0).getHours({_TRIAL})")


def plain_error(text: str) -> str:
    """cel-cpp's status text without its code before and behind: `INVALID_ARGUMENT: divide by zero`."""
    code, separator, rest = text.partition(": ")
    plain = rest if separator and code.isupper() else text
    plain = plain.removesuffix(f" [{code}]")
    return plain[:1].lower() + plain[1:]
