"""APIs that take a row filter in their own query language, behind the real Envoy: whose rows, and what is let through.

The API reads PostgREST's parameters as PostgREST does, and hands OData's expressions to DuckDB. What the real servers
make of them is in tests/warehouses.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from urllib.parse import parse_qsl, urlsplit

import duckdb
import jwt
import pytest

from tests.edge_counterparts import Answer, Seen
from tests.integration.whole_system import WholeSystem, whole_system
from tests.postgrest_reading import read, selects

POLICY = """\
version: 1
edge:
  public_url: https://edge.example
  certificate: {directory}/server.crt
  private_key: {directory}/server.key
  scopegate: [{sockets}]
  admin: unix:{directory}/admin.sock
  per_address: 100000/s
issuers:
  okta: {{issuer: "{issuer}", audiences: ["{audience}"], groups_claim: groups, jwks_file: "{directory}/jwks.json"}}
dimensions:
  region: {{type: string}}
  day: {{type: date}}
warehouses:
  orders:
    routes: [{{path: /orders}}]
    upstream: "{upstream}"
    columns: {{region: region, day: day}}
    headers: [assertion]
    filter: {{form: postgrest}}
  shared:
    routes: [{{path: /shared}}]
    upstream: "{upstream}"
    columns: {{region: region, day: day}}
    headers: []
    filter: {{form: postgrest}}
    cache: {{ttl: 60s}}
  odata:
    routes: [{{path: /odata/Orders}}, {{path: /odata/$metadata}}, {{path: /odata/}}]
    upstream: "{upstream}"
    columns: {{region: Region, day: Day}}
    labels: {{Email: pii}}
    headers: []
    filter: {{form: odata}}
assertion: {{keys: ["{directory}/assertion.pem"]}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: all, scope: {{region: [EU, "O'B,)"], day: {{from: 2026-01-15}}}}, clear: [pii]}}
  - {{id: us, to: {{groups: [analysts-us]}}, on: all, scope: {{region: [US], day: all}}, clear: [pii]}}
  - {{id: chief, to: {{groups: [chiefs]}}, on: all, scope: {{region: all, day: all}}, clear: [pii]}}
  - {{id: claimed, to: {{groups: [claimed]}}, on: all, scope: {{region: {{claim: region}}, day: all}}, clear: [pii]}}
restrictions:
  - {{id: contractors, to: {{groups: [contractors]}}, on: [odata], hide: [pii]}}
"""


@dataclass(frozen=True)
class Order:
    id: int
    region: str | None
    day: date | None
    total: int
    email: str


ORDERS = [
    Order(
        number,
        ("EU", "US", "O'B,)", "APAC", None)[number % 5],
        None if number % 7 == 0 else date(2026, 1, 1 + number % 28),
        number * 3 % 50,
        f"{number}@acme.example",
    )
    for number in range(140)
]
LATE = date(2026, 1, 15)


def _emea(order: Order) -> bool:
    return order.region in {"EU", "O'B,)"} and order.day is not None and order.day >= LATE


def _us(order: Order) -> bool:
    return order.region == "US"


MAY_SEE = {
    ("analysts-emea",): _emea,
    ("analysts-us",): _us,
    ("chiefs",): lambda _: True,
    ("analysts-emea", "analysts-us"): lambda order: _emea(order) or _us(order),
}
PEOPLE = pytest.mark.parametrize("groups", MAY_SEE, ids=" and ".join)


def _answer(seen: Seen) -> Answer:
    """The API: rows by PostgREST's or OData's parameters, whoever asks."""
    target = urlsplit(seen.target)
    if target.path in {"/orders", "/shared"}:
        reading = read(target.query)
        found = [order.id for order in ORDERS if selects(reading, asdict(order))]
    elif target.path == "/odata/Orders":
        found = _by_odata(dict(parse_qsl(target.query)).get("$filter", "true"))
    else:
        return Answer(body=b"described")
    return Answer(headers=[("content-type", "application/json")], body=json.dumps(found).encode())


_SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_TOKENS = re.compile(r"'(?:[^']|'')*'|\d{4}-\d\d-\d\d|(?:eq|ne) null|\b(?:eq|ne|gt|ge|lt|le)\b")


def _in_sql(found: re.Match[str]) -> str:
    token = found[0]
    if token.startswith("'"):
        return token
    if token.endswith(" null"):
        return "is null" if token.startswith("eq") else "is not null"
    return _SIGNS.get(token) or f"DATE '{token}'"


def _by_odata(text: str) -> list[int]:
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute("CREATE TABLE o (Id INT, Region TEXT, Day DATE, Total INT, Email TEXT)")
        connection.executemany(
            "INSERT INTO o VALUES (?, ?, ?, ?, ?)", [list(vars(order).values()) for order in ORDERS]
        )
        asked = f"SELECT Id FROM o WHERE {_TOKENS.sub(_in_sql, text)} ORDER BY Id"
        return [number for (number,) in connection.execute(asked).fetchall()]


@pytest.fixture(scope="module")
def system() -> Iterator[WholeSystem]:
    with whole_system(policy_text=POLICY) as started:
        yield started


@pytest.fixture(autouse=True)
def _asked(system: WholeSystem) -> None:
    system.warehouse.reset()
    system.warehouse.answer = _answer


@PEOPLE
@pytest.mark.parametrize(
    ("more", "narrower"),
    [
        ("", lambda _: True),
        ("?select=id&order=id.desc&limit=100", lambda _: True),
        ("?total=gt.20&total=lt.40", lambda order: 20 < order.total < 40),
        ("?or=(total.lt.5,region.eq.US)", lambda order: order.total < 5 or order.region == "US"),
        ("?not.and=(total.gt.5,region.not.is.null)", lambda order: not (order.total > 5 and order.region)),
        ("?region=in.(APAC,EU)", lambda order: order.region in {"APAC", "EU"}),
        ("?or=(region.eq.APAC,region.is.null)&total=gte.0", lambda order: order.region in {"APAC", None}),
    ],
)
def test_each_person_has_their_rows_through_postgrests_parameters(
    system: WholeSystem, groups: tuple[str, ...], more: str, narrower: object
) -> None:
    """And of a question of their own, those of their rows that it is about."""
    assert callable(narrower)
    reply = system.ask(f"/orders{more}", system.token("ann", *groups))
    assert reply.status == 200, reply
    assert reply.json() == [o.id for o in ORDERS if MAY_SEE[groups](o) and narrower(o)]


@PEOPLE
@pytest.mark.parametrize(
    ("more", "narrower"),
    [
        ("", lambda _: True),
        ("?$select=Id&$orderby=Id%20desc&$top=100&$count=true", lambda _: True),
        ("?$filter=Total+gt+20+and+Total+lt+40", lambda order: 20 < order.total < 40),
        ("?$filter=Total%20lt%205%20or%20Region%20eq%20'US'", lambda order: order.total < 5 or order.region == "US"),
        ("?$filter=Region%20eq%20'APAC'%20or%20Region%20eq%20null", lambda order: order.region in {"APAC", None}),
        ("?$filter=true", lambda _: True),
    ],
)  # fmt: skip
def test_each_person_has_their_rows_through_odata(
    system: WholeSystem, groups: tuple[str, ...], more: str, narrower: object
) -> None:
    """And of a question of their own, those of their rows that it is about."""
    assert callable(narrower)
    reply = system.ask("/odata/Orders" + more, system.token("ann", *groups))
    assert reply.status == 200, reply
    assert reply.json() == [o.id for o in ORDERS if MAY_SEE[groups](o) and narrower(o)]


@pytest.mark.parametrize(
    "hostile",
    [
        'x",region.neq."x', 'x"),or(region.not.is.null', "x)&or=(region.not.is.null", "\\", '\\"),region.neq.("', "x') or (true) or ('", "''", "') or true or ('",
        "*", "x&$filter=true", "x;and=(region.not.is.null)", "null", "{x}", "x,US", ".",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/orders", "/odata/Orders"])
def test_a_claim_is_a_value_whatever_is_in_it(system: WholeSystem, path: str, hostile: str) -> None:
    """It selects the rows that have it, and nobody has it."""
    both = system.token("ann", "claimed", region=[hostile, "O'B,)"])
    assert system.ask(path, both).json() == [order.id for order in ORDERS if order.region == "O'B,)"]
    assert system.ask(path, system.token("ann", "claimed", region=hostile)).json() == []


@pytest.mark.parametrize("path", ["/orders", "/odata/Orders"])
def test_a_claim_that_some_servers_would_decode_again_is_refused(system: WholeSystem, path: str) -> None:
    """By them it would end where it says."""
    for hostile in ("%22),or(region.not.is.null", "%27) or (true) or (%27"):
        reply = system.ask(path, system.token("ann", "claimed", region=hostile))
        assert (reply.status, reply.json()["reason"]) == (403, "scope_not_expressible")
    assert system.warehouse.take() == []


@pytest.mark.parametrize(
    ("target", "status", "reason"),
    [
        ("/orders?select=*,customers(*)", 403, "parameter_denied"),
        ("/orders?select=customers(orders(*))", 403, "parameter_denied"),
        ("/orders?select=...customers(name)", 403, "parameter_denied"),
        ("/orders?customers.region=eq.US&select=id", 403, "parameter_denied"),
        ("/orders?order=customers(name)", 403, "parameter_denied"),
        ("/orders?or=(region.eq.US))%2Cor(region.eq.US", 403, "parameter_denied"),
        ("/orders?and=(region.eq.%22US%22),region.eq.US", 403, "parameter_denied"),
        ("/orders?and[]=(region.eq.US)", 403, "parameter_denied"),
        ("/orders?apikey=x", 403, "parameter_denied"),
        ("/orders?total=gt.1;or=(region.eq.US)", 400, "request_ambiguous"),
        ("/orders?total=eq.%2522", 400, "request_ambiguous"),
        ("/orders?select=id&select=*", 400, "request_ambiguous"),
        ("/orders?__scope=x", 400, "request_ambiguous"),
        ("/orders?%5F%5Fscope=x", 400, "request_ambiguous"),
        ("/orders?total=gt.%FF", 400, "request_malformed"),
        ("/orders/", 404, "route_unknown"),
        ("/orders/1", 404, "route_unknown"),
        ("/rpc/everything", 404, "route_unknown"),
        ("/customers?region=eq.US", 404, "route_unknown"),
        ("/Orders", 404, "route_unknown"),
        ("/", 404, "route_unknown"),
        ("/odata/Orders?$expand=Customer", 403, "parameter_denied"),
        ("/odata/Orders?$apply=aggregate(Total%20with%20sum%20as%20T)", 403, "parameter_denied"),
        ("/odata/Orders?filter=Region%20eq%20'US'", 403, "parameter_denied"),
        ("/odata/Orders?$FILTER=Region%20eq%20'US'", 403, "parameter_denied"),
        ("/odata/Orders?$skiptoken=100", 403, "parameter_denied"),
        ("/odata/Orders?$filter=1%20eq%201)%20or%20(1%20eq%201", 403, "parameter_denied"),
        ("/odata/Orders?$filter=Customer/Orders/any(o:o/Region%20eq%20'US')", 403, "parameter_denied"),
        ("/odata/Orders?$filter=$root/Orders(1)/Region%20eq%20'US'", 403, "parameter_denied"),
        ("/odata/Orders?$filter=Region%20eq%20@p&@p='US'", 403, "parameter_denied"),
        (
            "/odata/Orders?$filter=Region%20eq%20'x%2527)%20or%20(true)%20or%20(%2527'",
            400,
            "request_ambiguous",
        ),
        ("/odata/Orders?$filter=true&$filter=true", 400, "request_ambiguous"),
        ("/odata/Orders?$filter=true&%24filter=true", 400, "request_ambiguous"),
        ("/odata/Orders(1)", 404, "route_unknown"),
        ("/odata/Orders(1)/Customer", 404, "route_unknown"),
        ("/odata/Orders/1", 404, "route_unknown"),
        ("/odata/Orders/$count", 404, "route_unknown"),
        ("/odata/$batch", 404, "route_unknown"),
        ("/odata/Customers", 404, "route_unknown"),
        ("/odata/$metadata?$filter=true", 403, "parameter_denied"),
        ("/odata", 404, "route_unknown"),
    ],
)
def test_what_could_get_round_the_filter_reaches_nobody(
    system: WholeSystem, target: str, status: int, reason: str
) -> None:
    """Not even for who may see everything here: other resources may be closed to them."""
    reply = system.ask(target, system.token("ann", "chiefs"))
    assert (reply.status, reply.json()["reason"]) == (status, reason)
    assert system.warehouse.take() == []


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/orders", "/odata/Orders"])
def test_nothing_is_written_and_no_query_comes_in_a_body(system: WholeSystem, path: str, method: str) -> None:
    """`POST /Orders/$query` is a question, too, and no route of the policy."""
    reply = system.ask(path, system.token(), method=method, body=b"{}")
    assert (reply.status, reply.json()["reason"]) == (403, "method_denied")
    assert system.warehouse.take() == []


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/orders", "prefer", "timezone=Pacific/Kiritimati"),
        ("/orders", "accept", "application/vnd.pgrst.plan"),
        ("/odata/Orders", "prefer", "respond-async, callback; url=http://evil.example"),
    ],
)
def test_a_header_that_moves_the_filter_reaches_nobody(
    system: WholeSystem, path: str, name: str, value: str
) -> None:
    """A day of another zone, a plan that counts other rows, an answer to somebody else."""
    reply = system.ask(path, system.token(), headers=[(name, value)])
    assert (reply.status, reply.json()["reason"]) == (403, "parameter_denied")
    assert system.warehouse.take() == []


def test_a_filter_and_a_signed_assertion_go_together(system: WholeSystem) -> None:
    """And a client's schema, and its own copies of ours, do not go at all."""
    headers = [
        ("accept-profile", "private"),
        ("x-scope-assertion", "forged"),
        ("prefer", "count=exact"),
        ("x-http-method-override", "DELETE"),
    ]
    _, seen = system.reached("/orders?select=id", system.token(), headers=headers)
    assert seen.target == (
        "/orders?and=%28day.gte.%222026-01-15%22%2Cregion.in.%28%22EU%22%2C%22O%27B%2C%29%22%29%29&select=id"
    )
    (signed,) = seen.values("x-scope-assertion")
    claims = jwt.decode(
        signed, jwt.PyJWK(system.published_keys()[0]["keys"][0]), algorithms=["ES256"], audience="orders"
    )
    assert claims["rows"] == [
        {"day": {"from": "2026-01-15", "type": "date"}, "region": {"in": ["EU", "O'B,)"], "type": "string"}}
    ]
    assert not seen.names & {"accept-profile", "x-http-method-override", "authorization"}
    assert seen.values("prefer") == ["count=exact"]


def test_who_may_not_see_a_column_names_the_others(system: WholeSystem) -> None:
    """OData shows all without `$select`."""
    contractor = system.token("carl", "analysts-us", "contractors")
    for more in ("", "?$select=Id,Email", "?$select=Id&$filter=startswith(Email,'1')", "?$select=*"):
        reply = system.ask(f"/odata/Orders{more}", contractor)
        assert (reply.status, reply.json()["reason"]) == (403, "column_hidden")
    assert system.warehouse.take() == []
    assert system.ask("/odata/Orders?$select=Id", contractor).json() == [o.id for o in ORDERS if _us(o)]


def test_what_describes_the_api_is_open_without_a_filter(system: WholeSystem) -> None:
    """No rows are in it; the root is told from a collection by the metadata beside it."""
    for target in ("/odata/$metadata", "/odata/", "/odata/$metadata?$format=json"):
        _, seen = system.reached(target, system.token())
        assert seen.target == target


def test_colleagues_share_an_answer_and_others_do_not(system: WholeSystem) -> None:
    """The partition is the scope's, and the API never sees it."""
    target = "/shared?select=id&total=gt.1"
    answers = [
        system.ask(target, system.token(who, group))
        for who, group in (("a", "analysts-us"), ("b", "analysts-us"), ("c", "chiefs"))
    ]
    assert answers[0].body == answers[1].body != answers[2].body
    seen = system.warehouse.take()
    assert len(seen) == 2
    assert not any("scope" in each.target for each in seen)
