"""Kind `trino`: what a statement carries, what a client may say, and what is open at all."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import jwt
import pytest

from authz.errors import Denied, Reason
from authz.policy.policyset import AssertionRule
from authz.policy.tables import PersonName, WarehouseKind
from authz.rendering.circumstances import Circumstances
from authz.rendering.owned import is_owned, mutable_headers_expression
from authz.rendering.polls import QueryOwner, bind_first_answer
from authz.rendering.render import render, render_request
from authz.rendering.rewrites import Rewrites
from authz.rendering.targets.trino import CLIENT_HEADERS
from authz.request import AccessRequest
from authz.scopes.constraints import OneOf
from authz.scopes.rowfilter import EVERYTHING, RowFilter, where
from tests.allows import EU, POLICY_VERSION, allow_tables, principal, request
from tests.signingkeys import one_key, verified
from tests.unit.rendering.test_polls import first_answer, path_of

KEYS = one_key()
SIGNING = Circumstances(
    policy_version=POLICY_VERSION,
    now=1000.0,
    assertion=AssertionRule(issuer="https://edge.example", key_files=("k.pem",), signs="k.pem"),
    signing=KEYS,
)
TRINO = {"kind": WarehouseKind.TRINO, "headers": (), "dialect": "trino"}


def _set(rows: RowFilter = EU, subject: str = "alice", **changes: Any) -> dict[str, str]:
    return dict(render(allow_tables(rows, **{**TRINO, **changes}), principal(subject), SIGNING).set_headers)


def _for(method: str, path: str, *, subject: str = "alice", query: str = "", **headers: str) -> Rewrites:
    sent = request(query, path=path, **headers)
    asked = AccessRequest(method=method, host=sent.host, path=path, query=query, headers=sent.headers)
    return render_request(allow_tables(EU, **TRINO), principal(subject), asked, POLICY_VERSION, KEYS)


def _refused(method: str, path: str, **changes: Any) -> Reason:
    with pytest.raises(Denied) as caught:
        _for(method, path, **changes)
    return caught.value.reason


def _poll_of(subject: str) -> str:
    owner = QueryOwner("sales", principal(subject).key)
    return path_of(json.loads(bind_first_answer(first_answer(), owner, KEYS)))


def test_a_statement_runs_as_the_person_through_a_user_without_rights() -> None:
    """Two tokens: one logs in, the other says what the person may see."""
    headers = _set()
    login = verified(headers["authorization"].removeprefix("Bearer "), KEYS)
    scope = verified(headers["x-trino-extra-credential"].removeprefix("scope="), KEYS)
    assert (login["sub"], login["aud"]) == ("scopegate-proxy", "sales/login")
    assert headers["x-trino-user"] == scope["sub"] == "alice"
    assert scope["tables"]["lake.sales.orders"]["sql"] == "\"sales_region\" = 'EU'"


def test_the_login_is_no_assertion_and_the_assertion_no_login() -> None:
    """Who takes the one for the other lets somebody in as the proxy, or takes a login for a scope."""
    headers = _set()
    login = headers["authorization"].removeprefix("Bearer ")
    scope = headers["x-trino-extra-credential"].removeprefix("scope=")
    assert (jwt.get_unverified_header(login)["typ"], jwt.get_unverified_header(scope)["typ"]) == (
        "JWT",
        "scope+jwt",
    )
    assert "tables" not in verified(login, KEYS)


@pytest.mark.parametrize("name", ["al ice ", " alice", "\u00e4", "a\x7f", "a\nb"])
def test_a_name_that_is_no_header_is_refused(name: str) -> None:
    """`X-Trino-User` is read in Latin-1, and white space is cut off: it would be another's name."""
    with pytest.raises(Denied) as caught:
        _set(subject=name)
    assert caught.value.reason is Reason.CLAIM_INVALID


def test_people_of_several_issuers_have_their_issuer_in_front() -> None:
    """As the policy says."""
    assert _set(user=PersonName(qualified=True))["x-trino-user"] == "okta:alice"


@pytest.mark.parametrize(
    ("rows", "zone"),
    [(EU, None), (EVERYTHING, None), (where({"region": OneOf((date(2026, 1, 1),))}), "UTC")],
)
def test_the_zone_of_a_session_moves_no_row(rows: RowFilter, zone: str | None) -> None:
    """A filter by moments is compared in it; where there is none, the client's own stays."""
    assert _set(rows).get("x-trino-time-zone") == zone


def test_what_is_set_for_all_requests_is_removed_by_none() -> None:
    """Envoy removes last."""
    constant = render(allow_tables(EU, **TRINO), principal(), SIGNING)
    names = {name for name, _ in constant.set_headers}
    assert names.isdisjoint(constant.remove_headers)
    assert "x-forwarded-prefix" not in constant.remove_headers
    assert {"x-forwarded-host", "forwarded", "cookie", "x-api-key"} <= set(constant.remove_headers)


SAID = {
    "x-trino-user": False,
    "x-trino-original-user": True,
    "x-trino-role": True,
    "x-trino-original-role": True,
    "x-trino-session": True,
    "x-trino-extra-credential": False,
    "x-trino-query-data-encoding": True,
    "x-trino-path": True,
    "x-trino-resource-estimate": True,
    "x-trino-set-catalog": True,
    "x-trino-anything-new": True,
    "x-presto-user": True,
    "x-presto-catalog": True,
    "x-trino-catalog": False,
    "x-trino-schema": False,
    "x-trino-prepared-statement": False,
}


@pytest.mark.parametrize(("name", "removed"), SAID.items())
def test_what_a_client_says_of_itself_is_removed_or_overwritten(name: str, removed: bool) -> None:  # noqa: FBT001
    """In any letter case; what the drivers need passes."""
    for spelt in (name, name.upper(), name.title()):
        rewrites = _for("POST", "/v1/statement", **{spelt.replace("-", "__"): "x"})
        assert (name in rewrites.remove_headers) is removed
    assert name in CLIENT_HEADERS or removed or name in _set()


def test_envoy_lets_the_answer_remove_whatever_trino_could_read() -> None:
    """By their beginnings: a header that comes with the next Trino is gone, too."""
    expression = mutable_headers_expression([allow_tables(EU, **TRINO).warehouse])
    assert "x\\-trino\\-[a-z0-9-]+" in expression
    assert "x\\-presto\\-[a-z0-9-]+" in expression
    assert not is_owned("x-trino-catalog", allow_tables(EU, **TRINO).warehouse)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/statement"), ("HEAD", "/v1/statement"), ("GET", "/v1/info"), ("HEAD", "/v1/info")],
)
def test_what_the_drivers_need_is_open(method: str, path: str) -> None:
    """A client's own prefix goes: Trino would put it into every address."""
    rewrites = _for(method, path)
    assert "x-forwarded-prefix" in rewrites.remove_headers
    assert rewrites.set_headers == ()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/statement"),
        ("DELETE", "/v1/statement"),
        ("PUT", "/v1/statement"),
        ("POST", "/v1/info"),
        ("POST", "/v1/statement/"),
        ("GET", "/v1/query"),
        ("GET", "/v1/query/20261123_080910_00012_ab3de"),
        ("GET", "/v1/spooled/download/x"),
        ("GET", "/v1/task"),
        ("GET", "/v1/status"),
        ("GET", "/v1/info/state"),
        ("GET", "/ui/"),
        ("GET", "/"),
        ("GET", f"/v1/statement/queued/20261123_080910_00012_ab3de/x{'0' * 40}/1"),
        ("POST", f"/~{'A' * 24}/v1/statement/queued/20261123_080910_00012_ab3de/x{'0' * 40}/1"),
    ],
)
def test_all_else_is_closed(method: str, path: str) -> None:
    """Everybody's statements are under `/v1/query`, and a poll that is bound to nobody is anybody's."""
    assert _refused(method, path) is Reason.ROUTE_UNKNOWN


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_poll_is_its_owners(method: str) -> None:
    """Trino is told the prefix, and so carries it on."""
    path = _poll_of("alice")
    assert _for(method, path).set_headers == (("x-forwarded-prefix", path[: path.index("/", 1)]),)
    assert _refused(method, path, subject="bob") is Reason.QUERY_FOREIGN
    assert _refused(method, path[:2] + "A" * 24 + path[26:]) is Reason.QUERY_FOREIGN


def test_without_keys_no_poll_is_anybodys() -> None:
    """503, so that the driver asks again."""
    asked = replace(request(path=_poll_of("alice")))
    with pytest.raises(Denied) as caught:
        render_request(allow_tables(EU, **TRINO), principal(), asked, POLICY_VERSION, None)
    assert caught.value.reason is Reason.NOT_READY
