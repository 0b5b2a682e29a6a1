"""A real Trino behind a real Envoy: three people, three answers, and nothing for those who try to get around it."""

import os
import random
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy
import trino.auth
import trino.exceptions

from authz.signing.keys import parse_signing_key, signing_keys
from tests.signingkeys import ec_pem
from tests.warehouses import acme
from tests.warehouses.trino_system import TRUSTED, InsideError, TrinoSystem, trino_system

ORDERS = list(acme.orders())
EVERY_ORDER = "SELECT id, region, ordered_at FROM lake.sales.orders"


@pytest.fixture(scope="module")
def system() -> Iterator[TrinoSystem]:
    # They override what a client is told to verify with.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        os.environ.pop(name, None)
    with trino_system() as started:
        yield started


def seen_by(person: str) -> list[acme.Order]:
    return [order for order in ORDERS if acme.may_see(person, order)]


@pytest.mark.parametrize("person", acme.PEOPLE)
def test_each_person_sees_exactly_their_rows(system: TrinoSystem, person: str) -> None:
    """As the policy says in plain words."""
    expected = [[order.id, order.region, order.ordered_at] for order in seen_by(person)]
    assert 0 < len(expected) < len(ORDERS)
    assert sorted(system.query(person, EVERY_ORDER)) == sorted(expected)


def test_a_stranger_reads_why_and_which_decision(system: TrinoSystem) -> None:
    """As an error of Trino's own, at once."""
    with pytest.raises(trino.exceptions.TrinoUserError) as caught:
        system.query("stranger", EVERY_ORDER)
    assert "no_grant (decision " in caught.value.message


def test_a_bad_token_is_said_to_be_one(system: TrinoSystem) -> None:
    """401, which is not tried again."""
    expired = trino.auth.JWTAuthentication(system.token("emma", iat=1, nbf=1, exp=2))
    with pytest.raises(trino.exceptions.HttpError, match="token_expired"):
        system.connect(auth=expired).cursor().execute("SELECT 1")


def test_the_token_may_be_the_password(system: TrinoSystem) -> None:
    """BI tools' drivers have a user and a password, and the user has to be the token's."""
    right = trino.auth.BasicAuthentication("emma", system.token("emma"))
    rows = system.connect(auth=right).cursor().execute(EVERY_ORDER).fetchall()
    assert len(rows) == len(seen_by("emma"))
    wrong = trino.auth.BasicAuthentication("uma", system.token("emma"))
    with pytest.raises(trino.exceptions.HttpError, match="token_user_mismatch"):
        system.connect(auth=wrong).cursor().execute(EVERY_ORDER)


def test_a_machine_with_a_certificate_sees_what_machines_may(system: TrinoSystem) -> None:
    """Everything, here."""
    system.edge.client("extract", "spiffe://acme.example/tableau/extract")
    files = [str(system.edge.directory / f"extract.{kind}") for kind in ("crt", "key")]
    rows = (
        system.connect(auth=trino.auth.CertificateAuthentication(*files))
        .cursor()
        .execute(EVERY_ORDER)
        .fetchall()
    )
    assert len(rows) == len(ORDERS)


def test_sqlalchemy_reads_metadata_and_rows(system: TrinoSystem) -> None:
    """The dialect that BI tools in Python use; a table that the policy does not name is not there."""
    engine = sqlalchemy.create_engine(
        f"trino://emma@localhost:{system.edge.envoy.port}/lake/sales",
        connect_args={
            "auth": trino.auth.JWTAuthentication(system.token("emma")),
            "http_scheme": "https",
            "verify": str(system.edge.directory / "ca.pem"),
        },
    )
    with engine.connect() as connection:
        inspector = sqlalchemy.inspect(connection)
        assert sorted(inspector.get_table_names(schema="sales")) == [
            "days",
            "moved",
            "orders",
            "targets",
            "visits",
        ]
        assert [column["name"] for column in inspector.get_columns("orders", schema="sales")][:3] == [
            "id",
            "region",
            "ordered_at",
        ]
        found = connection.execute(
            sqlalchemy.text("SELECT count(*) FROM orders WHERE region = :r"), {"r": "EU"}
        )
        assert found.scalar() == sum(order.region == "EU" for order in seen_by("emma"))


def test_prepared_statements_are_scoped(system: TrinoSystem) -> None:
    """With parameters, which the client sends beside the statement."""
    cursor = system.connect("uma").cursor()
    found = cursor.execute("SELECT count(*) FROM orders WHERE region = ?", ("EU",)).fetchall()
    assert found == [[0]]
    found = cursor.execute("SELECT count(*) FROM orders WHERE region = ?", ("US",)).fetchall()
    assert found == [[sum(order.region == "US" for order in ORDERS)]]


def test_columns_are_shown_as_their_labels_are_treated(system: TrinoSystem) -> None:
    """Hashed for one, clear for another, and for the third not there."""
    emma, uma = (dict(system.query(person, "SELECT id, email FROM orders")) for person in ("emma", "uma"))
    clear = {order.id: order.email for order in ORDERS}
    assert all(uma[number] == clear[number] for number in uma)
    assert not {value for value in emma.values() if "@" in value}
    by_email: dict[str, set[str]] = {}
    for number, hashed in emma.items():
        by_email.setdefault(clear[number], set()).add(hashed)
    assert {len(hashes) for hashes in by_email.values()} == {1}
    assert len({next(iter(hashes)) for hashes in by_email.values()}) == len(by_email)
    with pytest.raises(trino.exceptions.TrinoUserError, match=r"email|column_hidden"):
        system.query("carlos", "SELECT email FROM orders")
    amounts = {row[0] for row in system.query("carlos", "SELECT amount FROM orders")}
    assert amounts == {None}


def test_a_table_without_a_dimension_is_filtered_by_the_others(system: TrinoSystem) -> None:
    """And one that has none is everybody's."""
    assert {row[0] for row in system.query("uma", "SELECT region FROM targets")} == {"US", "JP"}
    assert system.query("carlos", "SELECT count(*) FROM days") == [[31]]


@pytest.mark.parametrize("person", acme.PEOPLE)
def test_rows_are_told_apart_by_a_column_that_is_hidden(system: TrinoSystem, person: str) -> None:
    """The row filter reads it, the person does not: in no clause, and not as a name either."""
    regions = {
        "emma": {"EU", "UK"},
        # A grant for Japan is for some days only, of which this table knows nothing.
        "uma": {"US", "JP"},
        "carlos": {"EU", "UK"},
    }[person]
    expected = [[order.id] for order in ORDERS if order.region in regions]
    assert 0 < len(expected) < len(ORDERS)
    assert sorted(system.query(person, "SELECT id FROM visits")) == expected
    assert system.query(person, "SELECT count(*) FROM visits WHERE paid OR NOT paid") == [[len(expected)]]
    for statement in (
        "SELECT region FROM visits",
        "SELECT count(*) FROM visits WHERE region = 'US'",
        "SELECT * FROM visits",
        "SELECT id FROM visits ORDER BY region",
    ):
        with pytest.raises((trino.exceptions.TrinoUserError, trino.exceptions.TrinoQueryError)):
            system.query(person, statement)
    columns = system.query(
        person, "SELECT column_name FROM information_schema.columns WHERE table_name = 'visits'"
    )
    assert sorted(columns) == [["id"], ["paid"]]


def test_past_guardrails_a_hidden_column_of_a_row_filter_stays_hidden(system: TrinoSystem) -> None:
    """Trino itself refuses it, or leaves it out of `*`; the filter holds all the same."""
    visits = {"rows": "all", "sql": "\"region\" = 'EU'", "hidden": ["region"], "masked": {}}
    asked = {
        "user": "okta:emma",
        "subject": "scopegate-proxy",
        "credential": system.assertion("okta:emma", tables={"lake.sales.visits": visits}),
    }
    eu = sum(order.region == "EU" for order in ORDERS)
    rows = system.inside("SELECT * FROM lake.sales.visits", **asked)
    assert len(rows) == eu
    assert {len(row) for row in rows} == {2}
    for statement in (
        "SELECT region FROM lake.sales.visits",
        "SELECT count(*) FROM lake.sales.visits WHERE region = 'EU'",
        "SELECT id FROM lake.sales.visits ORDER BY region",
        "SELECT v FROM lake.sales.visits v",
        "SELECT (SELECT max(region) FROM lake.sales.visits)",
    ):
        with pytest.raises(InsideError, match=r"region|denied|resolved"):
            system.inside(statement, **asked)


def test_the_reader_of_row_filters_is_nobody_who_can_ask(system: TrinoSystem) -> None:
    """Its name is in no answer, and whoever takes one like it has no rights by it."""
    asked = {
        "subject": "scopegate-proxy",
        "credential": system.assertion("okta:emma"),
    }
    for statement in ("SELECT current_user", "SELECT * FROM lake.sales.orders LIMIT 1", "SHOW SESSION"):
        try:
            found = system.inside(statement, user="okta:emma", **asked)
        except InsideError as error:
            found = [[str(error)]]
        assert "scopegate-filter" not in str(found)
    plan = system.inside("EXPLAIN SELECT count(*) FROM lake.sales.orders", user="okta:emma", **asked)
    assert "scopegate-filter" not in str(plan)
    reader = f"scopegate-filter-{'0' * 64}-lake.sales.orders"
    for subject in ("scopegate-proxy", reader):
        with pytest.raises(InsideError):
            system.inside("SELECT email FROM lake.sales.orders", user=reader, subject=subject)


def test_a_label_that_meets_no_column_closes_the_table(system: TrinoSystem) -> None:
    """For those from whom the column is to be kept; who may see it clear sees what there is."""
    for person in ("emma", "carlos"):
        for statement in (
            "SELECT region FROM moved",
            "SELECT count(*) FROM moved",
            "SELECT e_mail FROM moved",
        ):
            with pytest.raises(
                trino.exceptions.TrinoUserError, match="labels a column that the table does not have"
            ):
                system.query(person, statement)
    assert system.query("uma", "SELECT e_mail FROM moved") == [["bob@example.com"]]


NOTHING = [
    "SELECT * FROM lake.sales.secrets",
    "SELECT * FROM orders UNION ALL SELECT 1, secret, DATE '2025-01-01', 1, 'x', true, now() FROM secrets",
    "SELECT (SELECT max(secret) FROM secrets)",
    "WITH secrets AS (SELECT * FROM lake.sales.secrets) SELECT * FROM secrets",
    "TABLE secrets",
    "SELECT * FROM system.runtime.queries",
    "SELECT * FROM system.runtime.nodes",
    "SELECT * FROM system.metadata.table_comments",
    "SHOW CREATE TABLE orders",
    "CREATE TABLE lake.sales.mine AS SELECT * FROM orders",
    "CREATE VIEW lake.sales.mine AS SELECT * FROM orders",
    "INSERT INTO days VALUES DATE '2030-01-01'",
    "DELETE FROM days",
    "DROP TABLE days",
    "SET SESSION query_max_run_time = '1h'",
    "SET ROLE admin",
    "GRANT SELECT ON secrets TO USER emma",
    "CALL system.runtime.kill_query('x')",
    "EXECUTE IMMEDIATE 'SELECT * FROM secrets'",
    "SELECT * FROM TABLE(lake.system.query('x'))",
    "SELECT scopegate_hash('customer-1@example.com')",
    "SET SESSION AUTHORIZATION loader",
    "RESET SESSION AUTHORIZATION",
    "SHOW STATS FOR secrets",
    "DESCRIBE secrets",
    "ANALYZE orders",
]


@pytest.mark.parametrize("statement", NOTHING)
def test_what_is_closed_gives_nothing(system: TrinoSystem, statement: str) -> None:
    """By Scopegate's guardrails or by Trino itself."""
    with pytest.raises((trino.exceptions.TrinoUserError, trino.exceptions.TrinoQueryError)) as caught:
        system.query("emma", statement)
    assert "canary" not in str(caught.value)


WIDER = [
    "SELECT count(*) FROM orders",
    "SELECT count(*) FROM (SELECT * FROM orders UNION ALL SELECT * FROM orders WHERE false)",
    "SELECT count(*) FROM orders WHERE region = 'US' OR true",
    "SELECT count(*) FROM orders o WHERE EXISTS (SELECT 1 FROM orders i WHERE i.id <> o.id) OR true",
    "SELECT sum(n) FROM (SELECT region, count(*) n FROM orders GROUP BY region)",
    "SELECT count(*) FROM orders LEFT JOIN days ON false",
    "WITH orders AS (SELECT * FROM lake.sales.orders) SELECT count(*) FROM orders",
    "SELECT count(*) FROM orders FOR VERSION AS OF 1",
    "SELECT count(*) FROM orders TABLESAMPLE BERNOULLI (100)",
]


@pytest.mark.parametrize("statement", WIDER)
def test_no_question_widens_a_scope(system: TrinoSystem, statement: str) -> None:
    """However it is asked, or it is no question."""
    try:
        rows = system.query("emma", statement)
    except (trino.exceptions.TrinoUserError, trino.exceptions.TrinoQueryError):
        return
    assert rows == [[len(seen_by("emma"))]]


def test_the_session_of_a_client_moves_no_row(system: TrinoSystem) -> None:
    """Its zone, its role, its session, its extra credential, its other user: none of them arrives."""
    for options in (
        {"timezone": "Pacific/Kiritimati"},
        {"session_properties": {"query_max_run_time": "1h"}},
        {"extra_credential": [("scope", system.assertion("okta:carlos"))]},
        {"roles": {"system": "admin"}},
        {"client_tags": ["admin"]},
        {"user": TRUSTED},
        {"http_headers": {"X-Trino-Original-User": TRUSTED, "X-Presto-User": TRUSTED}},
    ):
        rows = system.query("carlos", EVERY_ORDER, **options)
        assert len(rows) == len(seen_by("carlos")), options


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("none", {"credential": None}),
    ("of somebody else", {"person": "okta:uma"}),
    ("ended", {"exp": 1}),
    ("for another warehouse", {"aud": "lake2"}),
    ("of the login's audience", {"aud": "lake/login"}),
    ("of another issuer", {"iss": "https://evil.example"}),
    ("of another type", {"typ": "JWT"}),
    ("of another format", {"format": 2}),
    ("by a stranger", {"keys": "stranger"}),
    ("without tables", {"tables": None}),
    ("unreadable", {"tables": {"lake.sales.orders": {"sql": "TRUE"}}}),
]


@pytest.mark.parametrize(("why", "changes"), REFUSED, ids=[why for why, _ in REFUSED])
def test_past_envoy_an_assertion_that_is_not_for_the_person_opens_nothing(
    system: TrinoSystem, why: str, changes: dict[str, Any]
) -> None:
    """With a login as the proxy, which is more than anybody but Envoy has."""
    made = dict(changes)
    person = made.pop("person", "okta:emma")
    if made.get("keys") == "stranger":
        key = parse_signing_key(ec_pem("stranger"))
        made["keys"] = signing_keys([key], key)
    if "tables" in made and made["tables"] is None:
        made["tables"] = {}
    credential = None if "credential" in made else system.assertion(person, **made)
    with pytest.raises(InsideError):
        system.inside(
            "SELECT * FROM lake.sales.orders",
            user="okta:emma",
            subject="scopegate-proxy",
            credential=credential,
        )


def test_past_envoy_a_good_assertion_is_what_it_says(system: TrinoSystem) -> None:
    """The neighbour of all these; a byte of it changed is none."""
    good = system.assertion("okta:emma")
    login = {"user": "okta:emma", "subject": "scopegate-proxy"}
    assert system.inside("SELECT count(*) FROM lake.sales.orders", credential=good, **login) == [
        [len(ORDERS)]
    ]
    with pytest.raises(InsideError):
        system.inside(
            "SELECT count(*) FROM lake.sales.orders",
            credential=good[:-2] + ("AA" if good[-2:] != "AA" else "BB"),
            **login,
        )
    with pytest.raises(InsideError):
        system.inside("SELECT * FROM lake.sales.secrets", credential=good, **login)


def test_past_envoy_nobody_is_trusted_by_name(system: TrinoSystem) -> None:
    """The proxy cannot ask in the loader's name, and a person's own login opens nothing."""
    for user, subject in (
        (TRUSTED, "scopegate-proxy"),
        ("okta:emma", "okta:emma"),
        ("scopegate-proxy", "scopegate-proxy"),
    ):
        with pytest.raises(InsideError):
            system.inside("SELECT * FROM lake.sales.orders", user=user, subject=subject)
    assertion = system.assertion(TRUSTED)
    with pytest.raises(InsideError):
        system.inside("SELECT 1", user=TRUSTED, subject="scopegate-proxy", credential=assertion)


def _where(random_: random.Random) -> tuple[str, Any]:
    """A condition, in SQL and in Python."""
    region = random_.choice(["EU", "UK", "US", "JP"])
    day = date(2025, 1, 1 + random_.randrange(28))
    amount = Decimal(random_.randrange(1000))
    return random_.choice(
        [
            ("true", lambda _: True),
            (f"region = '{region}'", lambda o: o.region == region),
            (f"region <> '{region}'", lambda o: o.region is not None and o.region != region),
            (f"region IS NULL OR region = '{region}'", lambda o: o.region in {None, region}),
            (f"ordered_at >= DATE '{day}'", lambda o: o.ordered_at >= day),
            ("paid", lambda o: o.paid),
            (f"id % 7 = 0 OR amount > {amount}", lambda o: o.id % 7 == 0 or o.amount > amount),
        ]
    )


@pytest.mark.parametrize("seed", range(12))
def test_random_questions_are_answered_within_the_scope(system: TrinoSystem, seed: int) -> None:
    """Against an oracle that has never heard of SQL."""
    random_ = random.Random(seed)
    person = random_.choice(["emma", "uma"])
    text, condition = _where(random_)
    mine = [order for order in seen_by(person) if condition(order)]
    statement, expected = random_.choice(
        [
            (f"SELECT id FROM orders WHERE {text} ORDER BY id", [[order.id] for order in mine]),
            (
                f"SELECT count(*), sum(amount) FROM orders WHERE {text}",
                [[len(mine), sum(o.amount for o in mine) if mine else None]],
            ),
            (
                f"SELECT region, count(*) FROM orders WHERE {text} GROUP BY region ORDER BY region",
                [
                    [region, n]
                    for region in sorted({str(o.region) for o in mine})
                    if (n := sum(o.region == region for o in mine))
                ],
            ),
            (
                f"SELECT a.id FROM orders a JOIN (SELECT id FROM orders WHERE {text}) b ON a.id = b.id ORDER BY a.id LIMIT 10",
                [[order.id] for order in mine[:10]],
            ),
        ]
    )
    assert system.query(person, statement) == expected, (person, statement)


def test_a_stolen_address_opens_nothing(system: TrinoSystem) -> None:
    """To Trino itself, whoever has it may read on; through Envoy, only its owner."""
    owner, thief = system.token("emma"), system.token("uma")
    reply = system.edge.ask(
        "/v1/statement", owner, method="POST", body=b"SELECT count(*) FROM lake.sales.orders"
    )
    path = "/" + reply.json()["nextUri"].partition("//")[2].partition("/")[2]
    assert "query_foreign" in system.edge.ask(path, thief).json()["error"]["message"]
    assert system.edge.ask(path).status == 401
    assert (
        system.edge.ask(path[26:], owner).status == 404 or "error" in system.edge.ask(path[26:], owner).json()
    )
    assert system.edge.ask(path, owner).status == 200


def test_revoked_people_lose_a_query_in_the_middle(system: TrinoSystem) -> None:
    """Every poll is decided anew: the token has ended, and so has the reading."""
    now = int(time.time())
    short = system.token("emma", iat=now - 590, nbf=now - 590, exp=now + 4 - 60)
    reply = system.edge.ask("/v1/statement", short, method="POST", body=b"SELECT * FROM lake.sales.orders")
    path = "/" + reply.json()["nextUri"].partition("//")[2].partition("/")[2]
    time.sleep(5)
    assert system.edge.ask(path, short).status == 401
