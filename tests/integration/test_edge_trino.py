"""Kind `trino` through the real Envoy and two real workers, with a Trino that only keeps the protocol."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.edge_client import Reply, ask_http2
from tests.edge_counterparts import Answer, Seen
from tests.envoy_process import wait_until
from tests.integration.whole_system import WholeSystem, whole_system
from tests.signingkeys import ec_pem, verified, write_key

POLICY = """\
version: 1
edge:
  public_url: https://edge.example
  certificate: {directory}/server.crt
  private_key: {directory}/server.key
  scopegate: [{sockets}]
  admin: unix:{directory}/admin.sock
  per_address: 1000/s
issuers:
  okta: {{issuer: "{issuer}", audiences: ["{audience}"], groups_claim: groups, jwks_file: "{directory}/jwks.json"}}
assertion: {{keys: ["{key}"]}}
dimensions:
  region: {{type: string}}
warehouses:
  lake:
    kind: trino
    routes: [{{prefix: /}}]
    upstream: "{upstream}"
    credentials: [bearer, basic]
    tables: {{lake.sales.orders: {{columns: {{region: region}}}}}}
    limits: {{per_principal: 20/h}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: all, scope: {{region: [EU, UK]}}}}
  - {{id: us, to: {{groups: [analysts-us]}}, on: all, scope: {{region: [US]}}}}
"""
SLUG = "x" + "0123456789" * 4


class Protocol:
    """What Trino does with addresses: origin and prefix as it is told, one poll in the queue, then rows."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.changes: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.status = 200

    def __call__(self, seen: Seen) -> Answer:
        origin = f"https://{seen.values('x-forwarded-host')[0]}{''.join(seen.values('x-forwarded-prefix'))}"
        if seen.method == "POST":
            query = f"20261123_080910_{next(self._numbers):05d}_ab3de"
            first = {
                "id": query,
                "infoUri": f"{origin}/ui/query.html?{query}",
                "nextUri": f"{origin}/v1/statement/queued/{query}/{SLUG}/1",
                "stats": {"state": "QUEUED"},
            }
            return self._json({**first, **self.changes}, self.status)
        if seen.method != "GET" or "/queued/" not in seen.target:
            return self._json({"starting": False}) if seen.target == "/v1/info" else Answer(204)
        query = seen.target.split("/")[4]
        more = {"nextUri": f"{origin}/v1/statement/executing/{query}/{SLUG}/2"}
        return self._json({"id": query, "data": [[seen.values("x-trino-user")[0]]], **more})

    def _json(self, document: dict[str, Any], status: int = 200) -> Answer:
        headers = {"content-type": "application/json", **self.headers}
        return Answer(status, tuple(headers.items()), json.dumps(document).encode())


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSystem]:
    key = write_key(tmp_path_factory.mktemp("keys") / "signing.pem", ec_pem("edge-trino"))
    with whole_system(policy_text=POLICY, key=str(key)) as started:
        yield started


@pytest.fixture
def trino(system: WholeSystem) -> Iterator[Protocol]:
    system.warehouse.reset()
    protocol = Protocol()
    system.warehouse.answer = protocol
    yield protocol
    system.warehouse.reset()


_PEOPLE = itertools.count(1)


def somebody(system: WholeSystem, group: str = "analysts-emea") -> str:
    """A token of a person whom no limit knows yet."""
    return system.token(f"person-{next(_PEOPLE)}", group)


def post(system: WholeSystem, token: str | None, **request: Any) -> Reply:
    return system.ask(
        "/v1/statement", token, method="POST", body=b"SELECT * FROM lake.sales.orders", **request
    )


def next_of(reply: Reply) -> str:
    """The path of the next address, as a client asks for it."""
    assert reply.status == 200, reply
    address: str = reply.json()["nextUri"]
    return "/" + address.removeprefix("https://").partition("/")[2]


def failed(reply: Reply) -> str:
    """What Trino's drivers show."""
    assert reply.status == 200, reply
    answer = reply.json()
    assert not {"data", "columns", "nextUri"} & set(answer)
    message: str = answer["error"]["message"]
    return message


def test_a_query_is_asked_polled_and_ended_by_its_owner(system: WholeSystem, trino: Protocol) -> None:
    """Every poll is decided anew, and Trino sees its own paths."""
    token = system.token("owner", "analysts-emea")
    first = next_of(post(system, token))
    second = system.ask(first, token)
    assert second.json()["data"] == [["owner"]]
    assert next_of(second).startswith(first[:27])
    assert system.ask(next_of(second), token, method="DELETE").status == 204
    asked, *polls = system.warehouse.take()
    assert asked.target == "/v1/statement"
    assert [poll.target.partition("/20")[0] for poll in polls] == [
        "/v1/statement/queued",
        "/v1/statement/executing",
    ]
    assert asked.values("x-forwarded-prefix") == []
    assert {tuple(poll.values("x-forwarded-prefix")) for poll in polls} == {(first[:26],)}


def test_trino_is_told_the_person_and_the_scope_and_nothing_of_the_clients_credentials(
    system: WholeSystem, trino: Protocol
) -> None:
    """With Basic, too, where the token is the password."""
    token = somebody(system)
    assert post(system, token).status == 200
    (seen,) = system.warehouse.take()
    keys = json.loads(json.dumps({"keys": [_published()]}))
    (login,), (credential,), (user,) = (
        seen.values(name) for name in ("authorization", "x-trino-extra-credential", "x-trino-user")
    )
    assert token not in str(seen.headers)
    scope = verified(credential.removeprefix("scope="), keys)
    assert verified(login.removeprefix("Bearer "), keys)["sub"] == "scopegate-proxy"
    assert scope["sub"] == user
    assert scope["tables"] == {
        "lake.sales.orders": {
            "hidden": [], "masked": {}, "rows": [{"region": {"in": ["EU", "UK"], "type": "string"}}],
            "sql": "\"region\" IN ('EU', 'UK')",
        }
    }  # fmt: skip


def _published() -> dict[str, str]:
    from authz.signing.keys import parse_signing_key

    return dict(parse_signing_key(ec_pem("edge-trino")).public)


SMUGGLED = [
    ("X-Trino-User", "admin"),
    ("X-Trino-Original-User", "admin"),
    ("X-Trino-Role", "system=ROLE{admin}"),
    ("X-Trino-Session", "a=b"),
    ("X-Trino-Extra-Credential", "scope=eyJ.eyJ.x"),
    ("X-Trino-Query-Data-Encoding", "json"),
    ("X-TRINO-PATH", "evil"),
    ("X-Trino-Whatever-Comes", "x"),
    ("X-Presto-User", "admin"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Port", "1"),
    ("Forwarded", "host=evil.example"),
    ("X-Scope-Id", "x"),
]


@pytest.mark.parametrize(("name", "value"), SMUGGLED)
def test_nothing_that_a_client_says_of_itself_reaches_trino(
    system: WholeSystem, trino: Protocol, name: str, value: str
) -> None:
    """Sent once or twice; what the drivers need passes beside it."""
    token = somebody(system)
    said = [(name, value), (name.lower(), value), ("X-Trino-Catalog", "lake")]
    first = next_of(post(system, token, headers=said))
    assert first.startswith("/~")
    assert system.ask(first, token, headers=said).status == 200
    for seen in system.warehouse.take():
        assert value not in seen.values(name.lower())
        assert len(seen.values("x-trino-user")) == len(seen.values("x-trino-extra-credential")) == 1
        assert seen.values("x-trino-catalog") == ["lake"]


def test_a_stolen_address_opens_nothing(system: WholeSystem, trino: Protocol) -> None:
    """With another's token, with none, with one that has ended; to read, to look and to end it."""
    owner, thief = somebody(system), somebody(system, "analysts-us")
    first = next_of(post(system, owner))
    system.warehouse.take()
    assert "query_foreign" in failed(system.ask(first, thief))
    assert system.ask(first, thief, method="DELETE").status == 403
    assert system.ask(first, thief, method="HEAD").status == 403
    assert system.ask(first).status == 401
    assert system.ask(first, system.token("person-1", iat=1, nbf=1, exp=2)).status == 401
    assert system.warehouse.take() == []
    assert system.ask(first, owner).status == 200


def _variants(path: str, other: str) -> list[str]:
    tag, rest = path[:26], path[26:]
    query = rest.split("/")[4]
    return [
        rest,
        tag + path,
        other[:26] + rest,
        tag[:-1] + rest,
        tag + "A" + rest,
        tag.lower() + rest,
        tag + rest.replace("queued", "executing", 1).replace(query, query.upper()),
        tag + rest.replace(query, other[26:].split("/")[4]),
        tag + rest + "/",
        tag + rest + "/..",
        tag + "/../" + tag + rest,
        tag + rest.replace("/v1/", "/v1/%2e%2e/v1/"),
        tag + rest.replace("/v1/", "/v1%2f"),
        tag + rest.replace("/v1/", "//v1/"),
        tag + rest.replace("/v1/", "\\v1\\"),
        tag + rest.replace("/v1/", "/v1;a=b/"),
        tag + rest.replace("statement", "%73tatement"),
        tag + rest.replace("statement", "Statement"),
        tag + rest + "%00",
        "https://localhost" + tag + rest.replace(query, other[26:].split("/")[4]),
        "/v1/statement/?" + path,
        f"/v1/query/{query}",
        f"/ui/query.html?{query}",
        "/v1/spooled/download/x",
        "/v1/task",
        "/v1/node",
        tag + "/v1/query/" + query,
    ]


def test_no_other_spelling_of_an_address_opens_it_to_anybody_else(
    system: WholeSystem, trino: Protocol
) -> None:
    """Not to a thief, and not with the owner's own tag of another query."""
    owner, thief = somebody(system), somebody(system, "analysts-us")
    path, own_other = next_of(post(system, owner)), next_of(post(system, owner))
    system.warehouse.take()
    for token in (thief, None):
        for target in [path, *_variants(path, own_other)]:
            for method in ("GET", "DELETE"):
                reply = system.ask(target, token, method=method)
                assert reply.status in {400, 401, 403, 404} or "error" in reply.json(), (
                    target,
                    method,
                    reply,
                )
    for target in (own_other[:26] + path[26:], path[:26] + own_other[26:]):
        assert "query_foreign" in failed(system.ask(target, owner))
    assert system.warehouse.take() == []


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({"id": "20261123_080910_99999_zzzzz"}, {}),
        ({"data": [[1]]}, {}),
        ({"nextUri": "/v1/statement/queued/x"}, {}),
        ({"big": "x" * 70_000}, {}),
        ({}, {"content-encoding": "gzip"}),
        ({}, {"content-type": "text/html"}),
    ],
)
def test_a_first_answer_that_cannot_be_bound_does_not_leave(
    system: WholeSystem, trino: Protocol, changes: dict[str, Any], headers: dict[str, str]
) -> None:
    """502, before the query has begun to run."""
    trino.changes, trino.headers = changes, headers
    reply = post(system, somebody(system))
    assert reply.status == 502
    assert b"nextUri" not in reply.body
    assert [seen.method for seen in system.warehouse.take()] == ["POST"]


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_an_error_of_trinos_own_is_passed_on(system: WholeSystem, trino: Protocol, status: int) -> None:
    """It names no query; the driver knows what to do with it."""
    trino.status = status
    assert post(system, somebody(system)).status == status


def test_a_denied_statement_is_a_failed_query(system: WholeSystem, trino: Protocol) -> None:
    """With reason and decision id, and a record of the denial."""
    message = failed(post(system, somebody(system, "nobody")))
    assert message.startswith("Access Denied: No grant applies: no_grant (decision ")
    decision = message.rpartition("decision ")[2].rstrip(")")
    wait_until(lambda: decision in str(system.audit()), "the denial is in the trail")
    (record,) = [each for each in system.audit() if each.get("decision_id") == decision]
    assert "no_grant" in str(record)
    assert system.warehouse.take() == []


def test_who_has_no_good_token_is_asked_for_one(system: WholeSystem, trino: Protocol) -> None:
    """401 with text; for a HEAD, which asks whether a connection is good, too."""
    for reply in (post(system, None), post(system, "x.y.z"), system.ask("/v1/statement", method="HEAD")):
        assert reply.status == 401
        assert reply.header("www-authenticate")
    assert system.ask("/v1/statement", somebody(system), method="HEAD").status == 204
    assert system.ask("/v1/statement", somebody(system, "nobody"), method="HEAD").status == 403


def test_statements_are_limited_and_polls_are_not(system: WholeSystem, trino: Protocol) -> None:
    """A driver that gets 429 for a poll gives its query up."""
    token = somebody(system)
    first = next_of(post(system, token))
    assert {system.ask(first, token).status for _ in range(40)} == {200}
    assert [post(system, token).status for _ in range(25)].count(429) == 6


def test_http2_is_bound_alike(system: WholeSystem, trino: Protocol) -> None:
    """trino-jdbc speaks it."""
    token = somebody(system)
    headers = [("authorization", f"Bearer {token}")]
    reply = ask_http2(
        system.envoy.port, system.context, "/v1/statement", method="POST", headers=headers, body=b"SELECT 1"
    )
    assert ask_http2(system.envoy.port, system.context, next_of(reply), headers=headers).status == 200


def test_without_scopegate_nothing_is_asked_and_nothing_is_polled(
    system: WholeSystem, trino: Protocol
) -> None:
    """503, or 504 for a statement, whose refusal is to be bound, too; drivers try both again."""
    token = somebody(system)
    first = next_of(post(system, token))
    system.warehouse.take()
    with system.stopped(system.workers):
        assert system.ask(first, token).status == 503
        assert post(system, token).status in {503, 504}
    assert system.warehouse.take() == []


@pytest.mark.parametrize(
    "target", ["/v1/statement?x=1", "//v1/statement", "/v1/%73tatement", "/v1/./statement"]
)
def test_a_statement_by_another_spelling_is_bound_or_refused(
    system: WholeSystem, trino: Protocol, target: str
) -> None:
    """What Envoy reads as the same path takes the same way; nothing gets to Trino around the binding."""
    reply = system.ask(target, somebody(system), method="POST", body=b"SELECT 1")
    asked = system.warehouse.take()
    if asked:
        assert next_of(reply).startswith("/~")
        assert asked[0].target.partition("?")[0] == "/v1/statement"
    else:
        assert reply.status in {400, 403, 404} or failed(reply)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/v1/statement/"),
        ("POST", "/V1/statement"),
        ("POST", "/v1/statement;a=b"),
        ("POST", "/v1/statement%3Ba=b"),
        ("POST", "/v1/statement#x"),
        ("POST", "/v1"),
        ("PUT", "/v1/statement"),
        ("PATCH", "/v1/statement"),
        ("GET", "/v1/statement"),
        ("DELETE", "/v1/statement"),
        ("OPTIONS", "/v1/statement"),
        ("POST", "/v1/info"),
        ("PUT", "/v1/info/state"),
        ("GET", "/v1/info/state"),
        ("GET", "/v1/status"),
        ("GET", "/v1/query"),
        ("GET", "/v1/cluster"),
        ("GET", "/ui/"),
        ("GET", "/ui/api/query"),
        ("GET", "/v1/spooled/download/x"),
        ("GET", "/v1/jmx/mbean"),
        ("POST", "/v1/task/x"),
        ("GET", "/"),
    ],
)
def test_nothing_else_leads_to_trino(system: WholeSystem, trino: Protocol, method: str, target: str) -> None:
    """Whoever asks."""
    body = b"SELECT 1" if method in {"POST", "PUT", "PATCH"} else b""
    reply = system.ask(target, somebody(system), method=method, body=body)
    assert reply.status in {400, 403, 404, 405} or failed(reply)
    assert system.warehouse.take() == []


def test_neither_a_decoy_nor_another_method_opens_a_stolen_address(
    system: WholeSystem, trino: Protocol
) -> None:
    """In the query, in headers that name a method or a path, and in both places where a query id can stand."""
    owner, thief = somebody(system), somebody(system, "analysts-us")
    path, own = next_of(post(system, owner)), next_of(post(system, thief))
    tag, query, mine = path[:26], path[26:].split("/")[4], own[:26]
    partial = f"/v1/statement/executing/partialCancel/{query}/0/{SLUG}/1"
    system.warehouse.take()
    for target in (
        f"{path}?{own}",
        f"{path}?prefix={mine}",
        f"{mine}{path[26:]}",
        f"{tag}{partial}",
        f"{mine}{partial}",
        path.replace("/~", "/%7E"),
        path.replace("queued", "executing"),
    ):
        for method in ("GET", "HEAD", "DELETE"):
            for headers in (
                (),
                (("X-HTTP-Method-Override", "POST"), ("X-Original-URL", own), ("X-Forwarded-Prefix", mine)),
            ):
                reply = system.ask(target, thief, method=method, headers=headers)
                assert reply.status in {400, 403, 404} or failed(reply), (target, method)
    assert system.warehouse.take() == []
    # The owner's own partial cancel is let through, and so is an encoded tilde, which is the same path.
    assert system.ask(f"{tag}{partial}", owner, method="DELETE").status == 204
    assert system.ask(path.replace("/~", "/%7E"), owner).status in {200, 400, 404}
