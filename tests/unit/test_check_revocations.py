"""The check looks at the revocations each time: behind every memory, and never without them."""

from dataclasses import replace

import pytest

from authz.check import Outcome, Snapshot, check
from authz.errors import Reason
from authz.identity.authenticator import Authenticator
from authz.identity.keyset import parse_jwks
from authz.identity.revocations import NOTHING_REVOKED, Blocked, Revocations
from authz.policy.decision import Allow
from authz.policy.parse import SourceText, parse_policy
from authz.request import AccessRequest
from tests.tokens import AUDIENCE, ISSUER, NOW, claims, ec_key, jwks, mint

KEY = ec_key()
POLICY = f"""\
version: 1
issuers:
  okta: {{issuer: "{ISSUER}", audiences: ["{AUDIENCE}"], groups_claim: groups, jwks_file: jwks.json}}
dimensions: {{region: {{type: string}}}}
warehouses:
  sales: {{routes: [{{prefix: /api/}}], upstream: http://warehouse, columns: {{region: region}}}}
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: [sales], scope: {{region: [EU]}}}}
"""
MINE, THEIRS = mint(claims(sub="alice"), KEY), mint(claims(sub="bob"), KEY)
BLOCKED = Revocations(subjects={("okta", "alice"): Blocked(place="revocations.yaml:3", until=NOW + 100)})


@pytest.fixture
def snapshot() -> Snapshot:
    policy = parse_policy([SourceText("scopegate.yaml", POLICY)])
    authenticator = Authenticator(
        issuers=policy.issuers, key_sets={"okta": parse_jwks(jwks(KEY))}, bundles={}
    )
    return Snapshot(policy=policy, authenticator=authenticator, revocations=NOTHING_REVOKED)


def ask(snapshot: Snapshot, token: str, now: float = NOW) -> Outcome:
    request = AccessRequest(
        method="GET", host="edge", path="/api/x", headers={"authorization": (f"Bearer {token}",)}
    )
    return check(request, snapshot, now)


def reason(outcome: Outcome) -> Reason:
    return Reason.GRANTED if isinstance(outcome.decision, Allow) else outcome.decision.reason


def test_without_revocations_that_are_due_nobody_is_let_in(snapshot: Snapshot) -> None:
    """A file that was never read may block anybody."""
    assert reason(ask(replace(snapshot, revocations=None), MINE)) is Reason.NOT_READY


def test_what_is_remembered_is_blocked_all_the_same(snapshot: Snapshot) -> None:
    """The same authenticator, the same decisions; the neighbour's are still remembered."""
    first, theirs = ask(snapshot, MINE), ask(snapshot, THEIRS)
    assert (reason(first), reason(theirs)) == (Reason.GRANTED, Reason.GRANTED)
    later = replace(snapshot, revocations=BLOCKED)
    denied, again = ask(later, MINE), ask(later, THEIRS)
    assert reason(denied) is Reason.REVOKED
    assert denied.rewrites is denied.request_rewrites is None
    assert denied.principal is first.principal, "for the audit trail"
    assert reason(again) is Reason.GRANTED
    assert again.remembered
    assert again.rewrites is theirs.rewrites
    assert reason(ask(snapshot, MINE)) is Reason.GRANTED


def test_a_revocation_ends_within_one_snapshot(snapshot: Snapshot) -> None:
    """No reload is needed for `until`."""
    later = replace(snapshot, revocations=BLOCKED)
    assert reason(ask(later, MINE, NOW + 99)) is Reason.REVOKED
    assert reason(ask(later, MINE, NOW + 100)) is Reason.GRANTED


def test_a_bad_token_is_told_what_is_wrong_with_it(snapshot: Snapshot) -> None:
    """Whoever is not known cannot be blocked: nobody learns from a forged token who is."""
    forged = mint(claims(sub="alice"), ec_key("other"), kid=KEY.kid)
    assert reason(ask(replace(snapshot, revocations=BLOCKED), forged)) is Reason.TOKEN_SIGNATURE_INVALID
