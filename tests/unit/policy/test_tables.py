"""Warehouses of several tables: what the policy must say of each, and what a scope then is."""

import pytest

from authz.policy.decision import Allow
from authz.policy.evaluate import evaluate
from authz.policy.policyset import HeaderForm, PolicySet
from authz.policy.problems import PolicyError
from authz.policy.tables import PersonName, WarehouseKind
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import OneOf
from authz.scopes.rowfilter import EVERYTHING, any_of, where
from tests.allows import principal, request
from tests.policies import policy

LAKE = """
version: 1
issuers: {okta: {issuer: https://acme.okta.com, audiences: [a], groups_claim: groups}}
assertion: {issuer: https://edge.example, keys: [signing.pem]}
dimensions: {region: {type: string}, product: {type: string}}
warehouses:
  lake:
    kind: trino
    routes: [{prefix: /}]
    upstream: https://trino:8443
    tables:
      lake.sales.orders: {columns: {region: region, product: item}, labels: {email: pii, amount: financial}}
      lake.sales.targets: {columns: {region: area}, unfiltered: [product]}
      lake.ref.calendar: {unfiltered: [region, product]}
grants:
  - {id: eu, to: {subjects: [alice]}, on: [lake], scope: {region: [EU], product: [A]}, mask: {pii: hash}}
  - {id: us, to: {subjects: [alice]}, on: [lake], scope: {region: [US], product: [B]}, mask: {pii: hash}, clear: [financial]}
"""


def _allowed(loaded: PolicySet) -> Allow:
    decision = evaluate(loaded, principal(), loaded.warehouses["lake"], request(), 0.0)
    assert isinstance(decision, Allow)
    return decision


def test_a_table_is_filtered_by_the_dimensions_that_it_has() -> None:
    """Alternatives stay alternatives where a table can tell them apart, and meet where it cannot."""
    tables = _allowed(policy(LAKE)).scope.tables
    assert tables["lake.sales.orders"].rows == any_of(
        where({"region": OneOf((region,)), "product": OneOf((product,))})
        for region, product in (("EU", "A"), ("US", "B"))
    )
    assert tables["lake.sales.targets"].rows == where({"region": OneOf(("EU", "US"))})
    assert tables["lake.ref.calendar"].rows == EVERYTHING


def test_every_label_is_told_and_every_labelled_column_treated() -> None:
    """A label that one grant clears and the other does not name is hidden; readers are told the clear ones, too."""
    scope = _allowed(policy(LAKE)).scope
    assert scope.labels == {"financial": ColumnMask.HIDDEN, "pii": ColumnMask.HASH}
    assert scope.tables["lake.sales.orders"].columns == {
        "amount": ColumnMask.HIDDEN,
        "email": ColumnMask.HASH,
    }
    assert scope.tables["lake.sales.targets"].columns == {}
    assert scope.columns == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("clear: [financial]", "mask: {pii: hash, financial: year}"),
        ("region: area", "region: region"),
        (
            ", unfiltered: [product]",
            ", unfiltered: [product]}\n      lake.sales.new: {columns: {region: r, product: p}",
        ),
    ],
)
def test_the_scope_id_tells_apart_what_may_be_seen(old: str, new: str) -> None:
    """Other labels and other tables are another id; another column of the same dimension is another policy instead."""
    changed = (
        LAKE.replace("mask: {pii: hash}, clear: [financial]", new)
        if "clear" in old
        else LAKE.replace(old, new)
    )
    one, two = policy(LAKE), policy(changed)
    same = old == "region: area" or "clear" in old
    assert (_allowed(one).scope.id == _allowed(two).scope.id) is same
    assert one.version != two.version


def test_a_table_that_forgets_a_dimension_does_not_load() -> None:
    """It would be a table that nobody filters."""
    with pytest.raises(PolicyError, match="unfiltered"):
        policy(LAKE.replace(", unfiltered: [product]", ""))


@pytest.mark.parametrize(("old", "new"), [("email: pii", "Email: pii"), ("region: area", "region: Area")])
def test_columns_in_trino_are_written_as_trino_knows_them(old: str, new: str) -> None:
    """A label on `Email` would meet no column, and `email` would be shown; other kinds keep what is written."""
    with pytest.raises(PolicyError, match="in lower case"):
        policy(LAKE.replace(old, new))
    policy(LAKE.replace(old, new).replace("    kind: trino\n", ""))


def test_a_grant_names_the_dimensions_of_every_table() -> None:
    """Also those that only one of them has."""
    with pytest.raises(PolicyError, match="`product` is missing"):
        policy(LAKE.replace("scope: {region: [EU], product: [A]}", "scope: {region: [EU]}"))


def test_a_kind_of_its_own_takes_no_generic_form() -> None:
    """What it is told, its own module says."""
    lake = policy(LAKE).warehouses["lake"]
    assert (lake.kind, lake.dialect, lake.headers) == (WarehouseKind.TRINO, "trino", ())
    assert lake.user == PersonName()


def test_a_plain_warehouse_of_tables_is_told_them_in_json() -> None:
    """A predicate would be that of one table."""
    plain = LAKE.replace("    kind: trino\n", "").replace("assertion: {issuer", "# {issuer")
    assert policy(plain).warehouses["lake"].headers == (HeaderForm.JSON,)


def test_people_of_two_issuers_are_told_apart_by_the_issuer() -> None:
    """Without that, one issuer's alice could have what another's alice left there."""
    two = LAKE.replace(
        "issuers: {", "issuers: {entra: {issuer: https://e.example, audiences: [a], groups_claim: g}, "
    )
    two = two.replace("subjects: [alice]", "subjects: [alice], issuers: [okta]")
    with pytest.raises(PolicyError, match="qualified: true"):
        policy(two)
    loaded = policy(two.replace("    routes", "    user: {qualified: true}\n    routes"))
    assert loaded.warehouses["lake"].user.qualified


@pytest.mark.parametrize(
    ("opa", "problem"),
    [
        ("{issuer: octa}", "did you mean `okta`"),
        ("{issuer: other}", "does not take tokens of `other`"),
        ("{}", "`issuer` is missing"),
        ("{issuer: okta, groups: x}", "unknown key"),
    ],
)
def test_whose_people_the_users_of_a_trino_are_is_somebody_it_takes(opa: str, problem: str) -> None:
    """Whoever may not come with a token must not come without one."""
    two = LAKE.replace(
        "issuers: {", "issuers: {other: {issuer: https://o.example, audiences: [a], groups_claim: g}, "
    )
    two = two.replace("subjects: [alice]", "subjects: [alice], issuers: [okta]")
    two = two.replace("    upstream:", f"    issuers: [okta]\n    trino: {{opa: {opa}}}\n    upstream:")
    with pytest.raises(PolicyError, match=problem):
        policy(two)
    good = policy(two.replace(f"opa: {opa}", "opa: {issuer: okta}"))
    assert good.warehouses["lake"].trino.opa_issuer == "okta"
    assert policy(LAKE).warehouses["lake"].trino.opa_issuer is None
