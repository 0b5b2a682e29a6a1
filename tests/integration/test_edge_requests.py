"""The strict reading of requests by the real Envoy: what is refused, removed, or passed on unchanged."""

import json
import ssl
from collections.abc import Iterator

import pytest

from authz.policy.policyset import Route
from tests.edge_client import Headers, ask, ask_http2
from tests.edge_counterparts import Answer, allow, deny
from tests.edge_policies import ISSUER, edge_warehouse
from tests.integration.edge_system import StubbedEdge, stubbed_edge

CANARY = "canary-7f3a"


@pytest.fixture(scope="module")
def system() -> Iterator[StubbedEdge]:
    with stubbed_edge(
        lambda upstream, _: [
            edge_warehouse("sales", upstream=upstream),
            edge_warehouse(
                "hosted",
                Route(prefix="/", hosts=frozenset({"bi.example"})),
                Route(path="/sales/only", hosts=frozenset({"bi.example", "two.example"})),
                upstream=upstream,
            ),
        ],
        public_url="https://edge.example/warehouse",
    ) as running:
        yield running


@pytest.fixture
def edge(system: StubbedEdge) -> StubbedEdge:
    system.reset()
    return system


def raw_headers(edge: StubbedEdge) -> list[tuple[str, bytes]]:
    """The headers of the one question that Scopegate was asked."""
    (call,) = edge.stub.take()
    http = call.attributes.request.http
    return [(header.key, header.raw_value) for header in http.header_map.headers]


@pytest.mark.parametrize(
    "name",
    [
        "x-scope-sql",
        "X-Scope-Json",
        "X-SCOPE-ID",
        "x-scope-something-new",
        "x-api-key",
        "X-Original-URL",
        "x-http-method-override",
        "x-forwarded-host",
        "x-forwarded-user",
        "x-real-ip",
        "forwarded",
    ],
)
def test_an_owned_header_of_the_client_reaches_nobody(edge: StubbedEdge, name: str) -> None:
    """In any casing, known or new, sent once or twice."""
    headers = [(name, CANARY), (name, CANARY), ("x-harmless", "kept")]
    assert edge.ask("/sales/x", headers=headers).status == 200

    (seen,) = edge.warehouse.take()
    assert name.lower() not in seen.names
    assert seen.values("x-harmless") == ["kept"]
    assert name.lower() not in {key for key, _ in raw_headers(edge)}


@pytest.mark.parametrize(
    "name", ["x-envoy-internal", "x-envoy-upstream-rq-timeout-ms", "x-envoy-original-path"]
)
def test_envoy_obeys_no_header_of_a_client(edge: StubbedEdge, name: str) -> None:
    """Nobody is internal, so nobody steers Envoy by its own headers."""
    edge.ask("/sales/x", headers=[(name, "1")])

    (seen,) = edge.warehouse.take()
    assert not {key for key in seen.names if key.startswith("x-envoy-")}
    assert name not in {key for key, _ in raw_headers(edge)}


def test_the_address_is_the_peers(edge: StubbedEdge) -> None:
    """Neither Scopegate nor the warehouse reads an address that the client made up."""
    edge.ask("/sales/x", headers=[("x-forwarded-for", "203.0.113.9, 10.0.0.1")], source="127.0.0.9")

    (call,) = edge.stub.take()
    assert call.attributes.source is not None
    assert "127.0.0.9" in str(call.attributes.source.address)
    assert edge.warehouse.take()[0].values("x-forwarded-for") == ["127.0.0.9"]


def test_a_forged_client_certificate_header_is_not_believed(edge: StubbedEdge) -> None:
    """X-Forwarded-Client-Cert comes from the handshake only, and neither Scopegate nor the warehouse gets it."""
    forged = 'Subject="CN=admin";URI=spiffe://acme.example/tableau/extract'
    edge.ask("/sales/x", headers=[("x-forwarded-client-cert", forged)])

    (call,) = edge.stub.calls
    assert b"spiffe" not in call
    assert b"x-forwarded-client-cert" not in call
    assert "x-forwarded-client-cert" not in edge.warehouse.take()[0].names


def test_credentials_reach_scopegate_and_no_further(edge: StubbedEdge) -> None:
    """The answer removes them, and nothing of them is in the access log."""
    edge.ask(
        "/sales/credentials", headers=[("authorization", f"Bearer {CANARY}"), ("cookie", f"session={CANARY}")]
    )

    assert dict(raw_headers(edge))["authorization"] == f"Bearer {CANARY}".encode()
    assert CANARY not in str(edge.warehouse.take())
    edge.envoy.wait_for_line(path="/sales/credentials")
    assert CANARY not in edge.envoy.log_text()


def test_scopegate_sees_every_duplicate(edge: StubbedEdge) -> None:
    """Envoy joins those of headers that it knows well, and leaves others apart; it never drops one."""
    pairs = [("authorization", "Bearer a"), ("x-other", "1"), ("Authorization", "Bearer b"), ("X-Other", "2")]
    edge.ask("/sales/x", deny(3, 400, "request_ambiguous"), headers=pairs)

    received = raw_headers(edge)
    assert [value for key, value in received if key == "authorization"] == [b"Bearer a,Bearer b"]
    assert [value for key, value in received if key == "x-other"] == [b"1", b"2"]


@pytest.mark.parametrize("name", ["x_scope_sql", "X_Scope_Id", "any_thing"])
def test_underscores_in_header_names_are_refused(edge: StubbedEdge, name: str) -> None:
    """A server behind might read them as hyphens."""
    assert edge.ask("/sales/x", headers=[(name, "1")]).status == 400
    assert (edge.stub.calls, edge.warehouse.take()) == ([], [])


@pytest.mark.parametrize(
    "target",
    [
        "/sales%2fx",
        "/sales/..%2Fother",
        "/sales/%5cx",
        "/sales/a%5C..%5cb",
        "/sales/%00",
        "sales/x",
        "/sales/a b",
    ],
)
def test_targets_that_can_be_read_in_two_ways_are_refused(edge: StubbedEdge, target: str) -> None:
    """Encoded separators and control characters are the material of differences between parsers."""
    assert edge.ask(target).status == 400
    assert (edge.stub.calls, edge.warehouse.take()) == ([], [])


@pytest.mark.parametrize(
    "target", ["/other/../sales/x", "/%2e%2e/sales/./x", "//sales///x", "/sales/%2e/x", "/sales/y/../x"]
)
def test_scopegate_decides_on_the_path_that_the_warehouse_gets(edge: StubbedEdge, target: str) -> None:
    """Dot segments and empty segments are gone before the route is chosen."""
    assert edge.ask(target).status == 200

    (call,) = edge.stub.take()
    assert call.attributes.request.http.path == "/sales/x"
    assert [seen.target for seen in edge.warehouse.take()] == ["/sales/x"]


@pytest.mark.parametrize(
    ("host", "target", "warehouse"),
    [
        ("bi.example", "/sales/x", "hosted"),
        ("BI.example:8443", "/sales/x", "hosted"),
        ("two.example", "/sales/only", "hosted"),
        ("two.example", "/sales/x", "sales"),
        ("localhost", "/sales/only", "sales"),
        ("bi.example.", "/sales/x", "sales"),
    ],
)
def test_a_route_that_names_the_host_comes_first(
    edge: StubbedEdge, host: str, target: str, warehouse: str
) -> None:
    """Whatever its case and port; other hosts have the routes that name none."""
    assert edge.ask(target, allow(warehouse), host=host).status == 200
    (call,) = edge.stub.take()
    assert call.attributes.context_extensions == {"warehouse": warehouse}


def test_the_warehouse_is_addressed_by_its_own_name(edge: StubbedEdge) -> None:
    """A client's Host reaches nobody."""
    edge.ask("/sales/x", host="evil.example")

    assert edge.warehouse.take()[0].values("host") == [f"127.0.0.1:{edge.warehouse.port}"]


def test_too_many_and_too_long_headers_are_refused(edge: StubbedEdge) -> None:
    """Before anybody is asked."""
    many = [(f"x-h-{number}", "1") for number in range(120)]
    assert edge.ask("/sales/x", headers=many).status == 431
    assert edge.ask("/sales/x", headers=[("x-long", "a" * 70_000)]).status == 431
    assert edge.stub.calls == []


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("OPTIONS", [("origin", "https://evil.example"), ("access-control-request-method", "GET")]),
        ("TRACE", []),
        ("CONNECT", []),
        ("GET", [("connection", "upgrade"), ("upgrade", "websocket")]),
    ],
)
def test_preflights_traces_and_upgrades_open_nothing(
    edge: StubbedEdge, method: str, headers: Headers
) -> None:
    """Every request that goes on has been decided on, and no answer invites other origins."""
    reply = edge.ask("/sales/x", deny(7, 403, "method_denied"), method=method, headers=headers)

    assert reply.status in {400, 403, 404, 405}
    assert reply.header("access-control-allow-origin") is None
    assert edge.warehouse.take() == []


@pytest.mark.parametrize(
    "headers",
    [
        [("transfer-encoding", "chunked")],
        [("transfer-encoding", "identity")],
        [("transfer-encoding", "chunked, gzip")],
        [("content-length", "3")],
    ],
)
def test_a_body_of_doubtful_length_is_refused(edge: StubbedEdge, headers: Headers) -> None:
    """Two lengths are how a request is smuggled inside another (RFC 9112 section 6.3)."""
    reply = edge.ask(
        "/sales/x", method="POST", headers=headers, body=b"0\r\n\r\nGET /sales/y HTTP/1.1\r\n\r\n"
    )

    assert reply.status in {400, 501}
    assert (edge.stub.calls, edge.warehouse.take()) == ([], [])


def test_a_request_id_of_the_client_is_replaced(edge: StubbedEdge) -> None:
    """So that nobody writes another's id into the trail."""
    edge.ask("/sales/x", headers=[("x-request-id", CANARY)])

    assert CANARY.encode() not in dict(raw_headers(edge))["x-request-id"]
    assert CANARY not in str(edge.warehouse.take())


@pytest.mark.parametrize("size", [0, 10, 300_000])
def test_a_body_arrives_whole(edge: StubbedEdge, size: int) -> None:
    """The decision does not touch it."""
    body = bytes(range(256)) * (size // 256) + b"\xff" * (size % 256)
    reply = edge.ask("/sales/x", method="POST", body=body)

    assert reply.status == 200
    (seen,) = edge.warehouse.take()
    assert (seen.method, seen.body) == ("POST", body)


def test_http2_is_held_to_the_same(edge: StubbedEdge) -> None:
    """Answers, removals and refusals do not depend on the protocol."""
    context = edge.client("http2")

    def ask2(target: str, **request: object) -> int:
        return ask_http2(edge.envoy.port, context, target, **request).status  # type: ignore[arg-type]

    assert ask2("/sales/x", headers=[("x-scope-sql", CANARY), ("authorization", CANARY)]) == 200
    assert CANARY not in str(edge.warehouse.take())
    assert ask2("/sales/x", method="POST", body=b"q" * 10_000) == 200
    assert edge.warehouse.take()[0].body == b"q" * 10_000
    assert ask2("/sales%2fx") == 400
    edge.stub.answer = lambda _call: deny(16, 401, "credential_missing")
    assert ask2("/sales/x") == 401
    edge.stub.answer = lambda _call: b""
    assert ask2("/sales/x") == 503
    assert edge.warehouse.take() == []


def test_old_tls_is_refused(edge: StubbedEdge) -> None:
    """TLS 1.2 is the oldest."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(edge.directory / "ca.pem")
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        ask(edge.envoy.port, old, "/healthz")

    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert ask(edge.envoy.port, old, "/healthz").status == 200


def test_the_health_check_asks_nobody_and_says_nothing(edge: StubbedEdge) -> None:
    """It is Envoy's own."""
    reply = edge.ask("/healthz", b"", headers=[("authorization", "Bearer x")])

    assert (reply.status, reply.body) == (200, b"ok\n")
    assert (edge.stub.calls, edge.warehouse.take()) == ([], [])


def test_the_metadata_names_the_issuers(edge: StubbedEdge) -> None:
    """RFC 9728: the well-known part stands before the resource's own path."""
    reply = edge.ask("/.well-known/oauth-protected-resource/warehouse", b"")

    assert (reply.status, reply.header("content-type")) == (200, "application/json")
    assert reply.json() == {
        "resource": "https://edge.example/warehouse",
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
    }
    assert edge.stub.calls == []


@pytest.mark.parametrize("path", ["/config_dump", "/quitquitquit", "/stats", "/ready", "/server_info"])
def test_the_admin_interface_is_not_on_the_data_port(edge: StubbedEdge, path: str) -> None:
    """Neither by its paths nor under another host."""
    for host in ("localhost", "admin"):
        assert edge.ask(path, deny(5, 404, "route_unknown"), host=host).status == 404


def test_the_admin_socket_is_for_its_owner_and_changes_nothing(edge: StubbedEdge) -> None:
    """No other user may connect; it neither stops Envoy nor shows its configuration."""
    assert (edge.directory / "admin.sock").stat().st_mode & 0o077 == 0
    assert edge.envoy.admin("/quitquitquit", "POST").status == 403
    assert edge.envoy.admin("/logging?level=debug", "POST").status == 403
    assert edge.envoy.admin("/config_dump").status == 403
    assert edge.envoy.admin("/ready").status == 200


def test_the_access_log_tells_the_decision_and_no_query(edge: StubbedEdge) -> None:
    """One JSON line with the decision's id, and nothing of what was asked for."""
    reply = edge.ask(
        f"/sales/logged?sql={CANARY}", headers=[("user-agent", f'x"\n{CANARY}'.replace("\n", ""))]
    )
    line = edge.envoy.wait_for_line(path="/sales/logged")

    assert line["decision_id"] == reply.header("x-scope-decision-id")
    assert (line["status"], line["warehouse"], line["principal"], line["reason"]) == (
        200,
        "sales",
        "ann",
        "granted",
    )
    assert line["address"] == "127.0.0.1"
    assert isinstance(line["check_ms"], int)
    assert CANARY not in edge.envoy.log_text()


def test_a_denial_is_in_the_access_log_too(edge: StubbedEdge) -> None:
    """With its id and its reason."""
    edge.ask("/sales/denied?a=1", deny(7, 403, "no_grant"))
    line = edge.envoy.wait_for_line(path="/sales/denied")

    assert (line["status"], line["decision_id"], line["reason"]) == (403, "d-0", "no_grant")


def test_log_lines_cannot_be_forged(edge: StubbedEdge) -> None:
    """A path with quotes stays inside its string."""
    edge.ask('/sales/"}{"status":200', deny(7, 403, "no_grant"))
    edge.ask("/sales/forged", deny(7, 403, "no_grant"))
    edge.envoy.wait_for_line(path="/sales/forged")

    assert all(isinstance(json.loads(line), dict) for line in edge.envoy.log_text().splitlines())


def test_the_answer_says_nothing_of_the_inside(edge: StubbedEdge) -> None:
    """Headers of Envoy and forged headers of the warehouse stay behind; other headers pass."""
    edge.warehouse.answer = lambda _seen: Answer(
        headers=[("x-scope-decision-id", "forged"), ("x-envoy-x", "1"), ("content-type", "text/csv")]
    )
    reply = edge.ask("/sales/x")

    assert "forged" not in str(reply.headers)
    assert not [name for name, _ in reply.headers if name.lower().startswith("x-envoy-")]
    assert reply.header("content-type") == "text/csv"


def test_an_unreachable_warehouse_is_503_with_a_reason_of_its_own(edge: StubbedEdge) -> None:
    """Told apart from a missing decision, and without a word about addresses."""

    def vanish(_seen: object) -> Answer:
        raise ConnectionAbortedError

    edge.warehouse.answer = vanish
    reply = edge.ask("/sales/x")

    assert (reply.status, reply.json()["reason"]) == (503, "warehouse_unavailable")
    assert b"127.0.0.1" not in reply.body
