"""A record is enough to decide again, and holds nothing that it may not hold."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.audit.facts import policy_reads
from authz.audit.lines import LINE, DecisionLine
from authz.audit.reading import find_files
from authz.audit.record import Recorder
from authz.audit.replay import Replay, Replayed, Verdict, principal_of
from authz.case import Occasion
from authz.check import Outcome
from authz.errors import Denied
from authz.identity.principal import CertificateIdentity, Claims, Method, Principal
from authz.policy.decision import Allow, Decision, Deny
from authz.policy.evaluate import evaluate
from authz.policy.policyset import PolicySet
from authz.rendering.circumstances import unsigned
from authz.rendering.render import render
from authz.request import AccessRequest
from tests.audit_trails import open_trail
from tests.policies import policy

HEAD = """\
version: 1
issuers:
  okta: {issuer: https://acme.okta.com/oauth2/default, audiences: [api://warehouse], groups_claim: groups}
client_certificates:
  extracts: {roots: tls/clients-ca.pem, identity: spiffe, trust_domain: acme.example}
  partners: {roots: tls/partners-ca.pem, identity: dns}
dimensions:
  region: {type: string}
  ordered_at: {type: date}
warehouses:
  sales:
    routes: [{prefix: /api/}]
    upstream: http://warehouse:8080
    columns: {region: region, ordered_at: ordered_at}
    labels: {customer_email: pii}
    headers: [json, assertion]
assertion: {keys: [absent.pem], issuer: https://edge.example}
"""
OLD = policy(
    HEAD
    + """\
grants:
  - {id: emea, to: {groups: [emea]}, on: [sales], scope: {region: [EU, UK], ordered_at: {last: 400d}}}
  - {id: own, to: {groups: [own]}, on: [sales], scope: {region: {claim: area.regions}, ordered_at: all}, clear: [pii]}
  - {id: jobs, to: {spiffe: [spiffe://acme.example/job/*]}, on: [sales], scope: {region: all, ordered_at: all}}
  - {id: partner, to: {dns: [bi.partner.example]}, on: [sales], scope: {region: [UK], ordered_at: all}}
restrictions:
  - {id: level, when: 'has(principal.claims.level) && principal.claims.level < 3', hide: [pii]}
denies:
  - {id: blocked, on: [sales], when: 'request.path.startsWith("/api/secret") || principal.subject == "mallory"'}
audit: {also_record: [principal.claims.department]}
"""
)
NEW = policy(
    HEAD
    + """\
grants:
  - {id: emea, to: {groups: [emea]}, on: [sales], scope: {region: [EU], ordered_at: {last: 400d}}}
  - {id: own, to: {groups: [own]}, on: [sales], scope: {region: {claim: area.regions}, ordered_at: all}}
  - {id: it, to: {groups: [emea]}, on: [sales], when: 'has(principal.claims.department) && principal.claims.department == "it"',
     scope: {region: all, ordered_at: all}}
"""
)
MORE = policy(
    HEAD
    + """\
grants:
  - {id: emea, to: {groups: [emea, choir]}, on: [sales], scope: {region: [EU, UK], ordered_at: {last: 400d}}}
"""
)

_values = st.one_of(st.none(), st.integers(-5, 5), st.sampled_from(["EU", "it", "x\u2028"]))
_claims = st.fixed_dictionaries(
    {},
    optional={
        "level": _values,
        "department": _values,
        "area": st.one_of(
            _values, st.fixed_dictionaries({}, optional={"regions": st.lists(_values, max_size=3)})
        ),
        "area.regions": st.lists(st.sampled_from(["US", "EU"]), max_size=2),
        "birthday": st.just("1990-01-01"),
    },
)
_certificates = st.sampled_from(
    [
        None,
        ("extracts", "spiffe://acme.example/job/a", "spiffe_id"),
        ("partners", "bi.partner.example", "dns_name"),
        ("partners", "other.example", "dns_name"),
    ]
)


@st.composite
def principals(draw: st.DrawFn) -> Principal:
    """People and machines, with what the policies read of them and what they do not."""
    certificate = draw(_certificates)
    has_token = certificate is None or draw(st.booleans())
    methods = {Method.TOKEN} if has_token else set()
    identity = None
    if certificate is not None:
        trust, name, kind = certificate
        methods.add(Method.CERTIFICATE)
        identity = CertificateIdentity(
            trust=trust, name=name, fingerprint="ab" * 32, serial="1", not_after=4e9, **{kind: name}
        )
    return Principal(
        issuer="okta" if has_token else certificate[0] if certificate else "",
        subject=draw(st.sampled_from(["emma", "mallory", "Zoë\n"])) if has_token else identity.name,  # type: ignore[union-attr]
        methods=frozenset(methods),
        groups=draw(st.frozensets(st.sampled_from(["emea", "own", "choir"]))) if has_token else frozenset(),
        claims=Claims(draw(_claims) if has_token else {}),
        certificate=identity,
        expires_at=4e9,
    )


def _decided(under: PolicySet, principal: Principal, request: AccessRequest, now: float) -> Decision:
    warehouse = under.warehouses["sales"]
    decision = evaluate(under, principal, warehouse, request, now)
    if isinstance(decision, Allow):
        try:
            render(decision, principal, unsigned(under, now))
        except Denied as denied:
            return Deny(reason=denied.reason, detail=denied.detail)
    return decision


def _text(decision: Decision) -> str:
    return f"allow {decision.scope.id}" if isinstance(decision, Allow) else f"deny {decision.reason.value}"


def _lines(
    principal: Principal, request: AccessRequest, now: float, decision: Decision | None = None
) -> list[bytes]:
    """What a server under the old policy writes."""
    decision = decision or _decided(OLD, principal, request, now)
    outcome = Outcome(
        decision=decision,
        warehouse=OLD.warehouses["sales"],
        principal=principal,
        rewrites=None,
        request_rewrites=None,
        policy_version=OLD.version,
    )
    with tempfile.TemporaryDirectory() as directory:
        trail = open_trail(Path(directory) / "audit.jsonl")
        occasion = Occasion.of(outcome, request, decision_id="d" * 32, at=now, seconds=3e-5)
        trail.offer((Recorder(policy_reads(OLD)), occasion))
        trail.close()
        assert find_files([Path(directory)])
        return (Path(directory) / "audit.jsonl").read_bytes().splitlines(keepends=True)


def _replayed(under: PolicySet, lines: list[bytes]) -> Replayed:
    (replayed,) = Replay(under).lines(lines)
    return replayed


_requests = st.builds(
    AccessRequest,
    method=st.just("GET"),
    host=st.just("warehouse.example"),
    path=st.sampled_from(["/api/sales", "/api/secret/x"]),
    source_address=st.just("192.0.2.7"),
)
_times = st.floats(1.7e9, 1.9e9)


@settings(max_examples=40, deadline=None)
@given(principal=principals(), request=_requests, now=_times)
def test_a_record_replays_to_its_own_decision(
    principal: Principal, request: AccessRequest, now: float
) -> None:
    """Under the same policy: the facts that were recorded are all that it reads."""
    lines = _lines(principal, request, now)
    for line in lines:
        LINE.validate_json(line)
    replayed = _replayed(OLD, lines)
    assert replayed.verdict is Verdict.SAME, (replayed.was, replayed.becomes)


@settings(max_examples=40, deadline=None)
@given(principal=principals(), request=_requests, now=_times)
def test_a_record_replays_to_what_another_policy_says(
    principal: Principal, request: AccessRequest, now: float
) -> None:
    """As if the very person had asked it, with all that their token says."""
    replayed = _replayed(NEW, _lines(principal, request, now))
    truth = _decided(NEW, principal, request, now)
    if "partners" in str(principal.certificate) or "extracts" in str(principal.certificate):
        assert replayed.verdict in {Verdict.SAME, Verdict.CHANGED}
    assert replayed.becomes == _text(truth)


def test_what_was_not_recorded_is_not_guessed() -> None:
    """The other policy names a group that the recorded one did not: nobody knows who was in it."""
    emma = Principal(issuer="okta", subject="emma", methods=frozenset({Method.TOKEN}), expires_at=4e9)
    request = AccessRequest(method="GET", host="h", path="/api/x")
    replayed = _replayed(MORE, _lines(emma, request, 1.8e9))
    assert (replayed.verdict, replayed.missing) == (Verdict.UNDECIDABLE, ("group `choir`",))


def test_absent_is_told_from_not_recorded() -> None:
    """Three claims: one that the token has, one that it lacks, one that nobody reads."""
    emma = Principal(
        issuer="okta",
        subject="emma",
        methods=frozenset({Method.TOKEN}),
        claims=Claims({"level": None, "birthday": "1990-01-01"}),
        expires_at=4e9,
    )
    line = LINE.validate_json(_lines(emma, AccessRequest(method="GET", host="h", path="/api/x"), 1.8e9)[2])
    assert isinstance(line, DecisionLine)
    assert line.actor is not None
    assert line.actor.claims == {"level": None}
    assert sorted(line.actor.absent) == [["area", "regions"], ["department"]]
    assert "birthday" not in principal_of(line.actor).claims


CANARY = "canary-5f1e"


@settings(max_examples=40, deadline=None)
@given(
    principal=principals(), now=_times, names=st.lists(st.sampled_from(["cookie", "x-any", "authorization"]))
)
@pytest.mark.parametrize("path", ["/api/sales"])
def test_nothing_secret_ever_reaches_the_trail(
    principal: Principal, now: float, names: list[str], path: str
) -> None:
    """Token, cookies, headers, query, body, and whatever of the person the policy does not read."""
    person = replace(
        principal,
        claims=Claims({**principal.claims, "salary": CANARY}),
        groups=principal.groups | {CANARY},
    )
    request = AccessRequest(
        method="GET",
        host="warehouse.example",
        path=path,
        query=f"q={CANARY}&{CANARY}=1",
        headers={"authorization": (f"Bearer {CANARY}",), **dict.fromkeys(names, (CANARY,))},
        body=CANARY.encode(),
        certificate_pem=CANARY,
        request_id=f"{CANARY} {CANARY}",
        tls_sni=CANARY,
        context={CANARY: CANARY},
    )
    written = b"".join(_lines(person, request, now))
    assert CANARY.encode() not in written
    members = json.loads(written.splitlines()[2])
    assert members["kind"] == "decision"
