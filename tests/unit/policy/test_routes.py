"""Routes: the most specific one decides, alone, on whole segments."""

import pytest

from authz.errors import Denied, Reason
from authz.policy.policyset import Route
from authz.policy.routes import RouteTable, route_conflicts
from tests.rules import get, warehouse

TABLE = RouteTable(
    [
        warehouse("sales", Route(prefix="/api/")),
        warehouse("bare", Route(prefix="/bare")),
        warehouse("deep", Route(prefix="/api/v2/deep/")),
        warehouse("exact", Route(path="/api/status")),
        warehouse("reader", Route(prefix="/read/", methods=frozenset({"GET"}))),
        warehouse("writer", Route(prefix="/read/", methods=frozenset({"POST"}))),
        warehouse("elsewhere", Route(prefix="/", hosts=frozenset({"other.example"}))),
        warehouse("strict", Route(prefix="/api/strict/", methods=frozenset({"GET"}))),
    ]
)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/apiary",
        "/API/x",
        "/barefoot",
        "/bare%2Fx",
        "/x/api/",
        "/read",
        "/%61pi/x",
        "/x" * 10_000,
    ],
)
def test_a_path_that_no_route_names_is_unknown(path: str) -> None:
    """Never a neighbour: no prefix ends inside a segment, and nothing is decoded or folded."""
    with pytest.raises(Denied) as caught:
        TABLE.find(get(path))
    assert caught.value.reason is Reason.ROUTE_UNKNOWN


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/", "sales"),
        ("/api/x", "sales"),
        ("/api/v2/deep", "sales"),
        ("/api/v2/deepest", "sales"),
        ("/api/v2/deep/", "deep"),
        ("/api/v2/deep/x/y", "deep"),
        ("/api/status", "exact"),
        ("/api/status/", "sales"),
        ("/bare", "bare"),
        ("/bare/", "bare"),
        ("/bare/x/y/z", "bare"),
        ("/read/x", "reader"),
        ("/api/" + "x/" * 10_000, "sales"),
    ],
)
def test_the_most_specific_route_wins(path: str, expected: str) -> None:
    """The whole path beats a prefix, and a longer prefix a shorter one."""
    assert TABLE.find(get(path)).name == expected


def test_a_route_of_the_host_beats_every_other() -> None:
    """Even a shorter one; and another host does not get it."""
    assert TABLE.find(get("/api/status")).name == "exact"
    assert TABLE.find(get("/api/status", host="other.example")).name == "elsewhere"
    with pytest.raises(Denied):
        TABLE.find(get("/x", host="another.example"))


@pytest.mark.parametrize("method", ["OPTIONS", "DELETE", "CONNECT", "get"])
def test_a_method_that_the_route_does_not_name_is_denied(method: str) -> None:
    """A preflight is a request like any other: nothing is opened for it."""
    with pytest.raises(Denied) as caught:
        TABLE.find(get("/api/x", method=method))
    assert caught.value.reason is Reason.METHOD_DENIED


def test_no_wider_route_is_asked_for_a_method() -> None:
    """`/api/` takes POST; `/api/strict/` does not, and stands alone."""
    assert TABLE.find(get("/api/strict/x")).name == "strict"
    with pytest.raises(Denied) as caught:
        TABLE.find(get("/api/strict/x", method="POST"))
    assert caught.value.reason is Reason.METHOD_DENIED


def test_one_prefix_may_lead_to_two_warehouses_by_method() -> None:
    """Reads here, writes there."""
    assert TABLE.find(get("/read/x", method="POST")).name == "writer"


@pytest.mark.parametrize("hint", ["deep", "", "SALES"])
def test_a_proxy_that_would_connect_elsewhere_is_refused(hint: str) -> None:
    """A warehouse must never be asked with another one's scope."""
    assert TABLE.find(get("/api/x", warehouse_hint="sales")).name == "sales"
    with pytest.raises(Denied) as caught:
        TABLE.find(get("/api/x", warehouse_hint=hint))
    assert caught.value.reason is Reason.ROUTE_MISMATCH


def test_two_warehouses_cannot_claim_the_same_requests() -> None:
    """Which of them is meant would be a guess."""
    both = [
        warehouse("a", Route(prefix="/x/")),
        warehouse("b", Route(prefix="/x/", methods=frozenset({"POST"}))),
    ]
    conflict = "warehouses `a` and `b` both claim POST /x/"
    assert [each.message for each in route_conflicts(both)] == [conflict]
    with pytest.raises(ValueError, match=conflict):
        RouteTable(both)


def test_one_warehouse_may_repeat_itself() -> None:
    """The same route twice says nothing new."""
    twice = warehouse("a", Route(prefix="/x/"), Route(prefix="/x/"))
    assert route_conflicts([twice]) == ()
    assert RouteTable([twice]).find(get("/x/y")) is twice


@pytest.mark.parametrize("prefix", ["/", "/x", "/x/", "/x/y"])
def test_a_lone_prefix_matches_what_is_below(prefix: str) -> None:
    """The longest prefix of all is one like any other, with or without its slash."""
    table = RouteTable([warehouse("a", Route(prefix=prefix))])
    for below in ("/x/y", "/x/y/", "/x/y/z"):
        assert table.find(get(below)).name == "a"


def test_a_table_without_routes_knows_nothing() -> None:
    """No warehouse: no route, and no error."""
    with pytest.raises(Denied):
        RouteTable([]).find(get("/"))
