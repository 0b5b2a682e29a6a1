"""The syntax tree of a checked CEL expression: which names it reads, where its parts stand, which are constant.

cel-expr-python compiles and evaluates, but does not show its tree. It does serialize it (`cel.expr.CheckedExpr`
in a `google.protobuf.Any`), and takes such a tree back, which is how a part of an expression can be evaluated alone.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from authz._pb.cel.checked_pb2 import CheckedExpr, Envelope, Expr

if TYPE_CHECKING:
    from collections.abc import Iterator

_TYPE_URL = "type.googleapis.com/cel.expr.CheckedExpr"
_INDEX = "_[_]"


class TreeTooDeepError(ValueError):
    """The tree is nested deeper than protobuf reads."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function call: `receiver` is None unless it is a member call."""

    function: str
    receiver: "Node | None"
    arguments: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One sub-expression, with the names that are bound around it by a macro."""

    tree: "Tree"
    expr: Expr
    bound: frozenset[str]

    @property
    def call(self) -> Call | None:
        """The call that this expression is, if it is one."""
        if self.expr.WhichOneof("expr_kind") != "call_expr":
            return None
        call = self.expr.call_expr
        receiver = self._within(call.target) if call.HasField("target") else None
        return Call(call.function, receiver, tuple(self._within(argument) for argument in call.args))

    @property
    def message(self) -> str:
        """The name of the protobuf message that this expression builds; empty if it builds none."""
        return self.expr.struct_expr.message_name

    @property
    def is_macro(self) -> bool:
        """Whether this is `all`, `exists`, `exists_one`, `map` or `filter`: a loop over a list or map."""
        return bool(self.expr.HasField("comprehension_expr"))

    @property
    def builds_a_list(self) -> bool:
        """Whether this is `map` or `filter`."""
        return self.is_macro and bool(
            self.expr.comprehension_expr.accu_init.WhichOneof("expr_kind") == "list_expr"
        )

    @property
    def text(self) -> str | None:
        """The value of a string literal."""
        constant = self.expr.const_expr
        return constant.string_value if constant.WhichOneof("constant_kind") == "string_value" else None

    @property
    def name(self) -> str | None:
        """The variable that this expression names, unless a macro has bound the name."""
        name = self.expr.ident_expr.name
        return name if name and name not in self.bound else None

    @property
    def field(self) -> "tuple[Node, str] | None":
        """Operand and literal key of `a.b`, `has(a.b)`, `a["b"]` and `"b" in a`."""
        if self.expr.WhichOneof("expr_kind") == "select_expr":
            return self._within(self.expr.select_expr.operand), self.expr.select_expr.field
        call = self.call
        if call is None or call.function not in {_INDEX, "@in"}:
            return None
        operand, key = call.arguments if call.function == _INDEX else call.arguments[::-1]
        return (operand, key.text) if key.text is not None else None

    @property
    def position(self) -> int:
        """Where the expression stands in the text, in code points from the start."""
        return self.tree.positions.get(self.expr.id, 0)

    @property
    def start(self) -> int:
        """Where the leftmost part of the expression stands: an operator itself stands in the middle."""
        return min(map(_origin, self.walk()))

    def children(self) -> "Iterator[Node]":
        """The direct parts, in the order of the text as far as CEL has one."""
        match self.expr.WhichOneof("expr_kind"):
            case "select_expr":
                yield self._within(self.expr.select_expr.operand)
            case "call_expr":
                call = self.expr.call_expr
                if call.HasField("target"):
                    yield self._within(call.target)
                yield from map(self._within, call.args)
            case "list_expr":
                yield from map(self._within, self.expr.list_expr.elements)
            case "struct_expr":
                for entry in self.expr.struct_expr.entries:
                    if entry.HasField("map_key"):
                        yield self._within(entry.map_key)
                    yield self._within(entry.value)
            case "comprehension_expr":
                yield from self._loop()
            case _:
                return

    def walk(self) -> "Iterator[Node]":
        """Yield the expression and every part of it, outermost first."""
        yield self
        for child in self.children():
            yield from child.walk()

    def serialize(self) -> bytes:
        """Serialize the expression alone, in the form that `cel.Env.deserialize` takes."""
        alone = CheckedExpr()
        alone.CopyFrom(self.tree.checked)
        alone.expr.CopyFrom(self.expr)
        return bytes(Envelope(type_url=_TYPE_URL, value=alone.SerializeToString()).SerializeToString())

    def _within(self, expr: Expr) -> "Node":
        return Node(self.tree, expr, self.bound)

    def _loop(self) -> "Iterator[Node]":
        loop = self.expr.comprehension_expr
        accumulated = self.bound | {loop.accu_var}
        inside = accumulated | {name for name in (loop.iter_var, loop.iter_var2) if name}
        yield self._within(loop.iter_range)
        yield self._within(loop.accu_init)
        yield Node(self.tree, loop.loop_condition, inside)
        yield Node(self.tree, loop.loop_step, inside)
        yield Node(self.tree, loop.result, accumulated)


def _origin(node: Node) -> int:
    """A plain call stands at its parenthesis and a dotted variable at its last dot; an operator in the middle."""
    call = node.expr.call_expr
    before = node.expr.ident_expr.name.rpartition(".")[0]
    if call.function.isidentifier() and not call.HasField("target"):
        before = call.function
    return max(0, node.position - len(before))


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A whole expression."""

    checked: CheckedExpr
    positions: dict[int, int]

    @property
    def root(self) -> Node:
        return Node(self, self.checked.expr, frozenset())


def parse_tree(serialized: bytes) -> Tree:
    """The tree of a serialized `cel.Expression`. Raises `TreeTooDeepError`."""
    try:
        checked = CheckedExpr.FromString(Envelope.FromString(serialized).value)
    except DecodeError:
        # Every level of an expression is two or three nested messages, and protobuf stops at 100.
        raise TreeTooDeepError("nested too deeply") from None
    return Tree(checked, dict(checked.source_info.positions))
