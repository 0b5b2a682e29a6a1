"""What lint can know beforehand: which forms will, or may, fail for a set of rules."""

from typing import Any

import pytest

from authz.errors import Reason
from authz.policy.policyset import FilterForm, FilterRule, Grant, HeaderForm
from authz.policy.tables import Table, Trino, WarehouseKind
from authz.policy.terms import ALL_VALUES, Fixed, ScopeTerm
from authz.rendering.expressible import Obstacle, expressible
from authz.scopes.constraints import Between, one_of
from tests.allows import warehouse
from tests.rules import claim, grant, last, masks, restriction, some, to

VALUES = {"headers": (HeaderForm.VALUES,)}


def _found(*grants: Grant, **changes: Any) -> tuple[Obstacle, ...]:
    return expressible(warehouse(**changes), grants)


def _pair(a: dict[str, ScopeTerm], b: dict[str, ScopeTerm]) -> tuple[Obstacle, ...]:
    return _found(grant("a", **a), grant("b", **b), **VALUES)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"region": some("EU"), "product": some("A")}, {"region": some("US"), "product": some("B")}),
        ({"region": some("EU"), "product": ALL_VALUES}, {"region": ALL_VALUES, "product": some("A")}),
        ({"region": claim("region"), "product": some("A")}, {"region": some("US"), "product": some("B")}),
        ({"region": last(days=1), "product": ALL_VALUES}, {"region": some("US"), "product": ALL_VALUES}),
        ({"region": Fixed(Between(low="A", high="B")), "product": ALL_VALUES}, {"region": some("US"), "product": ALL_VALUES}),
        ({"region": Fixed(Between(low="A", high="B")), "product": ALL_VALUES}, {"region": claim("r"), "product": ALL_VALUES}),
    ],
)  # fmt: skip
def test_two_grants_that_are_alternatives_together_are_reported(
    a: dict[str, ScopeTerm], b: dict[str, ScopeTerm]
) -> None:
    """Whoever has both will be denied, so say it before it happens."""
    (obstacle,) = _pair(a, b)
    assert obstacle.form == "values"
    assert obstacle.reason is Reason.SCOPE_NOT_EXPRESSIBLE
    assert obstacle.rules == ("a", "b")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"region": some("EU"), "product": some("A")}, {"region": some("US"), "product": some("A")}),
        ({"region": some("EU"), "product": some("A")}, {"region": ALL_VALUES, "product": ALL_VALUES}),
        ({"region": some("EU", "US"), "product": some("A", "B")}, {"region": some("EU"), "product": some("A")}),
        ({"region": claim("region"), "product": some("A")}, {"region": some("US"), "product": some("A")}),
        ({"region": claim("region"), "product": some("A")}, {"region": claim("regions"), "product": some("A")}),
        ({"region": last(days=1), "product": some("A")}, {"region": last(days=2), "product": some("A")}),
        ({"region": some(), "product": some("A")}, {"region": some("US"), "product": some("B")}),
    ],
)  # fmt: skip
def test_two_grants_that_are_one_together_are_not(a: dict[str, ScopeTerm], b: dict[str, ScopeTerm]) -> None:
    """They differ in one dimension, or one contains the other, or selects nothing."""
    assert _pair(a, b) == ()


def test_grants_that_nobody_can_have_together_are_not_reported() -> None:
    """A machine's grant beside a person's, and grants of two issuers."""
    a = {"region": some("EU"), "product": some("A")}
    b = {"region": some("US"), "product": some("B")}
    machine = to(spiffe=["spiffe://acme.example/x"])
    assert _found(grant("a", **a), grant("b", machine, **b), **VALUES) == ()
    assert _found(grant("a", machine, **a), grant("b", **b), **VALUES) == ()
    okta, entra = to(issuers=["okta"], groups=["x"]), to(issuers=["entra"], groups=["x"])
    assert _found(grant("a", okta, **a), grant("b", entra, **b), **VALUES) == ()
    assert _found(grant("a", okta, **a), grant("b", okta, **b), **VALUES) != ()


def test_forms_that_can_say_alternatives_are_not_reported() -> None:
    """JSON and SQL say everything."""
    rules = [
        grant("a", region=some("EU"), product=some("A")),
        grant("b", region=some("US"), product=some("B")),
    ]
    assert _found(*rules) == ()
    assert [found.form for found in _found(*rules, query={"region": "r", "product": "p"})] == ["query"]


def test_grants_on_other_warehouses_do_not_count() -> None:
    """They never meet here."""
    a = grant("a", region=some("EU"), product=some("A"))
    b = grant("b", on=["other"], region=some("US"), product=some("B"))
    assert _found(a, b, **VALUES) == ()


def test_a_constraint_without_a_parameter_is_reported() -> None:
    """Also where its values are not known yet."""
    changes = {"query": {"region": "r"}}
    for term in (some("A"), claim("product"), last(days=1)):
        (obstacle,) = _found(grant("a", region=some("EU"), product=term), **changes)
        assert (obstacle.form, obstacle.rules) == ("query", ("a",))
    assert _found(grant("a", region=some("EU"), product=ALL_VALUES), **changes) == ()


def test_parameters_that_are_too_long_are_reported() -> None:
    """By the code that writes them."""
    many = Fixed(one_of([f"region-{n:04d}" for n in range(1_000)]))
    found = _found(
        grant("a", region=many, product=ALL_VALUES), headers=(), query={"region": "r", "product": "p"}
    )
    assert [(obstacle.form, obstacle.reason) for obstacle in found] == [("query", Reason.SCOPE_TOO_LARGE)]


@pytest.mark.parametrize("form", FilterForm)
def test_what_a_filter_cannot_say_is_reported(form: FilterForm) -> None:
    """By the code that writes it; alternatives it can say."""
    changes: dict[str, Any] = {"filter": FilterRule(form=form), "headers": ()}
    many = Fixed(one_of([f"region-{n:04d}" for n in range(1_000)]))
    for term, reason in (
        (Fixed(Between(low="A", high="B")), Reason.SCOPE_NOT_EXPRESSIBLE),
        (many, Reason.SCOPE_TOO_LARGE),
    ):
        (obstacle,) = _found(grant("a", region=term, product=ALL_VALUES), **changes)
        assert (obstacle.form, obstacle.reason, obstacle.rules) == ("filter", reason, ("a",))
    rules = [
        grant("a", region=some("EU"), product=some("A")),
        grant("b", region=some("US"), product=some("B")),
    ]
    assert _found(*rules, **changes) == ()


def test_what_a_form_cannot_say_of_one_rule_is_reported() -> None:
    """By the code that will refuse it, for grants and restrictions."""
    text_range = Fixed(Between(low="A", high="B"))
    many = Fixed(one_of([f"region-{n:04d}" for n in range(1_000)]))
    (obstacle,) = _found(grant("a", region=text_range, product=ALL_VALUES), dialect="mysql")
    assert (obstacle.form, obstacle.reason) == ("sql", Reason.SCOPE_NOT_EXPRESSIBLE)
    found = _found(grant("a", region=many, product=ALL_VALUES))
    assert [(found.form, found.reason) for found in found] == [
        ("json", Reason.SCOPE_TOO_LARGE),
        ("sql", Reason.SCOPE_TOO_LARGE),
    ]
    rules = (restriction("r", region=text_range), restriction("other", on=["other"], region=text_range))
    (obstacle,) = expressible(warehouse(dialect="tsql"), (), rules)
    assert obstacle.rules == ("r",)


def test_a_warehouse_that_cannot_be_told_anything_is_reported_once() -> None:
    """Not once for each grant."""
    rules = [grant(f"g{n}", region=some("EU"), product=ALL_VALUES) for n in range(3)]
    assert [found.form for found in _found(*rules, dialect="oracle")] == ["sql"]
    assert [found.form for found in _found(*rules, columns={"id": "id"}, **VALUES)] == ["values"]
    assert [found.form for found in _found(*rules, headers=())] == ["none"]
    assert [found.form for found in _found(*rules, query={"region": "a", "product": "A"})] == ["query"]


def test_a_kind_with_a_token_of_its_own_says_what_does_not_fit() -> None:
    """Found before anybody asks; the neighbour fits."""
    tables = {"orders": Table(name="orders", columns={"region": "region"}, labels={})}
    for kind in (WarehouseKind.TRINO, WarehouseKind.CUBE, WarehouseKind.POSTGREST):
        facts = {
            "kind": kind,
            "tables": tables,
            "columns": {},
            "labels": {},
            "headers": (),
            "dialect": "trino",
        }
        many = grant("many", region=some(*(f"region-{n:05d}" for n in range(2_000))))
        (found,) = _found(many, **facts)
        assert (found.form, found.reason, found.rules) == (kind.value, Reason.SCOPE_TOO_LARGE, ("many",))
        assert _found(grant("few", region=some("EU")), **facts) == ()


def test_a_clickhouse_cannot_be_told_more_than_a_setting_holds() -> None:
    """Found before anybody asks."""
    facts: dict[str, Any] = {"kind": WarehouseKind.CLICKHOUSE, "headers": ()}
    assert _found(grant("a", region=some("EU"), product=some("A")), **facts) == ()
    (found,) = _found(
        grant("many", region=some(*(f"region-{n:05d}" for n in range(2_000))), product=some("A")), **facts
    )
    assert (found.form, found.reason, found.rules) == ("clickhouse", Reason.SCOPE_TOO_LARGE, ("many",))


def test_what_the_opa_plugin_of_a_trino_cannot_be_told_is_said() -> None:
    """Its users are refused what depends on a hash, a claim or a request; without `opa` there are none."""
    table = Table(name="a.b.orders", columns={"region": "region"}, labels={"email": "pii"})
    facts: dict[str, Any] = {
        "kind": WarehouseKind.TRINO, "tables": {"a.b.orders": table}, "columns": {}, "labels": {}, "headers": (),
        "dialect": "trino",
    }  # fmt: skip
    asked = {**facts, "trino": Trino(opa_issuer="okta")}
    for rule, told in (
        (grant("a", columns=masks(pii="hash"), region=some("EU")), "`hash`"),
        (grant("a", when="principal.claims.x == 'y'", region=some("EU")), "`principal.claims.x`"),
        (grant("a", when="request.path == '/'", region=some("EU")), "`request.path`"),
        (grant("a", region=claim("regions.mine")), "`regions.mine`"),
    ):
        (found,) = _found(rule, **asked)
        assert (found.form, found.rules) == ("opa", ("a",))
        assert told in found.message
        assert _found(rule, **facts) == ()
    known = grant("a", columns=masks(pii="last4"), when="principal.subject != ''", region=some("EU"))
    assert _found(known, **asked) == ()
