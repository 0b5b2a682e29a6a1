"""Kind `http` with a filter in its own query language: which requests are open, and what reaches the API."""

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from authz.errors import Denied, Reason
from authz.policy.policyset import CacheRule, FilterForm, FilterRule, Route
from authz.rendering.owned import mutable_headers_expression, removed_headers
from authz.rendering.render import render, render_request
from authz.rendering.rewrites import Rewrites
from authz.request import AccessRequest
from authz.scopes.columns import ColumnMask
from authz.scopes.constraints import Between
from authz.scopes.rowfilter import EVERYTHING, RowFilter, where
from tests.allows import CIRCUMSTANCES, EU, EU_A_OR_US_B, POLICY_VERSION, allow, principal, warehouse

POSTGREST: dict[str, Any] = {
    "filter": FilterRule(form=FilterForm.POSTGREST),
    "routes": (Route(path="/orders"),),
    "headers": (),
    "labels": {},
}
ODATA: dict[str, Any] = {
    "filter": FilterRule(form=FilterForm.ODATA),
    "routes": (Route(path="/odata/Orders"), Route(path="/odata/$metadata"), Route(path="/odata/")),
    "columns": {"region": "Region", "product": "Product"},
    "headers": (),
}
FORMS = pytest.mark.parametrize("form", [POSTGREST, ODATA], ids=["postgrest", "odata"])
HIDDEN = {"Email": ColumnMask.HIDDEN}


def _ask(
    form: dict[str, Any],
    query: str = "",
    *,
    rows: RowFilter = EU,
    columns: dict[str, ColumnMask] | None = None,
    cache: CacheRule | None = None,
    **request: Any,
) -> Rewrites:
    facts = {
        "method": "GET",
        "host": "api.example",
        "path": form["routes"][0].path,
        "query": query,
        **request,
    }
    decision = allow(rows, columns or {}, **form, cache=cache)
    return render_request(decision, principal(), AccessRequest(**facts), POLICY_VERSION, None)


def _told(rewrites: Rewrites) -> dict[str, str]:
    assert rewrites.path is not None
    return dict(parse_qsl(urlsplit(rewrites.path).query, strict_parsing=True))


def _denied(form: dict[str, Any], query: str = "", **request: Any) -> Reason:
    with pytest.raises(Denied) as caught:
        _ask(form, query, **request)
    return caught.value.reason


def test_the_filter_comes_first_and_the_clients_parameters_behind_it() -> None:
    """The whole target is written anew, alternatives included."""
    assert _ask(POSTGREST, "total=gt.5", rows=EU_A_OR_US_B).path == (
        "/orders?and=%28or%28and%28product.eq.%22A%22%2Csales_region.eq.%22EU%22%29%2C"
        "and%28product.eq.%22B%22%2Csales_region.eq.%22US%22%29%29%29&total=gt.5"
    )
    assert _ask(ODATA, "$top=5&$filter=Total+gt+5").path == (
        "/odata/Orders?$filter=%28Region%20eq%20%27EU%27%29%20and%20%28Total%20gt%205%29&$top=5"
    )


@FORMS
def test_who_may_see_everything_is_asked_nothing_and_checked_all_the_same(form: dict[str, Any]) -> None:
    """No filter, because nothing is to be filtered; what reaches other resources stays closed."""
    assert _ask(form, rows=EVERYTHING).path == form["routes"][0].path
    for query in ("select=customers(*)", "$expand=Customer", "select=*;and=x"):
        assert _denied(form, query, rows=EVERYTHING) in {Reason.PARAMETER_DENIED, Reason.REQUEST_AMBIGUOUS}


@FORMS
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"])
def test_only_reading_is_open(form: dict[str, Any], method: str) -> None:
    """A filter says nothing of what is written, and OData takes queries in the body of a POST."""
    assert _denied(form, method=method) is Reason.METHOD_DENIED
    assert _ask(form, method="HEAD").path


@FORMS
@pytest.mark.parametrize(
    "suffix",
    ["/", "(1)", "/1", "/1/Customer", "/$count", "/$batch", "%2f", "s", "/$metadata", ";x=1", "/rpc/f"],
)
def test_only_the_paths_of_the_policy_are_open(form: dict[str, Any], suffix: str) -> None:
    """A key, what is navigated to, functions: the filter would not hold there."""
    assert _denied(form, path=form["routes"][0].path + suffix) is Reason.ROUTE_UNKNOWN
    assert _denied(form, path="/rpc/orders") is Reason.ROUTE_UNKNOWN


@FORMS
def test_a_prefix_would_open_nothing(form: dict[str, Any]) -> None:
    """The policy refuses one; this does not rely on it."""
    assert _denied({**form, "routes": (Route(prefix="/"),)}, path="/orders") is Reason.ROUTE_UNKNOWN


def test_metadata_and_the_root_beside_it_are_told_no_filter() -> None:
    """They hold no rows. A root without metadata beside it would be a collection."""
    for path in ("/odata/$metadata", "/odata/"):
        assert _ask(ODATA, path=path).path == path
        assert _ask(ODATA, "$format=json", path=path).path == f"{path}?$format=json"
        assert _denied(ODATA, "$filter=true", path=path) is Reason.PARAMETER_DENIED
    alone = {**ODATA, "routes": (Route(path="/odata/Orders/"), Route(path="/odata/$metadata"))}
    assert _told(_ask(alone, path="/odata/Orders/")) == {"$filter": "(Region eq 'EU')"}
    other = {**POSTGREST, "routes": (Route(path="/$metadata"),)}
    assert "and" in _told(_ask(other))


@FORMS
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_is_refused(form: dict[str, Any], kind: str) -> None:
    """Some servers take its fields for parameters."""
    assert _denied(form, headers={"content-type": (kind,)}) is Reason.REQUEST_AMBIGUOUS
    assert _ask(form, headers={"content-type": ("application/json",)}).path


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (
            POSTGREST,
            ["count=exact", "handling=strict, count=planned", 'count="exact"', "Count=exact", "return=minimal"],
            ["timezone=Pacific/Kiritimati", "count=exact, timezone=UTC", "Timezone=UTC", "tx=commit", "count=exact;timezone=UTC", '"', "",
             "count=exact,", "max-affected=1", 'count="a,timezone=UTC"'],
        ),
        (
            ODATA,
            ["odata.maxpagesize=50", "maxpagesize=50", "return=minimal"],
            ["respond-async", 'callback; url="http://evil.example"', "odata.track-changes", "odata.continue-on-error", "wait=5",
             'odata.include-annotations="*"', "odata.allow-entityreferences"],
        ),
    ],
    ids=["postgrest", "odata"],
)  # fmt: skip
def test_of_preferences_only_harmless_ones_are_open(
    form: dict[str, Any], good: list[str], bad: list[str]
) -> None:
    """PostgREST's `timezone` would move the days of a scope; OData's `callback` sends the answer elsewhere."""
    for value in good:
        assert _ask(form, headers={"prefer": (value,)}).path
    for value in bad:
        assert _denied(form, headers={"prefer": (value,)}) is Reason.PARAMETER_DENIED
        assert _denied(form, headers={"prefer": (good[0], value)}) is Reason.PARAMETER_DENIED


def test_postgrest_is_asked_for_no_plan_and_in_no_other_schema() -> None:
    """A plan counts the rows that a filter removes; another schema has another table of that name."""
    plan = ("application/json", "Application/VND.pgrst.plan+json; options=analyze")
    assert _denied(POSTGREST, headers={"accept": plan}) is Reason.PARAMETER_DENIED
    assert _ask(ODATA, headers={"accept": plan}).path
    asked = warehouse(**POSTGREST)
    for name in ("accept-profile", "content-profile"):
        assert name in removed_headers(asked)
        assert re.match(mutable_headers_expression([asked]), name)
        assert name not in removed_headers(warehouse(**ODATA))
        assert _denied(POSTGREST, headers={name.replace("-", "_"): ("x",)}) is Reason.REQUEST_AMBIGUOUS


@FORMS
def test_the_partition_of_the_cache_is_the_last_parameter(form: dict[str, Any]) -> None:
    """Envoy takes it away again; a client's own is refused in any spelling."""
    told = _told(_ask(form, cache=CacheRule(ttl_seconds=60)))
    assert list(told) == ["and" if form is POSTGREST else "$filter", "__scope"]
    assert list(_told(_ask(form, rows=EVERYTHING, cache=CacheRule(ttl_seconds=60)))) == ["__scope"]
    for query in ("__scope=1", "%5f%5fSCOPE=1", "__scope%5B%5D=1"):
        assert _denied(form, query) is Reason.REQUEST_AMBIGUOUS


@FORMS
def test_a_scope_that_cannot_be_said_is_a_denial_that_is_remembered(form: dict[str, Any]) -> None:
    """Found with the decision already, not with each request."""
    texts = where({"region": Between(low="A")})
    with pytest.raises(Denied) as caught:
        render(allow(texts, **form), principal(), CIRCUMSTANCES)
    assert caught.value.reason is Reason.SCOPE_NOT_EXPRESSIBLE
    assert render(allow(EU, **form), principal(), CIRCUMSTANCES).path is None


def test_a_hidden_column_is_refused_by_the_one_and_not_expressible_to_the_other() -> None:
    """PostgreSQL reads a column's name as a function of the whole row, too: no list of names would do."""
    assert _denied(ODATA, columns=HIDDEN) is Reason.COLUMN_HIDDEN
    assert _denied(ODATA, "$select=Id,Email", columns=HIDDEN) is Reason.COLUMN_HIDDEN
    assert _told(_ask(ODATA, "$select=Id", columns=HIDDEN))["$select"] == "Id"
    assert _denied(POSTGREST, "select=id", columns=HIDDEN) is Reason.SCOPE_NOT_EXPRESSIBLE
    with pytest.raises(Denied) as caught:
        render(allow(EU, HIDDEN, **POSTGREST), principal(), CIRCUMSTANCES)
    assert caught.value.reason is Reason.SCOPE_NOT_EXPRESSIBLE


def test_next_links_are_followed_where_the_policy_says_so() -> None:
    """Only an API that applies the filter there, too, may have them open."""
    assert _denied(ODATA, "$skiptoken=x") is Reason.PARAMETER_DENIED
    opened = {**ODATA, "filter": FilterRule(form=FilterForm.ODATA, next_links=True)}
    assert _told(_ask(opened, "$skiptoken=x")) == {"$filter": "(Region eq 'EU')", "$skiptoken": "x"}
