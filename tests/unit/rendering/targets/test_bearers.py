"""The kinds that are told the scope in a token of Scopegate's own: PostgREST and Cube."""

from typing import Any

import pytest

from authz.errors import Denied, Reason
from authz.policy.decision import Allow
from authz.policy.policyset import AssertionRule
from authz.policy.tables import PersonName, WarehouseKind
from authz.rendering.circumstances import Circumstances
from authz.rendering.owned import mutable_headers_expression
from authz.rendering.render import render, render_request
from authz.rendering.rewrites import NO_REWRITES
from authz.rendering.targets.postgrest import MAX_ALTERNATIVES
from authz.request import AccessRequest
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import OneOf
from authz.scopes.rowfilter import EVERYTHING, RowFilter, any_of, where
from tests.allows import EU, POLICY_VERSION, allow_tables, principal, request
from tests.signingkeys import one_key, verified

KEYS = one_key()
SIGNING = Circumstances(
    policy_version=POLICY_VERSION,
    now=1000.0,
    assertion=AssertionRule(issuer="https://edge.example", key_files=("k.pem",), signs="k.pem"),
    signing=KEYS,
)

POSTGREST = {"kind": WarehouseKind.POSTGREST, "headers": ()}
CUBE = {"kind": WarehouseKind.CUBE, "headers": ()}
KINDS = [POSTGREST, CUBE]


def _claims(allowed: Allow) -> dict[str, Any]:
    [(name, value)] = render(allowed, principal(), SIGNING).set_headers
    assert name == "authorization"
    return verified(value.removeprefix("Bearer "), KEYS)


def _alternatives(number: int) -> RowFilter:
    return any_of(where({"region": OneOf((f"r{n}",)), "product": OneOf((f"p{n}",))}) for n in range(number))


def test_postgrest_is_told_the_rows_the_labels_and_the_role() -> None:
    """The clear labels, too: one that is missing is hidden."""
    claims = _claims(allow_tables(EU, pii=ColumnMask.HASH, **POSTGREST))
    assert claims["aud"] == "sales"
    assert claims["role"] == "scopegate_reader"
    assert claims["sub"] == "alice"
    assert claims["rows"] == [{"region": {"in": ["EU"], "type": "string"}}]
    assert claims["labels"] == {"financial": "clear", "pii": "hash"}
    assert claims["format"] == 1


def test_postgrest_is_told_everything_only_in_a_word() -> None:
    """An empty list of alternatives is no row."""
    assert _claims(allow_tables(EVERYTHING, **POSTGREST))["rows"] == "all"


def test_more_alternatives_than_the_database_looks_at_are_refused() -> None:
    """It would answer with none of the rows, and nobody would know why."""
    assert (
        len(_claims(allow_tables(_alternatives(MAX_ALTERNATIVES), **POSTGREST))["rows"]) == MAX_ALTERNATIVES
    )
    with pytest.raises(Denied) as caught:
        _claims(allow_tables(_alternatives(MAX_ALTERNATIVES + 1), **POSTGREST))
    assert caught.value.reason is Reason.SCOPE_NOT_EXPRESSIBLE


def test_cube_is_told_each_cube() -> None:
    """With the members that its dimensions are."""
    claims = _claims(allow_tables(EU, **CUBE))
    assert claims["tables"]["lake.sales.orders"]["columns"] == {
        "region": "sales_region",
        "product": "product",
    }
    assert claims["tables"]["lake.sales.orders"]["hidden"] == ["email"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_token_replaces_what_the_client_sent_and_is_not_removed(kind: dict[str, Any]) -> None:
    """Envoy removes last: a header that is set and removed would be lost, and PostgREST would see nobody."""
    allowed = allow_tables(EU, **kind)
    rewrites = render(allowed, principal(), SIGNING)
    assert "authorization" not in rewrites.remove_headers
    assert {"cookie", "x-api-key", "proxy-authorization"} <= set(rewrites.remove_headers)
    assert "|authorization|" in mutable_headers_expression([allowed.warehouse])


@pytest.mark.parametrize("kind", KINDS)
def test_without_keys_nobody_is_let_in(kind: dict[str, Any]) -> None:
    """Not without a token either."""
    bare = Circumstances(policy_version=POLICY_VERSION, now=SIGNING.now)
    with pytest.raises(Denied) as caught:
        render(allow_tables(EU, **kind), principal(), bare)
    assert caught.value.reason is Reason.NOT_READY


@pytest.mark.parametrize("kind", KINDS)
def test_the_person_is_named_as_the_warehouse_calls_them(kind: dict[str, Any]) -> None:
    """With the issuer in front, where there are several."""
    assert _claims(allow_tables(EU, user=PersonName(qualified=True), **kind))["sub"] == "okta:alice"


def _asked(kind: dict[str, Any], path: str, *, method: str = "GET", query: str = "", **headers: str) -> Any:
    sent = request(query, path=path, **headers)
    return render_request(
        allow_tables(EU, **kind),
        principal(),
        AccessRequest(method=method, host=sent.host, path=sent.path, query=query, headers=sent.headers),
        POLICY_VERSION,
        None,
    )


@pytest.mark.parametrize(
    "path", ["/", "/rpc/orders", "/order", "/orders/", "/orders/1", "/ORDERS", "/lake.sales.orders"]
)
def test_postgrest_shows_the_tables_of_the_policy_and_nothing_else(path: str) -> None:
    """Functions do as they please, and the root lists what there is."""
    assert _asked(POSTGREST, "/orders") is NO_REWRITES
    with pytest.raises(Denied) as caught:
        _asked(POSTGREST, path)
    assert caught.value.reason is Reason.ROUTE_UNKNOWN


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_postgrest_is_only_read(method: str) -> None:
    """HEAD counts rows, as GET does."""
    assert _asked(POSTGREST, "/orders", method="HEAD") is NO_REWRITES
    with pytest.raises(Denied) as caught:
        _asked(POSTGREST, "/orders", method=method)
    assert caught.value.reason is Reason.METHOD_DENIED


@pytest.mark.parametrize(
    "path",
    [
        "/cubejs-api/v1/sql",
        "/cubejs-api/v1/dry-run",
        "/cubejs-api/graphql",
        "/cubejs-api/v1/load/",
        "/playground",
    ],
)
def test_cube_answers_what_passes_through_the_rewriting(path: str) -> None:
    """`/sql` would show the filters, and the playground is nobody's."""
    assert _asked(CUBE, "/cubejs-api/v1/load", method="POST") is NO_REWRITES
    with pytest.raises(Denied) as caught:
        _asked(CUBE, path)
    assert caught.value.reason is Reason.ROUTE_UNKNOWN


@pytest.mark.parametrize("kind", KINDS)
def test_what_belongs_to_scopegate_never_passes(kind: dict[str, Any]) -> None:
    """In the query it is refused, in headers removed, with underscores refused."""
    path = "/orders" if kind is POSTGREST else "/cubejs-api/v1/load"
    with pytest.raises(Denied):
        _asked(kind, path, query="__scope=x")
    with pytest.raises(Denied):
        _asked(kind, path, x_scope_id="x")
    assert _asked(kind, path, x__scope__id="x").remove_headers == ("x-scope-id",)


def test_another_schema_of_postgrest_is_removed() -> None:
    """It shows one, and a client asks for none."""
    assert {"accept-profile", "content-profile"} <= set(
        render(allow_tables(EU, **POSTGREST), principal(), SIGNING).remove_headers
    )


def test_equal_decisions_at_one_time_are_equal_tokens() -> None:
    """A check stays a function of its inputs."""
    allowed = allow_tables(EU, **POSTGREST)
    first, second = (render(allowed, principal(), SIGNING) for _ in range(2))
    assert first.set_headers == second.set_headers
