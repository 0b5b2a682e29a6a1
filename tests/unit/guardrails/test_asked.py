"""Where the SQL stands in a request, and what could hide some of it."""

from dataclasses import replace
from typing import Any

import pytest

from authz.errors import Denied, Reason
from authz.guardrails.asked import Asked
from authz.guardrails.clickhouse import read_clickhouse
from authz.guardrails.rules import Session
from authz.guardrails.trino import read_trino
from authz.request import AccessRequest

SHOWN = {"warehouse": "lake", "body": "whole"}


def request(
    body: bytes | None = None, query: str = "", method: str = "POST", context: Any = None, **headers: Any
) -> AccessRequest:
    """A request; `x__y` in a keyword stands for the header `x-y`, and a tuple for several."""
    return AccessRequest(
        method=method,
        host="edge",
        path="/v1/statement",
        query=query,
        body=body,
        context=SHOWN if context is None else context,
        headers={
            name.replace("__", "-"): value if isinstance(value, tuple) else (value,)
            for name, value in headers.items()
        },
    )


def refused(read: Any, asked: AccessRequest) -> Reason:
    with pytest.raises(Denied) as denied:
        read(asked)
    assert "canary" not in str(denied.value)
    return denied.value.reason


@pytest.mark.parametrize("read", [read_trino, read_clickhouse])
def test_a_body_that_nobody_shows(read: Any) -> None:
    """A route that is not set up for guardrails decides nothing: there could be any statement in it."""
    for context in ({}, {"warehouse": "lake"}, {"body": "part"}):
        assert refused(read, request(b"select 1", context=context)) is Reason.ROUTE_MISMATCH
        assert refused(read, request(query="query=select+1", context=context)) is Reason.ROUTE_MISMATCH
    assert refused(read, request(x__envoy__auth__partial__body="true")) is Reason.ROUTE_MISMATCH
    assert read(request(b"select 1", x__envoy__auth__partial__body="false"))


@pytest.mark.parametrize("read", [read_trino, read_clickhouse])
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff", {}),
        (b"select 1", {"content__encoding": "gzip"}),
        (b"select 1", {"content__encoding": ("identity", "zstd")}),
        (b"select 1", {"content__type": "text/plain; charset=utf-16"}),
        (b"select 1", {"content__type": 'text/plain;CHARSET = "utf-7"'}),
        (b"select 1", {"content__type": ("text/plain; charset=utf-8; charset=latin1",)}),
    ],
)
def test_bodies_that_could_be_another_text(read: Any, body: bytes, headers: dict[str, Any]) -> None:
    """Compressed or in another character set, as the warehouse may or may not understand it."""
    assert refused(read, request(body, **headers)) is Reason.STATEMENT_MALFORMED
    assert read(request(b"select 1", content__type="text/plain; charset=UTF-8", content__encoding="identity"))


def test_trino() -> None:
    """The body, the defaults, and the prepared statements."""
    asked = read_trino(
        request(
            "select 'ü'".encode(),
            x__trino__catalog="lake",
            x__trino__schema="sales",
            x__trino__prepared__statement=("a=select+%27x%2Cy%27, B=select%202", "c=select+3"),
        )
    )
    assert asked == Asked(
        statement="select 'ü'",
        session=Session(catalog="lake", schema="sales", prepared=frozenset({"a", "b", "c"})),
        prepared={"a": "select 'x,y'", "b": "select 2", "c": "select 3"},
    )
    assert read_trino(request(b"select 1")) == Asked(statement="select 1", session=Session())


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
def test_polls_of_trino_have_no_statement(method: str) -> None:
    """They are not looked at, whatever they carry: Trino runs none of it."""
    assert read_trino(request(b"drop table x", method=method, context={})) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("canary", Reason.STATEMENT_MALFORMED),
        ("a=b=canary", Reason.STATEMENT_MALFORMED),
        ("a=%zzcanary", Reason.STATEMENT_MALFORMED),
        ("a=%", Reason.STATEMENT_MALFORMED),
        ("a=%ff", Reason.STATEMENT_MALFORMED),
        ("a=%24zstd%3Acanary", Reason.STATEMENT_MALFORMED),
        ("a=select+1,A=select+2", Reason.REQUEST_AMBIGUOUS),
        (("a=select+1", "a=select+1"), Reason.REQUEST_AMBIGUOUS),
    ],
)
def test_prepared_statements_that_are_none(value: Any, reason: Reason) -> None:
    """What Trino might read in another way than we do."""
    assert refused(read_trino, request(b"execute a", x__trino__prepared__statement=value)) is reason


@pytest.mark.parametrize("name", ["x__trino__catalog", "x__trino__schema"])
def test_two_defaults_of_trino(name: str) -> None:
    """Which of them counts is not said anywhere."""
    assert refused(read_trino, request(b"select 1", **{name: ("a", "b")})) is Reason.REQUEST_AMBIGUOUS


@pytest.mark.parametrize(
    ("body", "query", "headers", "expected"),
    [
        (b"select 1", "", {}, Asked(statement="select 1", session=Session())),
        (None, "query=select%201", {}, Asked(statement="select 1", session=Session())),
        (b"", "a=1&%71uery=select+1%3B", {}, Asked(statement="select 1;", session=Session())),
        (b"select 1", "database=sales", {}, Asked(statement="select 1", session=Session(schema="sales"))),
        (
            b"select 1",
            "query=&query_id=7",
            {"x__clickhouse__database": "sales"},
            Asked(statement="select 1", session=Session(schema="sales")),
        ),
        (b"select 1", "decompress=0", {}, Asked(statement="select 1", session=Session())),
        (None, "", {}, None),
        (None, "database=sales", {}, None),
    ],
)
def test_clickhouse(body: bytes | None, query: str, headers: dict[str, Any], expected: Asked | None) -> None:
    """The parameter or the body, whatever the method; none of either is the server's greeting."""
    for method in ("GET", "POST"):
        assert read_clickhouse(request(body, query, method, **headers)) == expected


@pytest.mark.parametrize(
    ("body", "query", "headers", "reason"),
    [
        (b" union all select 2", "query=select+1", {}, Reason.REQUEST_AMBIGUOUS),
        (None, "query=select+1&query=select+2", {}, Reason.REQUEST_AMBIGUOUS),
        (None, "query=select+1&QUERY=select+2", {}, Reason.REQUEST_AMBIGUOUS),
        (None, "query=select+1;drop+table+x", {}, Reason.REQUEST_AMBIGUOUS),
        (None, "query=%ff", {}, Reason.STATEMENT_MALFORMED),
        (None, "query=select+%zz", {}, Reason.STATEMENT_MALFORMED),
        (b"select 1", "decompress=1", {}, Reason.STATEMENT_MALFORMED),
        (b"select 1", "database=a", {"x__clickhouse__database": "b"}, Reason.REQUEST_AMBIGUOUS),
        (b"select 1", "database=a&database=b", {}, Reason.REQUEST_AMBIGUOUS),
        (b"select 1", "", {"x__clickhouse__database": ("a", "a")}, Reason.REQUEST_AMBIGUOUS),
        (b"--x", "", {"content__type": "multipart/form-data; boundary=x"}, Reason.STATEMENT_MALFORMED),
        (b"query=x", "", {"content__type": "application/x-www-form-urlencoded"}, Reason.STATEMENT_MALFORMED),
    ],
)
def test_statements_of_clickhouse_in_two_places(
    body: bytes | None, query: str, headers: dict[str, Any], reason: Reason
) -> None:
    """The server puts query and body together, and reads forms; nobody would have examined the whole."""
    assert refused(read_clickhouse, request(body, query, **headers)) is reason


@pytest.mark.parametrize("path", ["/", "/v1/statement/", "/V1/statement", "/v1/info", "/v1/task/x"])
def test_a_statement_that_is_sent_elsewhere_is_no_doubt_of_ours(path: str) -> None:
    """A 503 would have drivers ask again for minutes, and an alert ring."""
    elsewhere = replace(request(b"select 1", context={"warehouse": "lake"}), path=path)
    assert refused(read_trino, elsewhere) is Reason.ROUTE_UNKNOWN
    assert read_trino(replace(elsewhere, method="GET")) is None
