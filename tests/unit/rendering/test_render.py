"""A decision becomes rewrites: the constant part, and what one request needs."""

from typing import Any

import pytest

from authz.errors import Denied, Reason
from authz.policy.policyset import CacheRule, HeaderForm
from authz.rendering.owned import REMOVED_HEADERS
from authz.rendering.render import render, render_request
from authz.rendering.rewrites import NO_REWRITES, Rewrites
from authz.request import AccessRequest
from authz.scopes.constraints import OneOf
from authz.scopes.rowfilter import EVERYTHING, RowFilter, where
from tests.allows import CIRCUMSTANCES, EU, EU_A_OR_US_B, POLICY_VERSION, allow, principal, request

CACHE = CacheRule(ttl_seconds=60)


def _render(rows: RowFilter = EU, **changes: Any) -> Rewrites:
    return render(allow(rows, **changes), principal(), CIRCUMSTANCES)


def _for(sent: AccessRequest, rows: RowFilter = EU, **changes: Any) -> Rewrites:
    return render_request(allow(rows, **changes), principal(), sent, POLICY_VERSION, None)


@pytest.mark.parametrize(
    ("rows", "changes"),
    [
        (EU_A_OR_US_B, {"headers": (HeaderForm.VALUES,)}),
        (EU_A_OR_US_B, {"query": {"region": "r", "product": "p"}}),
        (where({"store": OneOf((1,))}), {"headers": (HeaderForm.JSON,)}),
        (where({"store": OneOf((1,))}), {"headers": (HeaderForm.VALUES,)}),
        (EU, {"headers": ()}),
        (EU, {"dialect": "unknown"}),
    ],
)
def test_a_scope_that_cannot_be_told_exactly_is_refused(rows: RowFilter, changes: dict[str, Any]) -> None:
    """Never a wider approximation: alternatives, unknown dimensions, no form at all."""
    with pytest.raises(Denied) as caught:
        _render(rows, **changes)
    assert caught.value.reason is Reason.SCOPE_NOT_EXPRESSIBLE


def test_everything_needs_no_form() -> None:
    """There is no filter to lose."""
    assert dict(_render(EVERYTHING, headers=()).set_headers)["x-scope-id"]


def test_credentials_never_reach_the_warehouse() -> None:
    """Whether the request showed them to Scopegate or not."""
    removed = _render().remove_headers
    assert removed == REMOVED_HEADERS
    assert {"authorization", "proxy-authorization", "cookie", "x-forwarded-client-cert"} <= set(removed)


def test_no_header_is_both_set_and_removed() -> None:
    """Envoy removes last: the scope would be lost."""
    sent = request(x__scope__id="0", x__scope__admin="1", x__scope__json="{}")
    for changes in ({}, {"headers": (HeaderForm.VALUES,)}, {"cache": CACHE}):
        constant, extra = _render(**changes), _for(sent, **changes)
        assert not {name for name, _ in constant.set_headers} & {
            *constant.remove_headers,
            *extra.remove_headers,
        }


def test_an_owned_header_that_is_not_set_is_removed() -> None:
    """Under every name, in every case, and also where the claim behind it is absent."""
    sent = AccessRequest(
        method="GET",
        host="h",
        path="/",
        headers={
            "x-scope-admin": ("1",),
            "X-Scope-Region": ("US", "EU"),
            "x-scope-subject": ("root",),
            "accept": ("*/*",),
        },
    )
    assert _for(sent).remove_headers == ("x-scope-admin", "x-scope-region")
    assert _for(sent, cache=CACHE).remove_headers == ("x-scope-admin", "x-scope-region", "x-scope-subject")
    assert _for(sent, headers=(HeaderForm.VALUES,)).remove_headers == ("x-scope-admin",)
    assert _for(sent, query={"region": "r"}).remove_headers == ("x-scope-admin", "x-scope-region")


@pytest.mark.parametrize(
    "name",
    [
        "x_scope_region",
        "x-scope_region",
        "X_SCOPE_ID",
        "x_scope-id",
        "x_forwarded_host",
        "x_api_key",
        "remote_user",
    ],
)
def test_an_owned_header_with_underscores_is_refused(name: str) -> None:
    """Many servers read both spellings as one name."""
    with pytest.raises(Denied) as caught:
        _for(request(**{name: "US"}))
    assert caught.value.reason is Reason.REQUEST_AMBIGUOUS


def test_other_headers_with_underscores_pass() -> None:
    """They are Envoy's business."""
    assert _for(request(my_header="1")).remove_headers == ()


@pytest.mark.parametrize("changes", [{}, {"cache": CACHE}, {"query": {"region": "region"}}])
def test_a_clients_cache_partition_is_refused(changes: dict[str, Any]) -> None:
    """On every warehouse, whether it has a cache or not."""
    with pytest.raises(Denied) as caught:
        _for(request("%5f_scope=0"), **changes)
    assert caught.value.reason is Reason.REQUEST_AMBIGUOUS


def test_a_clients_owned_parameter_is_refused() -> None:
    """Where it is owned."""
    with pytest.raises(Denied) as caught:
        _for(request("REGION=US"), query={"region": "region"})
    assert caught.value.reason is Reason.REQUEST_AMBIGUOUS
    assert _for(request("REGION=US")) is NO_REWRITES


def test_a_form_body_is_refused_for_plain_parameters_only() -> None:
    """Its fields may be read as parameters."""
    sent = request(content__type="application/x-www-form-urlencoded")
    with pytest.raises(Denied):
        _for(sent, query={"region": "region"})
    assert _for(sent) is NO_REWRITES


def test_most_requests_need_nothing_more() -> None:
    """And get the same object, so that it costs nothing."""
    assert _for(request("a=1&b=2", accept="*/*")) is NO_REWRITES


def test_the_cache_partition_is_set_alone() -> None:
    """As a parameter that Envoy sets; its value is hexadecimal, which Envoy takes."""
    rewrites = _for(request("a=1"), cache=CACHE)
    ((name, value),) = rewrites.set_query
    assert name == "__scope"
    assert len(value) == 32
    assert rewrites.path is None


def test_the_cache_partition_is_in_the_path_where_the_path_is_rewritten() -> None:
    """Never both: Envoy would apply them in an order of its own."""
    plain = _for(request("a=1"), cache=CACHE)
    rewrites = _for(request("a=1"), cache=CACHE, query={"region": "region", "product": "p"})
    assert rewrites.set_query == ()
    assert rewrites.path == f"/api/orders?region=EU&p=%2A&__scope={plain.set_query[0][1]}&a=1"


def test_plain_parameters_come_before_the_clients() -> None:
    """The client's query stays as it was."""
    rewrites = _for(request("q=%2541&b"), query={"region": "region"})
    assert rewrites.path == "/api/orders?region=EU&q=%2541&b"
    assert _for(request(), query={"region": "region"}).path == "/api/orders?region=EU"


def test_the_metadata_name_who_and_what_without_naming_the_person() -> None:
    """For Envoy's access log and rate limits: a pseudonym, no subject."""
    metadata = _render().metadata
    assert metadata["principal"] == principal().key
    assert metadata["scope_id"] == allow(EU).scope.id
    assert metadata["policy_version"] == POLICY_VERSION
    assert "alice" not in "".join(metadata.values())
