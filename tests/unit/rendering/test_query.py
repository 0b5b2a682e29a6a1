"""The query of a request: what a client may not say, and what Scopegate says there."""

from typing import Any

import pytest

from authz.errors import Denied, Reason
from authz.policy.policyset import CacheRule
from authz.rendering.headers import MAX_HEADER_BYTES
from authz.rendering.query import (
    owned_parameters,
    partition,
    refuse_form,
    refuse_owned,
    rewritten_path,
    scope_parameters,
)
from authz.request import AccessRequest
from authz.scopes.constraints import OneOf, one_of
from authz.scopes.rowfilter import EVERYTHING, where
from tests.allows import EU, EU_A_OR_US_B, POLICY_VERSION, allow, request, warehouse

OWNED = owned_parameters(["region", "sales_region"])


@pytest.mark.parametrize(
    "query",
    [
        "region=US",
        "region",
        "a=1&region=US",
        "a=1;region=US",
        "a=1&amp;region=US",
        "REGION=US",
        "Region=US",
        "%72egion=US",
        "%2572egion=US",
        "%252572egion=US",
        "regio%6e=US",
        "region%20=US",
        "+region=US",
        "region%09=US",
        "region%00x=US",
        "region[]=US",
        "region[0]=US",
        "region%5B%5D=US",
        "region[x][y]=US",
        "sales.region=US",
        "sales%20region=US",
        "sales+region=US",
        "%EF%BD%92egion=US",
        "regio%EF%BC%AE=US",
        "sale%C5%BF_region=US",
        "__scope=0",
        "__SCOPE=0",
        "%5f%5fscope=0",
        "%5F_scope=0",
        "&&__scope=0",
    ],
)
def test_an_owned_parameter_is_refused_in_every_spelling(query: str) -> None:
    """Refused, not cleaned: no two parsers agree on what would have to go."""
    with pytest.raises(Denied) as caught:
        refuse_owned(query, OWNED)
    assert caught.value.reason is Reason.REQUEST_AMBIGUOUS
    assert "US" not in caught.value.detail


@pytest.mark.parametrize(
    "query",
    [
        "",
        "regions=US",
        "region_=US",
        "_region=US",
        "my-region=US",
        "filter[region]=US",
        "q=region",
        "q=region%3DUS",
        "q=a%26region%3DUS",
        "q=%FF%FE",
        "%FF=1",
        "scope=1",
        "x__scope=1",
        "sales-region=US",
        "a=b=region",
    ],
)
def test_other_parameters_pass(query: str) -> None:
    """A name that only resembles an owned one, and the owned word as a value."""
    refuse_owned(query, OWNED)


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "Multipart/Form-Data; boundary=x",
        "application/X-WWW-FORM-urlencoded;charset=utf-8",
    ],
)
def test_a_form_body_is_refused(kind: str) -> None:
    """Many servers merge its fields with the parameters."""
    with pytest.raises(Denied) as caught:
        refuse_form(request(content__type=kind))
    assert caught.value.reason is Reason.REQUEST_AMBIGUOUS


def test_other_bodies_pass() -> None:
    """They are no parameters to anybody."""
    refuse_form(request(content__type="application/json"))
    refuse_form(request())


@pytest.mark.parametrize(
    ("rows", "changes", "reason"),
    [
        (EU_A_OR_US_B, {"query": {"region": "r", "product": "p"}}, Reason.SCOPE_NOT_EXPRESSIBLE),
        (EU, {"query": {"product": "p"}}, Reason.SCOPE_NOT_EXPRESSIBLE),
        (EU, {"query": {"region": "x", "product": "X"}}, Reason.SCOPE_NOT_EXPRESSIBLE),
        (EU, {"query": {"region": "__scope"}}, Reason.SCOPE_NOT_EXPRESSIBLE),
        (where({"region": one_of([f"r{n:05d}" for n in range(1_000)])}), {"query": {"region": "r"}}, Reason.SCOPE_TOO_LARGE),
    ],
)  # fmt: skip
def test_parameters_refuse_what_they_cannot_say(rows: Any, changes: dict[str, Any], reason: Reason) -> None:
    """A constraint that is left out would select more."""
    with pytest.raises(Denied) as caught:
        scope_parameters(warehouse(**changes), rows)
    assert caught.value.reason is reason


def test_parameters_name_every_dimension_and_are_encoded_twice_where_it_matters() -> None:
    """Once as items of a list, once as any value of a query."""
    rows = where({"region": OneOf(("A,B", "C&D=\u00e9"))})
    target = warehouse(query={"region": "r&", "product": "p"})
    assert scope_parameters(target, rows) == "r%26=A%252CB%2CC%2526D%253D%25C3%25A9&p=%2A"
    assert scope_parameters(target, EVERYTHING) == "r%26=%2A&p=%2A"
    assert scope_parameters(warehouse(), EU_A_OR_US_B) == ""
    assert len(scope_parameters(target, rows)) < MAX_HEADER_BYTES


def test_ours_come_first() -> None:
    """Node and PHP drop what comes after the first 1,000 parameters, in silence."""
    flood = "&".join(["a"] * 1_000)
    assert rewritten_path(request(flood), "region=EU").startswith("/api/orders?region=EU&a&a")
    assert rewritten_path(request(), "region=EU") == "/api/orders?region=EU"


def _partition(sent: AccessRequest, version: str = POLICY_VERSION, rows: Any = EU, **changes: Any) -> str:
    cache = CacheRule(ttl_seconds=60, vary=("accept", "accept-language"))
    return partition(allow(rows, **changes), cache, sent, version)


def test_answers_are_kept_apart_by_everything_that_they_depend_on() -> None:
    """Scope, warehouse, policy version, and each header that the answer varies with."""
    partitions = [
        _partition(request()),
        _partition(request(), rows=EVERYTHING),
        _partition(request(), version="other"),
        _partition(request(), name="other"),
        _partition(request(accept="text/csv")),
        _partition(request(accept__language="text/csv")),
        _partition(request(accept="text/csv", accept__language="de")),
        _partition(request(accept="text/csv,de")),
        _partition(AccessRequest(method="GET", host="h", path="/", headers={"accept": ("text/csv", "de")})),
        _partition(request(accept="")),
    ]
    assert len(set(partitions)) == len(partitions)


def test_colleagues_share_an_answer() -> None:
    """Whatever else they sent."""
    assert _partition(request(user__agent="a", cookie="x")) == _partition(request(user__agent="b"))
    assert len(_partition(request())) == 32
    assert set(_partition(request())) <= set("0123456789abcdef")
