"""Kind `clickhouse`: the query of each request is Scopegate's, with what of the client's leaves rows as they are."""

import base64
import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from authz.errors import Denied, Reason
from authz.policy.tables import WarehouseKind
from authz.rendering.owned import removed_headers
from authz.rendering.render import render_request
from authz.rendering.targets import clickhouse
from authz.request import AccessRequest
from authz.scopes.constraints import OneOf
from authz.scopes.rowfilter import EVERYTHING, NOTHING, any_of, where
from tests.allows import EU, POLICY_VERSION, allow_tables, principal

ALLOW = allow_tables(EU, kind=WarehouseKind.CLICKHOUSE, headers=())


def _ask(
    query: str = "",
    *,
    method: str = "POST",
    path: str = "/",
    headers: dict[str, tuple[str, ...]] | None = None,
) -> clickhouse.Rewrites:
    request = AccessRequest(
        method=method, host="clickhouse.example", path=path, query=query, headers=headers or {}
    )
    return render_request(ALLOW, principal(), request, POLICY_VERSION, None)


def _told(target: str | None) -> dict[str, str]:
    assert target is not None
    return dict(parse_qsl(urlsplit(target).query, strict_parsing=True))


def _denied(query: str, **request: str) -> Reason:
    with pytest.raises(Denied) as caught:
        _ask(query, **request)  # type: ignore[arg-type]
    return caught.value.reason


def test_the_scope_comes_first_and_the_statement_cannot_change_it() -> None:
    """`readonly` after the scope; then what the driver has said, as it has written it."""
    rewrites = _ask("query_id=a%2Fb&database=sales&param_x=1%26SQL_scopegate%3D2&session_id=s")
    assert rewrites.path is not None
    assert rewrites.path.startswith("/?SQL_scopegate=%27")
    assert rewrites.path.endswith(
        "%27&readonly=1&query_id=a%2Fb&database=sales&param_x=1%26SQL_scopegate%3D2"
    )
    told = _told(rewrites.path)
    assert list(told) == ["SQL_scopegate", "readonly", "query_id", "database", "param_x"]
    scope = json.loads(base64.b64decode(told["SQL_scopegate"].strip("'")))
    assert scope["rows"] == [{"region": {"type": "string", "in": ["EU"]}}]


@pytest.mark.parametrize(
    "query",
    [
        "SQL_scopegate=x",
        "SQL_other=x",
        "sql_scopegate=x",
        "SQL%5Fscopegate=x",
        "readonly=0",
        "readonly=2",
        "user=default",
        "password=x",
        "role=admin",
        "profile=default",
        "quota_key=x&stacktrace=1",
        "additional_table_filters=x",
        "session_timezone=UTC",
        "allow_experimental_analyzer=0",
        "format_schema=/etc/passwd",
        "decompress=1",
        "buffer_size=1",
        "log_comment=x",
        "max_threads=1",
        "%71uery=select",
        "query%00=x",
        "query[]=x",
        " query=x",
        "QUERY=x",
        "param-x=1",
        "=x",
        "x",
    ],
)
def test_a_parameter_that_is_not_known_is_refused(query: str) -> None:
    """Whoever it would be, whatever it would change, however it is spelled."""
    assert _denied(query) is Reason.PARAMETER_DENIED


@pytest.mark.parametrize("query", ["query=a&query=b", "database=a&database=a", "query=a;readonly=0"])
def test_what_two_readers_could_read_in_two_ways_is_refused(query: str) -> None:
    """Twice the same name, or another separator."""
    assert _denied(query) is Reason.REQUEST_AMBIGUOUS


def test_statements_are_posted_to_one_path() -> None:
    """A ping needs no scope and gets no query; pages that the server has for people are closed."""
    assert _ask("x=1", method="GET", path="/ping").path == "/ping"
    assert _ask("", method="GET").path == "/"
    assert _denied("query=select+1", method="GET") is Reason.METHOD_DENIED
    assert _denied("", method="PUT") is Reason.METHOD_DENIED
    for path in ("/play", "/dashboard", "/replicas_status", "/metrics", "/ping/", "//"):
        assert _denied("", path=path) is Reason.ROUTE_UNKNOWN


def test_who_asks_is_not_the_clients_to_say() -> None:
    """User and key go; database and format stay."""
    names = ("x-clickhouse-key", "x-clickhouse-database", "x-clickhouse-format", "x-clickhouse-new")
    rewrites = _ask(headers=dict.fromkeys(names, ("v",)))
    assert set(rewrites.remove_headers) & set(names) == {"x-clickhouse-key", "x-clickhouse-new"}
    assert "authorization" in removed_headers(ALLOW.warehouse)


def test_everything_and_nothing_are_told_apart() -> None:
    """No alternative is no row."""
    warehouse = ALLOW.warehouse
    assert json.loads(clickhouse.scope_text(warehouse, EVERYTHING))["rows"] == "all"
    assert json.loads(clickhouse.scope_text(warehouse, NOTHING))["rows"] == []


def test_more_alternatives_than_the_row_policies_look_at_are_refused() -> None:
    """Left out, they would be missing rows; the person is told instead."""
    warehouse = ALLOW.warehouse

    def alternatives(count: int) -> str:
        return clickhouse.scope_text(
            warehouse,
            any_of(where({"region": OneOf((f"r{n}",)), "product": OneOf((f"p{n}",))}) for n in range(count)),
        )

    assert len(json.loads(alternatives(clickhouse.MAX_ALTERNATIVES))["rows"]) == clickhouse.MAX_ALTERNATIVES
    with pytest.raises(Denied) as caught:
        alternatives(clickhouse.MAX_ALTERNATIVES + 1)
    assert caught.value.reason is Reason.SCOPE_NOT_EXPRESSIBLE
