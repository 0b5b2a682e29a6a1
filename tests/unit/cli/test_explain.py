"""`scopegate explain`: the answer, its grounds and its exit status."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from authz.check import Snapshot, check
from authz.cli.asking import rfc3339
from authz.cli.explain import explain
from authz.config.load import load_policy
from authz.identity.authenticator import Authenticator
from authz.identity.keyset import parse_jwks
from authz.identity.revocations import NOTHING_REVOKED
from authz.policy.decision import Allow, Deny
from authz.request import AccessRequest
from tests.pki import authority
from tests.signingkeys import one_key, verified
from tests.tokens import AUDIENCE, ISSUER, NOW, claims, ec_key, jwks, mint, rsa_key

POLICY = f"""\
version: 1
issuers:
  okta:
    issuer: {ISSUER}
    audiences: [{AUDIENCE}]
    groups_claim: groups
client_certificates:
  extracts: {{roots: ca.pem, identity: spiffe, trust_domain: acme.example}}
dimensions:
  region: {{type: string}}
warehouses:
  sales:
    routes: [{{prefix: /api/}}]
    upstream: http://warehouse:8080
    columns: {{region: region}}
    labels: {{customer_email: pii}}
  hr:
    routes: [{{prefix: /hr/}}]
    upstream: http://hr:8080
    columns: {{region: region}}
    authentication: certificate
grants:
  - {{id: emea, to: {{groups: [analysts-emea]}}, on: [sales], scope: {{region: [EU, UK]}}}}
  - {{id: own, to: {{groups: [by-claim]}}, on: [sales], scope: {{region: {{claim: regions}}}}}}
  - {{id: extract, to: {{spiffe: ["spiffe://acme.example/tableau/*"]}}, on: [sales, hr], scope: {{region: all}}}}
restrictions:
  - {{id: no-uk, on: [sales], to: {{groups: [contractors]}}, scope: {{region: [EU]}}}}
denies:
  - {{id: leavers, on: [sales, hr], to: {{groups: [leavers]}}}}
"""
AT = str(rfc3339(NOW))

Ask = Callable[..., Result]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs the command beside a policy, keys and roots."""
    (tmp_path / "scopegate.yaml").write_text(POLICY)
    (tmp_path / "jwks.json").write_bytes(jwks(rsa_key()))
    (tmp_path / "ca.pem").write_bytes(authority().pem)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, text: str | None = None, at: str = AT) -> Result:
        return CliRunner().invoke(explain, ["--policy", "scopegate.yaml", "--at", at, *arguments], input=text)

    return run


def answer(result: Result, status: int) -> dict[str, Any]:
    assert result.exit_code == status, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


SALES = ("--warehouse", "sales", "--format", "json")
KEYS = ("--jwks", "okta=jwks.json", "--token-file", "-")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--subject", "ann"], "no_grant"),
        (["--subject", "ann", "--group", "analysts-eme"], "no_grant"),
        (["--subject", "ann", "--group", "analysts-emea", "--group", "leavers"], "denied_by_rule"),
        (["--subject", "ann", "--group", "by-claim"], "claim_missing"),
        (["--subject", "ann", "--group", "by-claim", "--claim", "regions=5"], "claim_invalid"),
        (["--spiffe", "spiffe://acme.example/tableau"], "no_grant"),
        (["--subject", "ann", "--spiffe", "spiffe://acme.example/tableau/extract"], "no_grant"),
        ([], "credential_missing"),
        (["--path", "/other", "--subject", "ann"], "route_unknown"),
        (["--path", "/hr/x", "--subject", "ann"], "route_mismatch"),
        (["--path", "/api/../x", "--subject", "ann"], "request_malformed"),
        (["--method", "OPTIONS", "--subject", "ann"], "method_denied"),
    ],
)
def test_denials(ask: Ask, arguments: list[str], reason: str) -> None:
    """Exit status 1, and the reason that the client would get."""
    assert answer(ask(*SALES, *arguments), 1)["reason"] == reason


@pytest.mark.parametrize(
    ("arguments", "regions"),
    [
        (["--subject", "ann", "--group", "analysts-emea"], ["EU", "UK"]),
        (["--group", "analysts-emea", "--group", "contractors"], ["EU"]),
        (["--group", "by-claim", "--claim", "regions=US"], ["US"]),
        (["--group", "by-claim", "--claim", 'regions=["US", "CN"]'], ["CN", "US"]),
    ],
)
def test_allows_with_their_rows(ask: Ask, arguments: list[str], regions: list[str]) -> None:
    """Exit status 0, and the scope."""
    found = answer(ask(*SALES, *arguments), 0)
    assert found["scope"]["rows"] == [{"region": {"type": "string", "in": regions}}]
    assert found["scope"]["columns"] == {"customer_email": "hidden"}
    assert found["proof"] == "stated"
    assert "x-scope-sql" in found["rewrites"]["set_headers"]


def test_a_machine_may_be_stated_too(ask: Ask) -> None:
    """The trust is the only one that vouches for such names."""
    found = answer(ask(*SALES, "--spiffe", "spiffe://acme.example/tableau/extract"), 0)
    assert found["scope"]["rows"] == "all"
    assert found["principal"]["certificate"]["trust"] == "extracts"


def test_the_grounds_are_there(ask: Ask) -> None:
    """Each rule on the warehouse with what became of it, and each step of the scope."""
    found = answer(ask(*SALES, "--group", "analysts-emea", "--group", "contractors"), 0)
    assert {each["id"]: each["applies"] for each in found["grants"]} == {
        "emea": True,
        "own": False,
        "extract": False,
    }
    assert found["grants"][1]["because"] == "the principal is in none of its groups (`by-claim`)"
    assert found["grants"][0]["place"].startswith("scopegate.yaml:")
    assert [step["restriction"] for step in found["steps"]] == ["no-uk"]
    assert found["given"]["rows"] != found["steps"][0]["rows"] == found["scope"]["rows"]


def test_a_token_is_really_verified(ask: Ask) -> None:
    """With the issuer's keys; the answer is the one that the server gives."""
    token = mint(claims(), rsa_key())
    found = answer(ask(*SALES, *KEYS, text=f"{token}\n"), 0)
    assert found["proof"] == "verified"
    assert found["principal"]["subject"] == "alice"
    assert "unverified" not in json.dumps(found)


@pytest.mark.parametrize(
    ("token", "reason", "failed", "passed"),
    [
        ("not.a-token", "token_malformed", "the token is well-formed", None),
        (
            mint(claims(iss="https://evil.example"), rsa_key()),
            "token_issuer_unknown",
            "known and accepted",
            "well-formed",
        ),
        (
            mint(claims(), rsa_key(), typ="other"),
            "token_type_refused",
            "type are allowed",
            "known and accepted",
        ),
        (mint(claims(), ec_key()), "token_key_unknown", "its key is known", "type are allowed"),
        (
            mint(claims(), rsa_key("forged"), kid="rsa-1"),
            "token_signature_invalid",
            "signature is",
            "key is known",
        ),
        (
            mint(claims(aud="api://other"), rsa_key()),
            "token_audience_wrong",
            "its claims hold",
            "signature is",
        ),
        (mint(claims(exp=int(NOW) - 90), rsa_key()), "token_expired", "its claims hold", "signature is"),
    ],
)
def test_a_token_that_fails_says_at_which_step(
    ask: Ask, token: str, reason: str, failed: str, passed: str | None
) -> None:
    """What came before it held."""
    result = ask("--warehouse", "sales", *KEYS, text=token)
    assert result.exit_code == 1, result.output
    assert f"DENIED: {reason}" in result.stdout
    lines = result.stdout.splitlines()
    assert any("✗" in line and failed in line for line in lines)
    assert passed is None or any("✓" in line and passed in line for line in lines)


def test_an_expired_token_was_good_in_its_time(ask: Ask) -> None:
    """`--at` is the time of the question."""
    token = mint(claims(), rsa_key())
    answer(ask(*SALES, *KEYS, text=token), 0)
    assert answer(ask(*SALES, *KEYS, text=token, at="2030-01-01T00:00:00Z"), 1)["reason"] == "token_expired"


def test_an_unverified_token_is_explained_and_shouted_at(ask: Ask) -> None:
    """What it would get if its signature were right; the rest is still verified."""
    forged = mint(claims(), rsa_key("forged"), kid="rsa-1")
    result = ask("--warehouse", "sales", "--unverified", "--token-file", "-", text=forged)
    assert result.exit_code == 0
    assert "NOT VERIFIED" in result.stdout
    expired = mint(claims(exp=int(NOW) - 90), rsa_key("forged"), kid="rsa-1")
    found = answer(ask(*SALES, "--unverified", "--token-file", "-", text=expired), 1)
    assert (found["reason"], found["proof"]) == ("token_expired", "unverified")


def test_a_certificate_is_really_verified(ask: Ask, tmp_path: Path) -> None:
    """By the roots of the policy; a stranger's is not believed."""
    (tmp_path / "good.pem").write_text(authority().issue().pem)
    (tmp_path / "other.pem").write_text(authority("Somebody Else").issue().pem)
    assert answer(ask(*SALES, "--certificate", "other.pem"), 1)["reason"] == "certificate_untrusted"
    found = answer(ask(*SALES, "--certificate", "good.pem"), 0)
    assert found["scope"]["rows"] == "all"
    beside = answer(ask(*SALES, *KEYS, "--certificate", "good.pem", text=mint(claims(), rsa_key())), 0)
    assert beside["scope"]["rows"] == [{"region": {"type": "string", "in": ["EU", "UK"]}}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--warehouse", "salez"], "no warehouse `salez`; it has `sales`, `hr`"),
        (["--subject", "ann"], "say what is asked for"),
        (
            ["--warehouse", "sales", "--subject", "ann", "--issuer", "oktaa"],
            "got `oktaa`; the policy has `okta`",
        ),
        (["--warehouse", "sales", "--dns", "x.example"], "identity `dns`"),
        (["--warehouse", "sales", "--dns", "x.example", "--spiffe", "spiffe://a/b"], "one name"),
        (["--warehouse", "sales", "--subject", "ann", "--token-file", "-"], "not both"),
        (["--warehouse", "sales", "--unverified"], "for a token alone"),
        (["--warehouse", "sales", "--jwks", "other=jwks.json"], "no issuer `other`"),
        (["--warehouse", "sales", "--jwks", "jwks.json"], "expected ISSUER=FILE"),
        (["--warehouse", "sales", "--claim", "x"], "expected NAME=VALUE"),
        (["--warehouse", "sales", "--at", "2026-03-10T12:00:00"], "without a time zone"),
        (["--warehouse", "sales", "--at", "noon"], "expected a time"),
        (["--warehouse", "sales", "--token-file", "-"], "give them with --jwks okta=FILE"),
        (
            ["--warehouse", "sales", "--token-file", "-", "--jwks", "okta=none.json"],
            "none.json: does not exist",
        ),
    ],
)
def test_a_question_that_cannot_be_asked(ask: Ask, arguments: list[str], message: str) -> None:
    """Exit status 2, and what to do about it: no answer is not a denial."""
    result = ask(*arguments, text=mint(claims(), rsa_key()))
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_a_bad_policy_cannot_be_asked(ask: Ask, tmp_path: Path) -> None:
    """Its problems are named, with their places."""
    (tmp_path / "scopegate.yaml").write_text(POLICY.replace("on: [sales]", "on: [nowhere]"))
    result = ask(*SALES, "--subject", "ann")
    assert result.exit_code == 2
    assert "scopegate.yaml:" in result.stderr


def test_a_warehouse_that_takes_certificates_only_does_not_look_at_a_token(ask: Ask) -> None:
    """As the server does not."""
    arguments = ("--warehouse", "hr", "--format", "json", "--subject", "ann")
    assert answer(ask(*arguments), 1)["reason"] == "credential_missing"
    found = answer(ask(*arguments, "--spiffe", "spiffe://acme.example/tableau/extract"), 0)
    assert found["principal"]["methods"] == ["certificate"]


def test_nothing_of_a_token_can_forge_a_line(ask: Ask) -> None:
    """Facts are quoted, not printed."""
    result = ask(
        "--warehouse",
        "sales",
        "--group",
        "by-claim",
        "--group",
        "x\n\x1b[2JALLOWED",
        "--claim",
        'regions="\\u001b[2J"',
    )
    assert "\x1b" not in result.stdout
    assert "\\u001b[2JALLOWED" in result.stdout


def test_the_answer_is_the_servers(ask: Ask, tmp_path: Path) -> None:
    """`authz.check` with the same token, policy and time says the same, word for word."""
    policy = load_policy(tmp_path / "scopegate.yaml")
    key_sets = {"okta": parse_jwks(jwks(rsa_key()))}
    snapshot = Snapshot(
        revocations=NOTHING_REVOKED,
        policy=policy,
        authenticator=Authenticator(issuers=policy.issuers, key_sets=key_sets, bundles={}),
    )
    for groups in (["analysts-emea"], ["analysts-emea", "contractors"], ["by-claim"], ["leavers"], []):
        token = mint(claims(groups=groups), rsa_key())
        request = AccessRequest(
            method="GET", host="any.host", path="/api/", headers={"authorization": (f"Bearer {token}",)}
        )
        outcome = check(request, snapshot, NOW)
        shown = ask(*SALES, *KEYS, text=token)
        found = answer(shown, 0 if isinstance(outcome.decision, Allow) else 1)
        if isinstance(outcome.decision, Deny):
            assert (found["reason"], found["detail"]) == (outcome.decision.reason, outcome.decision.detail)
        else:
            assert found["scope"]["id"] == outcome.decision.scope.id
            assert outcome.rewrites is not None
            assert found["rewrites"]["set_headers"] == dict(outcome.rewrites.set_headers)


def test_what_the_server_signs_is_explained_without_its_keys(ask: Ask, tmp_path: Path) -> None:
    """The claims are the server's, the signature is nobody's: no key file is read, and nothing usable is printed."""
    path = tmp_path / "scopegate.yaml"
    text = path.read_text().replace("labels: {", "headers: [assertion]\n    labels: {")
    path.write_text(text + "assertion: {keys: [absent.pem], issuer: 'https://edge.example'}\n")
    policy = load_policy(path)
    keys = one_key()
    snapshot = Snapshot(
        revocations=NOTHING_REVOKED,
        policy=policy,
        authenticator=Authenticator(
            issuers=policy.issuers, key_sets={"okta": parse_jwks(jwks(rsa_key()))}, bundles={}
        ),
        signing=keys,
    )
    token = mint(claims(groups=["analysts-emea"]), rsa_key())
    request = AccessRequest(
        method="GET", host="any.host", path="/api/", headers={"authorization": (f"Bearer {token}",)}
    )
    rewrites = check(request, snapshot, NOW).rewrites
    assert rewrites is not None
    real = dict(rewrites.set_headers)["x-scope-assertion"]

    found = answer(ask(*SALES, *KEYS, text=token), 0)["rewrites"]
    assert found["signed"] == {"x-scope-assertion": verified(real, keys)}
    assert found["set_headers"]["x-scope-assertion"].endswith(".")
    shown = ask("--warehouse", "sales", *KEYS, text=token).stdout
    assert 'x-scope-assertion: {"aud":"sales",' in shown
    assert shown.count("signed by the server") == 1
    assert "eyJ" not in shown
    assert answer(ask(*SALES, "--group", "strangers"), 1)["reason"] == "no_grant"


def test_the_tree_tells_the_whole_story(ask: Ask) -> None:
    """For people: who, which rules and why not the others, which rows, what is sent."""
    result = ask(
        "--warehouse", "sales", "--group", "analysts-emea", "--group", "contractors", "--subject", "ann"
    )
    assert result.exit_code == 0
    for line in (
        "ALLOWED  if these facts were proven",
        "request: GET any.host/api/ belongs to warehouse `sales`",
        'who: "ann" of `okta`, by token',
        'claim "regions": missing',
        "deny rules: 0 of 1 apply",
        "✗ `leavers` (scopegate.yaml:29): the principal is in none of its groups (`leavers`)",
        "✓ `emea` (scopegate.yaml:23) gives rows where region is EU or UK; customer_email hidden",
        "✓ `no-uk` (scopegate.yaml:27) leaves rows where region is EU",
        "together the grants give rows where region is EU or UK; customer_email hidden",
        "`no-uk` leaves rows where region is EU; customer_email hidden",
        "x-scope-sql: \"region\" = 'EU'",
    ):
        assert line in result.stdout


def test_the_tree_marks_what_could_not_be_settled(ask: Ask) -> None:
    """The rule that denied the whole stands out, and so does the reason."""
    result = ask("--warehouse", "sales", "--group", "by-claim", "--group", "leavers")
    assert result.exit_code == 1
    assert "DENIED: denied_by_rule" in result.stdout
    assert "✓ `leavers` (scopegate.yaml:29) applies" in result.stdout
    assert (
        "! `own` (scopegate.yaml:24) cannot be settled: claim_missing: claim `regions` is missing"
        in result.stdout
    )


def test_many_rules_for_others_are_counted_and_listed_on_demand(ask: Ask, tmp_path: Path) -> None:
    """Ten thousand grants are no tree."""
    more = "".join(
        f"  - {{id: other-{n}, to: {{groups: [group-{n}]}}, on: [hr], scope: {{region: all}}}}\n"
        for n in range(40)
    )
    (tmp_path / "scopegate.yaml").write_text(POLICY.replace("restrictions:", more + "restrictions:"))
    machine = ("--warehouse", "hr", "--spiffe", "spiffe://acme.example/tableau/extract")
    short = ask(*machine)
    assert "and 30 more that do not apply; list them with --all" in short.stdout
    assert "restrictions: none on this warehouse" in short.stdout
    assert "`other-39`" not in short.stdout
    assert "`other-39`" in ask(*machine, "--all").stdout


def test_a_certificate_that_is_missing_or_not_believed_says_so(ask: Ask, tmp_path: Path) -> None:
    """At the step of the certificate."""
    (tmp_path / "other.pem").write_text(authority("Somebody Else").issue().pem)
    result = ask("--warehouse", "hr", "--certificate", "other.pem")
    assert "✗ the certificate is believed" in result.stdout
    (tmp_path / "ca.pem").unlink()
    gone = ask("--warehouse", "hr", "--certificate", "other.pem")
    assert gone.exit_code == 2
    assert "does not exist" in gone.stderr


def test_claims_that_nobody_accounts_for_are_named(ask: Ask) -> None:
    """In the tree and in JSON, by their names: they may be a typing error in the policy, or news from the issuer."""
    odd = mint(claims(clearance="canary", email="ann@acme.example"), rsa_key())
    found = answer(ask(*SALES, *KEYS, text=odd), 0)
    assert found["principal"]["claims_unaccounted"] == ["clearance"]
    shown = ask("--warehouse", "sales", *KEYS, text=odd).stdout
    assert 'claims that nobody accounts for: "clearance"' in shown
    assert "canary" not in shown
    assert (
        "nobody accounts for" not in ask("--warehouse", "sales", *KEYS, text=mint(claims(), rsa_key())).stdout
    )


def test_an_unverified_token_of_another_type_is_refused_all_the_same(ask: Ask) -> None:
    """The header says it; no signature is needed to read that."""
    other = mint(claims(), rsa_key("forged"), typ="logout+jwt")
    found = answer(ask(*SALES, "--unverified", "--token-file", "-", text=other), 1)
    assert found["reason"] == "token_type_refused"
