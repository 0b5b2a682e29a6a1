"""A clock that jumps: what was remembered at another time widens nothing."""

from authz.check import Outcome, Snapshot, check
from authz.cli.asking import rfc3339
from authz.errors import Reason
from authz.identity.authenticator import Authenticator
from authz.identity.keyset import parse_jwks
from authz.identity.revocations import NOTHING_REVOKED
from authz.policy.decision import Allow
from authz.policy.parse import SourceText, parse_policy
from authz.request import AccessRequest
from tests.signingkeys import one_key
from tests.tokens import AUDIENCE, ISSUER, NOW, claims, ec_key, jwks, mint

KEY = ec_key()
BEGINS = NOW + 100
POLICY = f"""\
version: 1
issuers:
  okta: {{issuer: "{ISSUER}", audiences: ["{AUDIENCE}"], groups_claim: groups, jwks_file: jwks.json}}
dimensions: {{region: {{type: string}}}}
warehouses:
  sales: {{routes: [{{prefix: /api/}}], upstream: http://w, columns: {{region: region}}, headers: [assertion]}}
assertion: {{keys: [a.pem], issuer: "https://edge.example", ttl: 10m}}
grants:
  - {{id: later, to: {{groups: [analysts-emea]}}, on: [sales], scope: {{region: [US]}}, valid: {{from: "{rfc3339(BEGINS)}"}}}}
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: [sales], scope: {{region: [EU]}}}}
"""
TOKEN = mint(claims(exp=int(NOW) + 36_000), KEY)


def _snapshot() -> Snapshot:
    policy = parse_policy([SourceText("scopegate.yaml", POLICY)])
    authenticator = Authenticator(
        issuers=policy.issuers, key_sets={"okta": parse_jwks(jwks(KEY))}, bundles={}
    )
    return Snapshot(
        policy=policy, authenticator=authenticator, revocations=NOTHING_REVOKED, signing=one_key()
    )


def _ask(snapshot: Snapshot, now: float) -> Outcome:
    request = AccessRequest(
        method="GET", host="edge", path="/api/x", headers={"authorization": (f"Bearer {TOKEN}",)}
    )
    return check(request, snapshot, now)


def _grants(outcome: Outcome) -> tuple[str, ...]:
    assert isinstance(outcome.decision, Allow)
    return tuple(sorted(outcome.decision.grants))


def test_a_decision_is_not_remembered_for_the_time_before_it() -> None:
    """Made while the clock was ahead, it rests on a grant that has not begun; the time after it may use it."""
    snapshot = _snapshot()
    ahead = _ask(snapshot, BEGINS + 10)
    assert _grants(ahead) == ("emea", "later")
    assert _ask(snapshot, BEGINS + 10).remembered
    back = _ask(snapshot, BEGINS - 10)
    assert (_grants(back), back.remembered) == (("emea",), False)
    assert _grants(_ask(snapshot, BEGINS)) == ("emea", "later")


def test_nothing_is_handed_out_that_was_signed_ahead_of_the_clock() -> None:
    """Its `iat` would lie in the future for as long as the clock had been ahead, and whoever verifies it refuses that."""
    snapshot = _snapshot()
    ahead, back = _ask(snapshot, BEGINS + 600), _ask(snapshot, BEGINS)
    assert ahead.rewrites is not None
    assert back.rewrites is not None
    assert back.rewrites.set_headers != ahead.rewrites.set_headers


def test_a_clock_far_from_a_token_lets_nobody_in() -> None:
    """Neither before it was issued nor after its end, and also where it was known in between."""
    snapshot = _snapshot()
    assert isinstance(_ask(snapshot, NOW).decision, Allow)
    for now, reason in ((NOW - 7_200, Reason.TOKEN_NOT_YET_VALID), (NOW + 72_000, Reason.TOKEN_EXPIRED)):
        decision = _ask(snapshot, now).decision
        assert not isinstance(decision, Allow)
        assert decision.reason is reason
    assert isinstance(_ask(snapshot, NOW).decision, Allow)
