"""What a warehouse's forms may be unable to say, found before anybody asks: for `scopegate check`.

The policy cannot import this (it knows no rendering), so the command that checks a policy asks both.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, islice
from typing import Final, assert_never

from authz.errors import Denied, Reason
from authz.policy.facts import TOLD_BY_WAREHOUSES
from authz.policy.policyset import Grant, HeaderForm, Restriction, Warehouse
from authz.policy.resolve import scope_of
from authz.policy.tables import WarehouseKind
from authz.policy.terms import AllValues, Fixed, FromClaim, Last, ScopeTerm
from authz.rendering.assertion import scope_claims
from authz.rendering.dialects import DIALECTS
from authz.rendering.headers import form_headers
from authz.rendering.minting import check_fits
from authz.rendering.owned import RESERVED_DIMENSIONS, dimension_header
from authz.rendering.query import owned_parameters, scope_parameters
from authz.rendering.targets import clickhouse, filtered, postgrest
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import Constraint, OneOf, implies
from authz.scopes.datascope import DataScope
from authz.scopes.rowfilter import RowFilter, everything, where
from authz.scopes.union import union

Rule = Grant | Restriction

MAX_PAIRS: Final = 50_000
"""Pairs of grants that are compared at most; the first is always compared with all, so little is missed beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """A form of a warehouse that will, or may, answer a request with a denial.

    `form` is `values`, `json`, `sql`, `assertion`, `query`, `filter`, `none` or the kind of the warehouse; `rules` are
    the ids that lead to it, none if the warehouse itself does.
    """

    form: str
    reason: Reason
    message: str
    rules: tuple[str, ...] = ()


def expressible(
    warehouse: Warehouse, grants: Sequence[Grant], restrictions: Sequence[Restriction] = ()
) -> tuple[Obstacle, ...]:
    """What the forms of a warehouse can fail at for the rules on it; empty if they can say everything.

    Values from claims are not known here: what only they can do (their size, their characters) is not found.
    """
    own = [grant for grant in grants if warehouse.name in grant.on]
    rules: list[Rule] = [*own, *(rule for rule in restrictions if warehouse.name in rule.on)]
    broken = tuple(_warehouse_obstacles(warehouse))
    forms = {obstacle.form for obstacle in broken}
    return (
        *broken,
        *(found for rule in rules for found in _rule_obstacles(warehouse, rule) if found.form not in forms),
        *(found for found in _pair_obstacles(warehouse, own) if found.form not in forms),
    )


def _refused(form: str, message: str, *rules: Rule) -> Obstacle:
    ids = tuple(rule.id for rule in rules)
    return Obstacle(form=form, reason=Reason.SCOPE_NOT_EXPRESSIBLE, message=message, rules=ids)


def _warehouse_obstacles(warehouse: Warehouse) -> Iterator[Obstacle]:
    if HeaderForm.SQL in warehouse.headers and warehouse.dialect not in DIALECTS:
        known = ", ".join(f"`{name}`" for name in DIALECTS)
        yield _refused("sql", f"unknown SQL dialect `{warehouse.dialect}`, expected one of {known}")
    if HeaderForm.VALUES in warehouse.headers:
        names = [dimension_header(dimension) for dimension in warehouse.dimensions]
        for dimension, name in zip(warehouse.dimensions, names, strict=True):
            if dimension in RESERVED_DIMENSIONS or names.count(name) > 1:
                yield _refused("values", f"dimension `{dimension}` has no header of its own: `{name}`")
    if len(owned_parameters(warehouse.query.values())) != len(warehouse.query) + 1:
        yield _refused("query", "two query parameters have the same name, or one has Scopegate's own")
    told = warehouse.headers or warehouse.query or warehouse.filter is not None
    if warehouse.kind is WarehouseKind.HTTP and not told:
        yield _refused("none", "the warehouse takes no form of a row filter")


def _rule_obstacles(warehouse: Warehouse, rule: Rule) -> Iterator[Obstacle]:
    """What one rule's own values lead to."""
    rows = _known_rows(warehouse, rule)
    if rows is None:
        return
    scope = scope_of(warehouse, rows, (ColumnMask.CLEAR,) * len(warehouse.label_names))
    for form in warehouse.headers:
        try:
            if form is HeaderForm.ASSERTION:
                check_fits(scope_claims(warehouse, scope))
            else:
                tuple(form_headers(form, warehouse, scope))
        except Denied as denied:
            yield Obstacle(form=form.value, reason=denied.reason, message=denied.detail, rules=(rule.id,))
    yield from _obstacle(warehouse.kind.value, rule, lambda: _check_kind(warehouse, scope))
    yield from _opa_obstacles(warehouse, rule)
    if warehouse.filter is not None:
        check = partial(filtered.own_filter, warehouse, warehouse.filter, rows)
        yield from _obstacle("filter", rule, check)
    yield from _query_obstacles(warehouse, rule, rows)


def _obstacle(form: str, rule: Rule, check: Callable[[], object]) -> Iterator[Obstacle]:
    try:
        check()
    except Denied as denied:
        yield Obstacle(form=form, reason=denied.reason, message=denied.detail, rules=(rule.id,))


def _query_obstacles(warehouse: Warehouse, rule: Rule, rows: RowFilter) -> Iterator[Obstacle]:
    if not warehouse.query:
        return
    for name, term in _terms(warehouse, rule).items():
        if name not in warehouse.query and not isinstance(term, AllValues):
            yield _refused("query", f"dimension `{name}` is constrained and has no query parameter", rule)
            return
    yield from _obstacle("query", rule, lambda: scope_parameters(warehouse, rows))


def _opa_obstacles(warehouse: Warehouse, rule: Rule) -> Iterator[Obstacle]:
    """What Trino's OPA plugin cannot be told, and its users are therefore refused."""
    if warehouse.trino.opa_issuer is None:
        return
    hashed = [label for label in warehouse.label_names if rule.columns.get(label) is ColumnMask.HASH]
    if hashed:
        yield _refused(
            "opa",
            f"label `{hashed[0]}` is masked by `hash`, whose key would stand in SQL that people can read: "
            "for users of the OPA plugin its columns are closed",
            rule,
        )
    untold = sorted((rule.when.reads if rule.when is not None else frozenset()) - TOLD_BY_WAREHOUSES)
    if untold:
        yield _refused(
            "opa",
            f"the condition reads `{untold[0]}`, of which Trino says nothing: users of the OPA plugin whom the "
            "rule is for are denied",
            rule,
        )
    claims = [term for term in _terms(warehouse, rule).values() if isinstance(term, FromClaim)]
    if claims:
        yield _refused(
            "opa",
            f"values come from the claim `{'.'.join(claims[0].path)}`, of which Trino says nothing: users of the OPA "
            "plugin whom the rule is for are denied",
            rule,
        )


def _check_kind(warehouse: Warehouse, scope: DataScope) -> None:
    """What the kinds with a token of their own would be told. Raises `Denied`."""
    match warehouse.kind:
        case WarehouseKind.TRINO | WarehouseKind.CUBE:
            check_fits(scope_claims(warehouse, scope))
        case WarehouseKind.POSTGREST:
            check_fits(postgrest.scope_claims(scope))
        case WarehouseKind.CLICKHOUSE:
            clickhouse.scope_parameter(warehouse, scope)
        case WarehouseKind.HTTP:
            pass
        case kind:
            assert_never(kind)


def _pair_obstacles(warehouse: Warehouse, grants: Sequence[Grant]) -> Iterator[Obstacle]:
    """The first two grants that together are alternatives, for the forms that take one list for each dimension."""
    forms = [form.value for form in warehouse.headers if form is HeaderForm.VALUES]
    if warehouse.query:
        forms.append("query")
    if not forms:
        return
    for a, b in islice(combinations(grants, 2), MAX_PAIRS):
        if _may_meet(a, b) and _alternatives(_terms(warehouse, a), _terms(warehouse, b)):
            message = (
                f"who has both `{a.id}` and `{b.id}` may see rows of the one or the other, which one list for "
                "each dimension cannot say; such a request is denied"
            )
            yield from (_refused(form, message, a, b) for form in forms)
            return


def _known_rows(warehouse: Warehouse, rule: Rule) -> RowFilter | None:
    """The rule's rows as far as its own text says them; None if it selects nothing."""
    constraints: dict[str, Constraint | None] = {
        name: term.constraint for name, term in _terms(warehouse, rule).items() if isinstance(term, Fixed)
    }
    if None in constraints.values():
        return None
    return where(constraints) if constraints else everything()


def _terms(warehouse: Warehouse, rule: Rule) -> dict[str, ScopeTerm]:
    return {name: rule.scope[name] for name in warehouse.dimensions if name in rule.scope}


def _may_meet(a: Grant, b: Grant) -> bool:
    """Whether one principal can have both: a machine's grants do not apply beside a token, a token has one issuer."""
    machine_a = a.to.names_certificate and not a.to.names_token
    machine_b = b.to.names_certificate and not b.to.names_token
    if (machine_a and b.to.names_token) or (machine_b and a.to.names_token):
        return False
    return a.to.issuers is None or b.to.issuers is None or not a.to.issuers.isdisjoint(b.to.issuers)


def _alternatives(a: dict[str, ScopeTerm], b: dict[str, ScopeTerm]) -> bool:
    """Whether two scopes may stay two in the canonical form: the mirror of `authz.scopes.canonical`, on terms."""
    if _selects_nothing(a) or _selects_nothing(b) or _covers(a, b) or _covers(b, a):
        return False
    differing = [name for name in a if a[name] != b.get(name)]
    return len(differing) > 1 or not all(_one_constraint(a[name], b[name]) for name in differing)


def _selects_nothing(terms: dict[str, ScopeTerm]) -> bool:
    return any(isinstance(term, Fixed) and term.constraint is None for term in terms.values())


def _covers(wide: dict[str, ScopeTerm], narrow: dict[str, ScopeTerm]) -> bool:
    return all(_term_covers(term, narrow.get(name)) for name, term in wide.items())


def _term_covers(wide: ScopeTerm, narrow: ScopeTerm | None) -> bool:
    match wide, narrow:
        case AllValues(), _:
            return True
        case Fixed(a), Fixed(b) if a is not None and b is not None:
            return implies(b, a)
        case _:
            return wide == narrow


def _one_constraint(a: ScopeTerm, b: ScopeTerm) -> bool:
    """Whether the union of two terms of one dimension is certainly one constraint."""
    match a, b:
        case (AllValues(), _) | (_, AllValues()) | (Last(), Last()) | (FromClaim(), FromClaim()):
            return True
        case Fixed(left), Fixed(right):
            return left is not None and right is not None and len(union([left, right])) == 1
        case (Fixed(known), FromClaim()) | (FromClaim(), Fixed(known)):
            return isinstance(known, OneOf)
        case _:
            return False
