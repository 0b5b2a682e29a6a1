"""Filters as OData's `$filter`, asked of a real server, Apache Olingo: directly, and through the real Envoy."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from authz.errors import Denied
from authz.rendering.filters import odata
from authz.rendering.filters.parameters import read_parameters, written
from authz.scopes.constraints import Between, Constraint, OneOf
from authz.scopes.rowfilter import EVERYTHING, NOTHING, RowFilter, any_of, matches, where
from authz.scopes.values import value_text
from tests.integration.whole_system import WholeSystem, whole_system
from tests.warehouses.odata_process import ODataProcess

PROPERTIES = {
    "region": "Region",
    "customer": "Customer",
    "amount": "Amount",
    "day": "Day",
    "at": "At",
    "active": "Active",
}
CHOICES: dict[str, list[Any]] = {
    "region": ["EU", "eu", "O'Brien", "''", "a) or (b", "' or true or '", "null", "Zürich", "\U0001f30d", "a+b", "100%", "a&b;c#d", "\\"],
    "customer": [-(2**53) + 1, -1, 0, 7, 2**53 - 1],
    "amount": [Decimal("-0.0001"), Decimal("1.5"), Decimal("1.50"), Decimal("99999999999.9999")],
    "day": [date(1, 1, 1), date(1970, 1, 1), date(2026, 2, 28), date(9999, 12, 31)],
    "at": [datetime(2026, 1, 1, 0, 0, 0, 1, UTC), datetime(1999, 12, 31, 23, 59, 59, 999999, UTC), datetime(2026, 1, 1, 4, tzinfo=UTC)],
    "active": [True, False],
}  # fmt: skip
ROWS: list[dict[str, Any]] = [
    {
        name: None if (number + place) % 11 == 0 else values[(number * 7 + place * number // 3) % len(values)]
        for place, (name, values) in enumerate(CHOICES.items())
    }
    for number in range(120)
]


def _json(number: int, row: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"Id": number, "Email": f"{number}@acme.example"}
    for name, value in row.items():
        told[PROPERTIES[name]] = value if value is None or isinstance(value, bool) else value_text(value)
    return told


@pytest.fixture(scope="module")
def server() -> Iterator[ODataProcess]:
    with ODataProcess([_json(number, row) for number, row in enumerate(ROWS)]) as started:
        yield started


def _constraint(random_: random.Random, name: str) -> Constraint:
    values = CHOICES[name]
    if name in {"active", "region"} or random_.random() < 0.5:
        return OneOf(tuple(sorted(set(random_.sample(values, random_.randint(1, min(5, len(values))))))))
    low, high = sorted(random_.sample(sorted(set(values)), 2))
    bounds = random_.choice([{"low": low}, {"high": high}, {"low": low, "high": high}])
    return Between(
        **bounds,
        low_open="low" in bounds and random_.random() < 0.5,
        high_open="high" in bounds and random_.random() < 0.5,
    )


def _filter(random_: random.Random) -> RowFilter:
    def one() -> RowFilter:
        names = random_.sample(list(CHOICES), random_.randint(1, 3))
        return where({name: _constraint(random_, name) for name in names})

    return any_of([one() for _ in range(random_.randint(1, 3))])


def _mine(rows: RowFilter) -> set[int]:
    return {number for number, row in enumerate(ROWS) if matches(rows, row)}


def _query(rows: RowFilter, client: str) -> str:
    asked = (*read_parameters(client), ("$select", "Id"))
    return written(odata.query(odata.row_filter(rows, PROPERTIES), asked, odata.Open()))


def test_each_scope_has_its_rows_and_no_others(server: ODataProcess) -> None:
    """Many scopes of every type, held against the algebra row by row."""
    random_ = random.Random(20261129)
    partly = 0
    for rows in [EVERYTHING, NOTHING, *(_filter(random_) for _ in range(400))]:
        expected = _mine(rows)
        assert server.ids(_query(rows, "")) == expected, rows
        partly += 0 < len(expected) < len(ROWS)
    assert partly > 200


_WORDS = [
    "(",
    ")",
    "and",
    "or",
    "not",
    "eq",
    "ge",
    "in",
    "Region",
    "Customer",
    "Active",
    "null",
    "true",
    "7",
    "'EU'",
    "'",
    ",",
    "contains",
]
_CONDITIONS = [
    "Customer%20eq%207", "Customer%20in%20(7,0)", "Active", "not%20Active", "Day%20ge%202026-01-01", "(Active%20eq%20null%20or%20Customer%20gt%200)",
    "contains(Region,%27U%27)", "Region%20eq%20%27O%27%27Brien%27", "startswith(tolower(Region),%27e%27)", "true", "Region%20ne%20null",
    "At%20lt%202026-01-01T00:00:00Z", "Amount%20gt%20-0.5", "Region%20eq%20%27a)%20or%20(b%27",
]  # fmt: skip


def _client(random_: random.Random) -> str:
    some = random_.choice(["%20and%20", "%20or%20"]).join(random_.sample(_CONDITIONS, random_.randint(1, 3)))
    junk = random_.choice(["", "%20"]).join(random_.choice(_WORDS) for _ in range(random_.randint(0, 4)))
    return "$filter=" + random_.choice(
        [
            some,
            some,
            f"not%20({some})",
            f"{some}%20or%20{junk}",
            f"{junk}%20or%20{some}",
            f"{some})%20or%20({some}",
            f"({some}){junk}",
        ]
    )


def test_a_client_sees_its_scopes_rows_and_fewer(server: ODataProcess) -> None:
    """What it asks for itself is answered within the scope: the rows of both, no other and none less."""
    random_ = random.Random(20261130)
    answered = narrowed = refused = 0
    for _ in range(1_000):
        rows, client = _filter(random_), _client(random_)
        mine = _mine(rows)
        try:
            query = _query(rows, client)
        except Denied:
            refused += 1
            continue
        seen = server.ids(query)
        if seen is None:
            continue  # refused by the server, which shows no row
        alone = server.ids(f"{client}&$select=Id")
        # Olingo wants spaces where Scopegate writes them, too.
        assert seen <= mine if alone is None else seen == mine & alone, (rows, client)
        answered += 1
        narrowed += seen < mine
    assert answered > 300
    assert narrowed > 150
    assert refused > 200


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
  odata:
    routes: [{{path: /odata/Orders}}, {{path: /odata/$metadata}}, {{path: /odata/}}]
    upstream: "{olingo}"
    columns: {{region: Region, day: Day}}
    labels: {{Email: pii}}
    filter: {{form: odata}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: all, scope: {{region: [EU, "O'Brien", "a) or (b"], day: {{from: 2026-01-01}}}}, clear: [pii]}}
  - {{id: us, to: {{groups: [analysts-us]}}, on: all, scope: {{region: [eu, "' or true or '"], day: all}}}}
  - {{id: chief, to: {{groups: [chiefs]}}, on: all, scope: {{region: all, day: all}}, clear: [pii]}}
"""


def _emea(row: dict[str, Any]) -> bool:
    late = row["day"] is not None and row["day"] >= date(2026, 1, 1)
    return late and row["region"] in {"EU", "O'Brien", "a) or (b"}


def _us(row: dict[str, Any]) -> bool:
    return row["region"] in {"eu", "' or true or '"}


MAY_SEE: dict[tuple[str, ...], Callable[[dict[str, Any]], bool]] = {
    ("analysts-emea",): _emea,
    ("analysts-us",): _us,
    ("chiefs",): lambda _: True,
    ("analysts-emea", "analysts-us"): lambda row: _emea(row) or _us(row),
}


@pytest.fixture(scope="module")
def system(server: ODataProcess) -> Iterator[WholeSystem]:
    with whole_system(policy_text=POLICY, olingo=server.url) as started:
        yield started


@pytest.mark.parametrize("groups", MAY_SEE, ids=" and ".join)
def test_each_person_has_their_rows_through_envoy(system: WholeSystem, groups: tuple[str, ...]) -> None:
    """Alone, and of a question of their own; the count is that of the scope, too."""
    token = system.token("ann", *groups)
    mine = [number for number, row in enumerate(ROWS) if MAY_SEE[groups](row)]
    reply = system.ask("/odata/Orders?$select=Id,Region&$count=true", token)
    assert reply.status == 200, reply
    assert [row["Id"] for row in reply.json()["value"]] == mine
    assert reply.json()["@odata.count"] == len(mine)
    reply = system.ask("/odata/Orders?$select=Id&$filter=Active+or+Customer+eq+7", token)
    assert [row["Id"] for row in reply.json()["value"]] == [
        number for number in mine if ROWS[number]["active"] or ROWS[number]["customer"] == 7
    ]
    assert system.ask("/odata/$metadata", token).status == 200
    assert system.ask("/odata/?$format=json", token).status == 200


def test_a_hidden_property_is_shown_to_nobody_and_guessed_by_nobody(system: WholeSystem) -> None:
    """Who has it clear may ask about it."""
    question = "/odata/Orders?$select=Id&$filter=startswith(Email,'1')"
    for target in (question, "/odata/Orders", "/odata/Orders?$select=Id,Email"):
        denied = system.ask(target, system.token("uma", "analysts-us"))
        assert (denied.status, denied.json()["reason"]) == (403, "column_hidden")
    reply = system.ask(question, system.token("ann", "chiefs"))
    assert {row["Id"] for row in reply.json()["value"]} == {
        n for n in range(len(ROWS)) if str(n).startswith("1")
    }


@pytest.mark.parametrize(
    "target",
    [
        "/odata/Orders(1)", "/odata/Orders/$count", "/odata/$batch", "/odata/Orders(1)/Region", "/odata/$entity?$id=Orders(1)",
        "/odata/$all", "/odata/$crossjoin(Orders)", "/odata/Orders?$filter=true)%20or%20(true", "/odata/Orders?$filter=@p&@p=true",
        "/odata/Orders?$filter=$it/Region%20eq%20'EU'", "/odata/Orders?filter=true", "/odata/Orders?$apply=groupby((Region))",
        "/odata/Orders?$filter=Region%20eq%20'x%2527)%20or%20(true)%20or%20(%2527'", "/odata/Orders?$filter=true&$filter=true",
        "/odata/Orders?$skiptoken=0", "/odata/Orders?$expand=*", "/odata/Orders?$search=EU", "/odata/Orders?x=1",
    ],
)  # fmt: skip
def test_what_could_get_round_the_filter_is_denied(system: WholeSystem, target: str) -> None:
    """By Scopegate, in its own words."""
    reply = system.ask(target, system.token("ann", "chiefs"))
    assert reply.json()["reason"] in {"route_unknown", "parameter_denied", "request_ambiguous"}
