"""The canonical form of a disjunction of conjunctions: merged, absorbed, sorted.

Two conjunctions become one only if they differ in one dimension: then the union of that dimension's constraints
says exactly the same. {region: EU, product: A} or {region: US, product: B} stays two, because
{region: EU, US; product: A, B} would also select (EU, B).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from authz.errors import Denied, Reason
from authz.scopes.conjunctions import Conjunction, narrower_or_equal
from authz.scopes.constraints import Constraint, OneOf, constraint_type
from authz.scopes.union import low_order, union

if TYPE_CHECKING:
    from authz.scopes.values import Value, ValueType

MAX_CONJUNCTIONS = 500
"""Most conjunctions of one row filter after merging; no target takes as many in a header."""


def canonical(conjunctions: Iterable[Conjunction]) -> tuple[Conjunction, ...]:
    """The canonical form of "at least one of these": merged, absorbed, sorted; the same for every order of the input.

    Canonical again, it stays as it is. Raises `Denied(scope_too_large)` beyond `MAX_CONJUNCTIONS`, and
    `TypeError` if constraints on one dimension are of different types.
    """
    current = set(conjunctions)
    _check_types(current)
    while len(current) > 1:
        before = current
        for name in sorted({name for conjunction in current for name, _ in conjunction}):
            current = _merged(current, name)
        if len(current) > MAX_CONJUNCTIONS:
            raise Denied(
                Reason.SCOPE_TOO_LARGE,
                f"a row filter of {len(current)} alternatives, at most {MAX_CONJUNCTIONS} are supported",
            )
        current = _absorbed(current)
        if current == before:
            break
    return tuple(sorted(current, key=_order))


def _check_types(conjunctions: Iterable[Conjunction]) -> None:
    types: dict[str, ValueType] = {}
    for conjunction in conjunctions:
        for name, constraint in conjunction:
            type_ = constraint_type(constraint)
            if types.setdefault(name, type_) is not type_:
                raise TypeError(f"dimension `{name}` is constrained as {types[name]} and as {type_}")


def _merged(conjunctions: set[Conjunction], name: str) -> set[Conjunction]:
    """Merge the conjunctions that differ in `name` only."""
    groups: dict[Conjunction, list[Constraint]] = defaultdict(list)
    result: set[Conjunction] = set()
    for conjunction in conjunctions:
        for at, (dimension, constraint) in enumerate(conjunction):
            if dimension == name:
                groups[conjunction[:at] + conjunction[at + 1 :]].append(constraint)
                break
        else:
            result.add(conjunction)
    for rest, constraints in groups.items():
        # The rest may be empty (a filter of this dimension alone); the constraint always goes back in.
        for constraint in union(constraints) if len(constraints) > 1 else constraints:
            result.add(tuple(sorted((*rest, (name, constraint)), key=lambda item: item[0])))
    return result


def _absorbed(conjunctions: set[Conjunction]) -> set[Conjunction]:
    """Drop each conjunction whose rows another one selects, too; of two that say the same, the later one in order."""
    if len(conjunctions) < 2:
        return conjunctions
    index = _WiderIndex(conjunctions)
    return {candidate for candidate in conjunctions if not any(index.absorbing(candidate))}


class _WiderIndex:
    """Finds the conjunctions that may be wider than a given one without looking at all pairs.

    Whatever contains {region: EU, UK} has no constraint on region, a range, or a list with EU in it. So each
    conjunction is filed under every value of its shortest list; those without a list are looked at always.
    """

    def __init__(self, conjunctions: Iterable[Conjunction]) -> None:
        self._by_value: dict[tuple[str, Value], list[Conjunction]] = defaultdict(list)
        self._without_list: list[Conjunction] = []
        for conjunction in conjunctions:
            lists = [(name, c.values) for name, c in conjunction if isinstance(c, OneOf)]
            if not lists:
                self._without_list.append(conjunction)
                continue
            name, values = min(lists, key=lambda entry: (len(entry[1]), entry[0]))
            for value in values:
                self._by_value[name, value].append(conjunction)

    def absorbing(self, narrow: Conjunction) -> Iterator[Conjunction]:
        for wide in self._candidates(narrow):
            if wide is narrow or not narrower_or_equal(narrow, wide):
                continue
            if not narrower_or_equal(wide, narrow) or _order(wide) < _order(narrow):
                yield wide

    def _candidates(self, narrow: Conjunction) -> Iterator[Conjunction]:
        yield from self._without_list
        for name, constraint in narrow:
            first = constraint.values[0] if isinstance(constraint, OneOf) else constraint.low
            if first is not None:
                yield from self._by_value.get((name, first), ())


def _order(conjunction: Conjunction) -> tuple[Any, ...]:
    return tuple((name, *_constraint_order(constraint)) for name, constraint in conjunction)


def _constraint_order(constraint: Constraint) -> tuple[Any, ...]:
    return (0, constraint.values) if isinstance(constraint, OneOf) else (1, *low_order(constraint))
