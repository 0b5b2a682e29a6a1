"""The step of the check between the decision and its rewrites: the statement."""

from dataclasses import replace
from functools import cache
from urllib.parse import quote

import pytest

from authz.check import Outcome, Snapshot, check
from authz.errors import Reason
from authz.guarding import Statement
from authz.identity.authenticator import Authenticator
from authz.identity.keyset import parse_jwks
from authz.identity.revocations import NOTHING_REVOKED
from authz.policy.decision import Allow, Deny
from authz.policy.parse import SourceText, parse_policy
from authz.request import AccessRequest
from tests.signingkeys import one_key
from tests.tokens import AUDIENCE, ISSUER, NOW, claims, ec_key, jwks, mint

KEY = ec_key()
POLICY = f"""\
version: 1
issuers:
  okta: {{issuer: "{ISSUER}", audiences: ["{AUDIENCE}"], groups_claim: groups, jwks_file: jwks.json}}
assertion: {{issuer: https://edge.example, keys: [signing.pem]}}
dimensions: {{region: {{type: string}}}}
warehouses:
  lake:
    kind: trino
    routes: [{{prefix: /}}]
    upstream: http://trino
    tables:
      lake.sales.orders: {{columns: {{region: region}}}}
      lake.sales.customers: {{columns: {{region: region}}, labels: {{email: pii, phone: contact}}}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: [lake], scope: {{region: [EU]}}, mask: {{contact: hash}}}}
  - {{id: all, to: {{groups: [stewards]}}, on: [lake], scope: {{region: all}}, clear: [pii, contact]}}
"""


@cache
def token(group: str) -> str:
    return mint(claims(sub=group, groups=[group]), KEY)


@pytest.fixture
def snapshot() -> Snapshot:
    policy = parse_policy([SourceText("scopegate.yaml", POLICY)])
    authenticator = Authenticator(
        issuers=policy.issuers, key_sets={"okta": parse_jwks(jwks(KEY))}, bundles={}
    )
    return Snapshot(
        policy=policy, authenticator=authenticator, revocations=NOTHING_REVOKED, signing=one_key()
    )


def ask(
    snapshot: Snapshot, statement: str | None, group: str = "analysts-emea", **changes: object
) -> Outcome:
    request = AccessRequest(
        method="POST",
        host="edge",
        path="/v1/statement",
        headers={
            "authorization": (f"Bearer {token(group)}",),
            "x-trino-catalog": ("lake",),
            "x-trino-schema": ("sales",),
        },
        body=None if statement is None else statement.encode(),
        context={"warehouse": "lake", "body": "whole"},
        warehouse_hint="lake",
    )
    return check(replace(request, **changes), snapshot, NOW)  # type: ignore[arg-type]


def reason(outcome: Outcome) -> Reason:
    return Reason.GRANTED if isinstance(outcome.decision, Allow) else outcome.decision.reason


def test_the_same_statement_of_two_people(snapshot: Snapshot) -> None:
    """It is parsed once, and refused to the one from whom the column is hidden."""
    statement = "select email from customers"
    assert reason(ask(snapshot, statement)) is Reason.COLUMN_HIDDEN
    assert reason(ask(snapshot, statement, "stewards")) is Reason.GRANTED
    assert reason(ask(snapshot, statement, "strangers")) is Reason.NO_GRANT
    assert (snapshot.examiner.remembered.misses, snapshot.examiner.remembered.hits) == (1, 1)


def test_a_masked_column_may_be_asked_for(snapshot: Snapshot) -> None:
    """The warehouse shows it masked; hidden is another thing."""
    assert reason(ask(snapshot, "select phone from customers")) is Reason.GRANTED


def test_a_statement_that_is_refused_leaves_the_decision_remembered(snapshot: Snapshot) -> None:
    """What one statement is refused says nothing of the next."""
    assert reason(ask(snapshot, "drop table orders")) is Reason.STATEMENT_DENIED
    after = ask(snapshot, "select id from orders")
    assert reason(after) is Reason.GRANTED
    assert after.remembered


def test_what_the_outcome_says(snapshot: Snapshot) -> None:
    """Kind, whole names and a fingerprint, also where a hidden column is what it was refused for."""
    for statement, kind, tables in (
        ("select id from orders", "select", ("lake.sales.orders",)),
        ("select * from customers", "select", ("lake.sales.customers",)),
        ("show schemas", "show", ()),
    ):
        found = ask(snapshot, statement).statement
        assert isinstance(found, Statement)
        assert (found.kind, found.tables, len(found.fingerprint)) == (kind, tables, 32)
    assert ask(snapshot, "drop table orders").statement is None


def test_a_prepared_statement_is_what_is_told(snapshot: Snapshot) -> None:
    """The tables and the fingerprint are those of the statement that is executed."""
    text = "select id from orders where region = ?"
    headers = {
        "authorization": (f"Bearer {token('analysts-emea')}",),
        "x-trino-catalog": ("lake",),
        "x-trino-schema": ("sales",),
        "x-trino-prepared-statement": (f"ST1={quote(text)}",),
    }
    found = ask(snapshot, "execute ST1 using 'EU'", headers=headers)
    assert reason(found) is Reason.GRANTED
    assert found.statement is not None
    assert (found.statement.kind, found.statement.tables) == ("prepare", ("lake.sales.orders",))
    alone = ask(snapshot, text).statement
    assert alone is not None
    assert found.statement.fingerprint == alone.fingerprint


def test_no_body_no_statement(snapshot: Snapshot) -> None:
    """An empty POST asks nothing that could be examined, and a proxy that shows no bodies could hide anything."""
    assert reason(ask(snapshot, None)) is Reason.STATEMENT_MALFORMED
    hidden = ask(snapshot, "select id from orders", context={"warehouse": "lake"})
    assert reason(hidden) is Reason.ROUTE_MISMATCH


def test_a_denial_has_no_rewrites(snapshot: Snapshot) -> None:
    """Nothing of the scope leaves with it."""
    outcome = ask(snapshot, "select * from customers")
    assert isinstance(outcome.decision, Deny)
    assert (outcome.rewrites, outcome.request_rewrites) == (None, None)


def test_a_prepared_statement_that_is_not_executed(snapshot: Snapshot) -> None:
    """Trino could be asked to run it under a name that it folds in another way than we do."""
    headers = {
        "authorization": (f"Bearer {token('analysts-emea')}",),
        "x-trino-catalog": ("lake",),
        "x-trino-schema": ("sales",),
        "x-trino-prepared-statement": (f"a={quote('select email from customers')}",),
    }
    assert reason(ask(snapshot, "select id from orders", headers=headers)) is Reason.COLUMN_HIDDEN
