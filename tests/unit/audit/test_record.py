"""Audit records: who, what, the answer, when; by construction no token, cookie, body or query."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from authz.audit.facts import PolicyReads, policy_reads
from authz.audit.record import Noted, Recorder, route_of
from authz.case import Occasion
from authz.check import Outcome
from authz.errors import Reason
from authz.identity.principal import CertificateIdentity, Claims, Method, Principal
from authz.request import AccessRequest
from tests.audit_trails import body_of
from tests.unit.transport.outcomes import EMMA, SALES, allowed, denied

READS = PolicyReads(groups=frozenset({"emea", "admins"}), claims=frozenset({("department",)}), path=False)
CANARY = "canary-7f3a"


def _request(path: str = "/api/sales/eu") -> AccessRequest:
    return AccessRequest(
        method="GET",
        host="warehouse.example",
        path=path,
        query=f"q={CANARY}",
        headers={
            "authorization": (f"Bearer {CANARY}",),
            "cookie": (f"session={CANARY}",),
            "x-anything": (CANARY,),
            "traceparent": ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",),
        },
        body=CANARY.encode(),
        source_address="192.0.2.7",
        request_id="r1",
    )


def _note(outcome: Outcome, request: AccessRequest | None, reads: PolicyReads) -> Any:
    occasion = Occasion.of(outcome, request, decision_id="d" * 32, at=1_790_000_000.25, seconds=3e-5)
    return Recorder({"sales": reads}), occasion


def line_of(note: Noted) -> str:
    recorder, occasion = note
    return recorder.body(occasion)


def _record(outcome: Outcome, request: AccessRequest | None = None, reads: PolicyReads = READS) -> Any:
    body = dict(body_of(_note(outcome, request, reads)))
    for part in ("actor", "asked"):
        body[part] = None if body[part] is None else SimpleNamespace(**body[part])
    return SimpleNamespace(**body)


def test_a_question_that_could_not_be_read_has_a_record() -> None:
    """A denial without request and principal is recorded like any other."""
    record = _record(denied(Reason.REQUEST_MALFORMED))
    assert (record.outcome, record.reason, record.asked, record.actor) == (
        "deny",
        "request_malformed",
        None,
        None,
    )
    assert (record.detail, record.rules, record.scope_id) == ("for the operator only", ["r1"], None)


def test_an_allow_has_who_what_and_the_answer() -> None:
    """Everything that an auditor asks for."""
    record = _record(allowed(), _request())
    assert (record.outcome, record.reason, record.warehouse) == ("allow", "granted", "sales")
    assert record.rules == ["emea-analysts", "no-pii"]
    assert (record.scope_id, record.policy_version) == ("5c0e" * 8, "v1")
    assert (record.decision_id, record.at) == ("d" * 32, 1_790_000_000.25)
    assert record.actor is not None
    assert (record.actor.key, record.actor.issuer, record.actor.subject) == (EMMA.key, "okta", "emma")
    assert record.actor.methods == ["token"]
    assert record.asked is not None
    assert (record.asked.method, record.asked.host, record.asked.route) == (
        "GET",
        "warehouse.example",
        "/api/sales/*",
    )
    assert (record.asked.source_address, record.asked.request_id) == ("192.0.2.7", "r1")
    assert record.asked.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("outcome", [denied(principal=EMMA), allowed()])
def test_nothing_secret_of_the_request_is_in_a_record(outcome: Outcome) -> None:
    """Neither token, cookie, other headers, query nor body, and no path unless a condition reads it."""
    note = _note(outcome, _request(f"/api/{CANARY}"), READS)
    assert CANARY not in line_of(note)


def test_the_path_is_recorded_where_the_policy_reads_it() -> None:
    """A decision that depends on the path cannot be replayed without it."""
    record = _record(allowed(), _request(), PolicyReads(groups=frozenset(), claims=frozenset(), path=True))
    assert record.asked is not None
    assert record.asked.path == "/api/sales/eu"


PERSON = Principal(
    issuer="okta",
    subject="emma",
    methods=frozenset({Method.TOKEN, Method.CERTIFICATE}),
    groups=frozenset({"emea", "choir"}),
    claims=Claims({"department": "sales", "birthday": "1990-01-01", "deep": {"x": [1]}}),
    certificate=CertificateIdentity(
        trust="extracts",
        name="bi.example",
        dns_name="bi.example",
        fingerprint="ab" * 32,
        serial="1f",
        not_after=2e9,
    ),
    token_id="jti-1",
    expires_at=2e9,
)


def test_only_what_the_policy_reads_of_a_person_is_recorded() -> None:
    """Her choir and her birthday are nobody's business here."""
    actor = _record(denied(principal=PERSON)).actor
    assert actor is not None
    assert (actor.groups, actor.claims) == (["emea"], {"department": "sales"})
    assert (actor.certificate_trust, actor.certificate_name) == ("extracts", "bi.example")
    assert (actor.certificate_fingerprint, actor.token_id) == ("ab" * 32, "jti-1")
    assert actor.methods == ["certificate", "token"]


def test_a_condition_on_all_groups_or_claims_records_all() -> None:
    """Then any of them can have mattered."""
    everything = PolicyReads(groups=None, claims=None, path=False)
    actor = _record(denied(principal=PERSON), None, everything).actor
    assert actor is not None
    assert actor.groups == ["choir", "emea"]
    assert actor.claims["deep"] == {"x": [1]}


def test_a_claim_within_a_claim_is_found_by_its_path() -> None:
    """`realm_access.roles` is two steps; a step that is missing is told to be absent."""
    reads = PolicyReads(
        groups=frozenset(), claims=frozenset({("deep", "x"), ("deep", "y"), ("department", "z")}), path=False
    )
    actor = _record(denied(principal=PERSON), None, reads).actor
    assert actor is not None
    assert actor.claims == {"deep": {"x": [1]}}
    assert actor.absent == [["deep", "y"], ["department", "z"]]


def test_without_a_policy_nothing_is_read() -> None:
    """Before the first policy there are no facts."""
    assert policy_reads(None) == {}


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/other", None),
        ("/status/x", None),
        ("/status", "/status"),
        ("/api/x", "/api/*"),
        ("/api/sales/x", "/api/sales/*"),
    ],
)
def test_the_longest_route_is_named(path: str, route: str | None) -> None:
    """As the router does it: an exact path first, then the longest prefix."""
    assert route_of(SALES, path) == route


@pytest.mark.parametrize(
    "header",
    [(), ("junk",), ("00-" + "0" * 31 + "-" + "0" * 16 + "-01",), ("00-a\nb",), ("00-x", "00-y")],
)
def test_a_trace_header_that_is_none_is_left_out(header: tuple[str, ...]) -> None:
    """The client writes this header: only its one valid form is taken over."""
    request = AccessRequest(
        method="GET", host="h", path="/", headers={"traceparent": header} if header else {}
    )
    record = _record(denied(), request)
    assert record.asked is not None
    assert record.asked.trace_id is None


def test_a_claim_that_is_absent_is_told_from_one_that_nobody_read() -> None:
    """And from one that is null in the token: a replay needs to know."""
    person = replace(PERSON, claims=Claims({"level": None}))
    reads = PolicyReads(claims=frozenset({("department",), ("level",)}))
    actor = _record(denied(principal=person), None, reads).actor
    assert (actor.claims, actor.absent) == ({"level": None}, [["department"]])


def test_a_claim_with_dots_in_its_name_is_itself() -> None:
    """Namespaced claims are URLs; a path that goes through them would be another claim."""
    person = replace(
        PERSON, claims=Claims({"https://x.example/team": "eu", "https://x": {"example/team": "us"}})
    )
    reads = PolicyReads(claims=frozenset({("https://x", "example/team")}))
    actor = _record(denied(principal=person), None, reads).actor
    assert actor.claims == {"https://x.example/team": "eu"}


@pytest.mark.parametrize("request_id", ["", "r 1", "x" * 65, 'a"b', "Bearer.x"])
def test_a_request_id_that_could_be_anything_is_left_out(request_id: str) -> None:
    """Where the proxy lets a client choose it, it could be a credential."""
    record = _record(denied(), replace(_request(), request_id=request_id))
    assert record.asked.request_id is None


@pytest.mark.parametrize("text", ["a\nb", "\u2028", "Zoë", "\ud800", '"', "\\", "\x00"])
def test_a_record_is_one_line_of_ascii(text: str) -> None:
    """Whatever a subject is called, it cannot end a line or a string."""
    person = replace(PERSON, subject=text, groups=frozenset({text}), claims=Claims({"department": [text]}))
    reads = PolicyReads(groups=None, claims=frozenset({("department",)}))
    note = _note(denied(principal=person), None, reads)
    body = line_of(note)
    assert body.isascii()
    assert "\n" not in body
    actor = body_of(note)["actor"]
    assert (actor["subject"], actor["claims"], actor["groups"]) == (text, {"department": [text]}, [text])


def test_what_is_noted_holds_nothing_of_the_request_that_may_not_be_recorded() -> None:
    """Not even while it waits to be written."""
    assert CANARY not in repr(_note(allowed(), _request(), READS))


def test_a_trace_that_somebody_else_began_is_the_records_trace() -> None:
    """Envoy begins traces, too, and tells of them beside the request."""
    recorder = Recorder({"sales": READS})
    own, begun = "a" * 32, "b" * 32
    for header in ((), (f"00-{own}-00f067aa0ba902b7-01",), ("x",)):
        request = AccessRequest(method="GET", host="h", path="/", headers={"traceparent": header})
        occasion = Occasion.of(
            denied(),
            request,
            decision_id="d" * 32,
            at=1_790_000_000.25,
            seconds=3e-5,
            traceparent=f"00-{begun}-00f067aa0ba902b7-01",
        )
        assert f'"trace_id":"{begun}"' in recorder.body(occasion)
