"""What is signed is signed with a decision and remembered with it: seldom, in time, and never without keys."""

from dataclasses import replace

import pytest

from authz.check import Outcome, Snapshot, check
from authz.cli.asking import rfc3339
from authz.errors import Reason
from authz.identity.authenticator import Authenticator
from authz.identity.keyset import parse_jwks
from authz.identity.revocations import NOTHING_REVOKED
from authz.policy.decision import Allow
from authz.policy.parse import SourceText, parse_policy
from authz.request import AccessRequest
from authz.signing.keys import SigningKeys
from tests.signingkeys import ec_pem, one_key, rsa_pem, verified
from tests.tokens import AUDIENCE, ISSUER, NOW, claims, ec_key, jwks, mint

KEY = ec_key()
POLICY = f"""\
version: 1
issuers:
  okta: {{issuer: "{ISSUER}", audiences: ["{AUDIENCE}"], groups_claim: groups, jwks_file: jwks.json}}
dimensions: {{region: {{type: string}}}}
warehouses:
  sales: {{routes: [{{prefix: /api/}}], upstream: http://w, columns: {{region: region}}, headers: [assertion]}}
  ledger: {{routes: [{{prefix: /ledger/}}], upstream: http://w, columns: {{region: region}}}}
assertion: {{keys: [a.pem], issuer: "https://edge.example", ttl: 40s}}
grants:
  - {{id: guests, to: {{groups: [guests]}}, on: [sales], scope: {{region: [US]}}, valid: {{until: "{rfc3339(NOW + 7)}"}}}}
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: [sales, ledger], scope: {{region: [EU]}}}}
"""
TOKEN = mint(claims(exp=int(NOW) + 36_000), KEY)


class Counted:
    """A key that counts its signatures."""

    def __init__(self, pem: bytes | None = None) -> None:
        self.signatures = 0
        keys = one_key(pem)
        self._sign = keys.signing.sign
        key = replace(keys.signing, sign=self._counted)
        self.keys = SigningKeys((key,), key)

    def _counted(self, data: bytes) -> bytes:
        self.signatures += 1
        return self._sign(data)


def snapshot_of(keys: SigningKeys | None) -> Snapshot:
    policy = parse_policy([SourceText("scopegate.yaml", POLICY)])
    authenticator = Authenticator(
        issuers=policy.issuers, key_sets={"okta": parse_jwks(jwks(KEY))}, bundles={}
    )
    return Snapshot(policy=policy, authenticator=authenticator, revocations=NOTHING_REVOKED, signing=keys)


def ask(snapshot: Snapshot, now: float, path: str = "/api/x", token: str = TOKEN) -> Outcome:
    request = AccessRequest(
        method="GET", host="edge", path=path, headers={"authorization": (f"Bearer {token}",)}
    )
    return check(request, snapshot, now)


def reason(outcome: Outcome) -> Reason:
    return Reason.GRANTED if isinstance(outcome.decision, Allow) else outcome.decision.reason


def assertion_of(outcome: Outcome) -> str:
    assert outcome.rewrites is not None
    return dict(outcome.rewrites.set_headers)["x-scope-assertion"]


def test_without_keys_only_who_needs_none_is_let_in() -> None:
    """And as soon as they are there, everybody: a snapshot with keys remembers no denial of the one without."""
    before = snapshot_of(None)
    assert reason(ask(before, NOW)) is Reason.NOT_READY
    assert reason(ask(before, NOW)) is Reason.NOT_READY
    assert reason(ask(before, NOW, "/ledger/x")) is Reason.GRANTED
    assert reason(ask(snapshot_of(one_key()), NOW)) is Reason.GRANTED


@pytest.mark.parametrize("pem", [ec_pem(), rsa_pem()])
def test_the_hot_path_does_not_sign(pem: bytes) -> None:
    """A thousand checks in an hour: one signature for each half of a life, and each has half of it left."""
    counted = Counted(pem)
    snapshot = snapshot_of(counted.keys)
    seconds = 3_600
    for number in range(1_000):
        now = NOW + seconds * number / 1_000
        text = assertion_of(ask(snapshot, now))
        assert verified(text, counted.keys)["exp"] - now >= 20
    # 40 s of life are 20 s of use; checks are 3.6 s apart, so the sixth after one is the next that signs.
    assert counted.signatures == 167


def test_checks_of_one_moment_share_one_signature() -> None:
    """Of one principal at one warehouse; nothing is signed for the other one."""
    counted = Counted()
    snapshot = snapshot_of(counted.keys)
    first = ask(snapshot, NOW)
    assert [ask(snapshot, NOW + 19.9).remembered for _ in range(500)] == [True] * 500
    assert ask(snapshot, NOW + 19.9).rewrites is first.rewrites
    assert counted.signatures == 1
    ask(snapshot, NOW, "/ledger/x")
    assert counted.signatures == 1
    other = ask(snapshot, NOW, token=mint(claims(sub="carol", exp=int(NOW) + 36_000), KEY))
    assert counted.signatures == 2
    assert assertion_of(other) != assertion_of(first)


def test_a_decision_that_ends_sooner_ends_sooner() -> None:
    """What is signed keeps neither a grant nor a credential alive that has ended."""
    snapshot = snapshot_of(one_key())
    guest = mint(claims(groups=["guests"], exp=int(NOW) + 36_000), KEY)
    assert reason(ask(snapshot, NOW, token=guest)) is Reason.GRANTED
    assert ask(snapshot, NOW + 6.9, token=guest).remembered
    assert reason(ask(snapshot, NOW + 7, token=guest)) is Reason.NO_GRANT
    expiring = mint(claims(exp=int(NOW) + 5), KEY)
    assert reason(ask(snapshot, NOW, token=expiring)) is Reason.GRANTED
    assert reason(ask(snapshot, NOW + 5 + 61, token=expiring)) is Reason.TOKEN_EXPIRED


def test_the_same_check_signs_the_same_text() -> None:
    """With nothing remembered, in another process: the answer is a function of request, snapshot and time."""
    assert assertion_of(ask(snapshot_of(one_key()), NOW)) == assertion_of(ask(snapshot_of(one_key()), NOW))
