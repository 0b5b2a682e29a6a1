"""Conditions of rules: CEL, type-checked when the policy loads, total when a request is decided.

CEL has no loop without end (https://github.com/google/cel-spec), and cel-cpp stops an evaluation after 10,000
steps of its macros. What one step may cost is bounded here: by the length of the text, by how macros may be
nested, and by the number of values that a condition with a macro is shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from cel_expr_python import cel

from authz.errors import Denied, Reason
from authz.identity.principal import Principal
from authz.policy.celmessages import explain_compile_error
from authz.policy.celsyntax import Node, TreeTooDeepError, parse_tree
from authz.policy.celvalues import UnfitError, cel_size, cel_value
from authz.policy.constants import constant_faults
from authz.policy.facts import CLAIMS, READERS, Facts
from authz.policy.policyset import Place
from authz.request import AccessRequest

MAX_CHARACTERS = 4_096
"""Longest accepted condition."""
MAX_NESTED_MACROS = 2
MAX_LOOPED_VALUES = 2_000
"""Most values (of groups and claims together) that a condition with a macro is shown."""

_TYPES = {
    "principal.groups": cel.Type.List(cel.Type.STRING),
    CLAIMS: cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "principal.methods": cel.Type.List(cel.Type.STRING),
    "request.time": cel.Type.TIMESTAMP,
}  # every other variable is a string


class ConditionError(ValueError):
    """A condition that cannot be used. `line` and `column` count from 1 inside its text, in code points."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Condition:
    """A checked condition.

    `reads` names the variables that it reads, and single claims with their name:
    `principal.claims.department`; `principal.claims` alone stands for all of them.
    """

    text: str
    place: Place | None
    reads: frozenset[str]
    variables: frozenset[str] = field(repr=False)
    claims: frozenset[str] = field(repr=False)
    loops: bool = field(repr=False)
    program: cel.Expression = field(repr=False)

    @property
    def reads_request(self) -> bool:
        """Whether the request itself or the time is read: what it says is true of one request only."""
        return any(name.startswith("request.") for name in self.variables)

    # Python 3.11 has no typing.override, hence the remark.
    def __reduce__(self) -> tuple[object, ...]:  # type: ignore[explicit-override]
        """Without compiling it again: the tree that was checked takes a thirtieth of the time."""
        parts = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "program"}
        return _restored, (parts, self.program.serialize())

    def holds(self, principal: Principal, warehouse_name: str, request: AccessRequest, now: float) -> bool:
        """Whether the condition is true. `now` is in seconds since the epoch.

        Raises `Denied(condition_failed)` for whatever is neither true nor false: a missing claim, a value
        that CEL has no type for, too much work. Raises nothing else.
        """
        return self.test(Facts(principal=principal, warehouse=warehouse_name, request=request, now=now))

    def test(self, facts: Facts) -> bool:
        """`holds`, for facts that several rules share."""
        try:
            value = self.program.eval(data=self._data(facts)).value()
        except UnfitError as error:
            raise self._failed(str(error), facts) from None
        except Exception:  # noqa: BLE001 - the runtime raises what it likes; any doubt denies
            raise self._failed("it could not be evaluated", facts) from None
        if value is True or value is False:
            return bool(value)
        # Without the runtime's own text: that quotes the values of claims.
        raise self._failed("it is neither true nor false", facts)

    def _data(self, facts: Facts) -> dict[str, object]:
        data = {name: READERS[name](facts) for name in self.variables}
        if CLAIMS in data:
            data[CLAIMS] = cel_value(data[CLAIMS])
        elif self.claims:
            # No other claims: the runtime converts the whole map, and a value that CEL has no type for must
            # not matter where nobody asks for it.
            known = facts.principal.claims
            data[CLAIMS] = {name: cel_value(known[name]) for name in self.claims if name in known}
        if self.loops and sum(map(cel_size, data.values())) > MAX_LOOPED_VALUES:
            raise UnfitError(f"it loops over more than {MAX_LOOPED_VALUES:,} values")
        return data

    def _failed(self, why: str, facts: Facts) -> Denied:
        absent = sorted(name for name in self.claims if name not in facts.principal.claims)
        hint = f"; claim `{absent[0]}` is missing: test it with `has(…)` first" if absent else ""
        return Denied(Reason.CONDITION_FAILED, f"condition `{' '.join(self.text.split())}`: {why}{hint}")


@cache
def _env() -> cel.Env:
    return cel.NewEnv(variables={name: _TYPES.get(name, cel.Type.STRING) for name in READERS})


def compile_condition(text: str, place: Place | None = None) -> Condition:
    """A condition of CEL text. Raises `ConditionError` for whatever would be wrong for every request.

    That is: syntax, unknown names, types, a result that is not a boolean, constants that fail when they are
    evaluated, and more work than a request may cost.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConditionError(f"{len(text):,} characters long (at most {MAX_CHARACTERS:,})", 1, 1)
    try:
        program = _env().compile(text)
    except (RuntimeError, ValueError) as error:
        problem = explain_compile_error(str(error))
        raise ConditionError(problem.message, problem.line, problem.column) from None
    if program.return_type() != cel.Type.BOOL:
        raise ConditionError(_not_a_boolean(program.return_type().name()), 1, 1)
    try:
        root = parse_tree(program.serialize()).root
    except TreeTooDeepError as error:
        raise ConditionError(str(error), 1, 1) from None
    for node, message in _objections(root):
        raise _error_at(text, node, message)
    reads = frozenset(_reads(root))
    return Condition(
        text=text,
        place=place,
        reads=frozenset(variable if claim is None else f"{variable}.{claim}" for variable, claim in reads),
        variables=frozenset(variable for variable, claim in reads if claim is None),
        claims=frozenset(claim for _, claim in reads if claim is not None),
        loops=any(node.is_macro for node in root.walk()),
        program=program,
    )


def _restored(parts: Mapping[str, Any], checked: bytes) -> Condition:
    return Condition(**parts, program=_env().deserialize(checked))


def _not_a_boolean(name: str) -> str:
    if name == "DYN":
        return "got a claim of unknown type, expected true or false: compare it, for example with `== true`"
    return f"got a value of type {name.lower()}, expected true or false"


def _objections(root: Node) -> Iterator[tuple[Node, str]]:
    for node in root.walk():
        if node.message:
            yield node, f"a condition cannot build a message (`{node.message}`)"
    yield from _nested(root, 0)
    for fault in constant_faults(root, _env()):
        yield fault.node, fault.message


def _nested(node: Node, macros: int) -> Iterator[tuple[Node, str]]:
    """Macros that multiply: lists of lists grow with the square of the groups, a third level with the cube."""
    if node.is_macro:
        if macros and node.builds_a_list:
            yield node, "`map` and `filter` cannot stand inside another macro"
        if macros >= MAX_NESTED_MACROS:
            yield node, f"macros are nested more than {MAX_NESTED_MACROS} deep"
        macros += 1
    for child in node.children():
        yield from _nested(child, macros)


def _reads(node: Node) -> Iterator[tuple[str, str | None]]:
    """The variables that an expression reads; for a claim that is named literally, its name, too."""
    field_of = node.field
    if field_of is not None and field_of[0].name == CLAIMS:
        yield CLAIMS, field_of[1]
        return
    if (name := node.name) is not None and name in READERS:
        yield name, None
    for child in node.children():
        yield from _reads(child)


def _error_at(text: str, node: Node, message: str) -> ConditionError:
    before = text[: node.start]
    return ConditionError(message, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
