"""The whole real system: what people with real tokens and certificates get through the real Envoy."""

import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from jwt import decode, get_unverified_header

from tests.edge_client import Headers, ask_http2, statuses_together
from tests.envoy_process import present_authority, wait_until
from tests.integration.whole_system import LIMIT, POLICY, WORKERS, WholeSystem, whole_system
from tests.pki import EXTRACT_ID
from tests.signingkeys import verified
from tests.tokens import ec_key, mint

CANARY = "canary-51c9"
BURSTS, BURST = 6, 90
"""Connections, and requests on each: for each of two workers some 270 at once."""


@pytest.fixture(scope="module")
def running() -> Iterator[WholeSystem]:
    with whole_system() as system:
        yield system


@pytest.fixture
def system(running: WholeSystem) -> WholeSystem:
    running.warehouse.reset()
    return running


@pytest.mark.parametrize(
    ("subject", "groups", "regions"), [("ann", "analysts-emea", {"EU", "UK"}), ("uma", "analysts-us", {"US"})]
)
def test_each_is_given_their_own_scope(
    system: WholeSystem, subject: str, groups: str, regions: set[str]
) -> None:
    """Who asks becomes what the warehouse is told they may see."""
    _, seen = system.reached("/ledger/rows?q=1", system.token(subject, groups))

    (sql,) = seen.values("x-scope-sql")
    assert {region for region in ("EU", "UK", "US") if f"'{region}'" in sql} == regions
    assert seen.target == "/ledger/rows?q=1"


def test_a_burst_at_a_fresh_connection_to_a_worker_is_answered() -> None:
    """More than a worker takes on one connection, before it could say so: Envoy opens others, and nobody is refused."""
    policy = POLICY.replace("  per_address:", "  check_timeout: 5s\n  per_address:")
    with whole_system(policy_text=policy) as fresh, ThreadPoolExecutor(BURSTS) as pool:
        headers = [("authorization", f"Bearer {fresh.token()}")]
        with fresh.stopped(fresh.workers):
            bursts = [
                pool.submit(
                    statuses_together,
                    fresh.envoy.port,
                    fresh.context,
                    "/ledger/rows",
                    headers=headers,
                    count=BURST,
                )
                for _ in range(BURSTS)
            ]
            wait_until(
                lambda: fresh.envoy.stat("cluster.scopegate.upstream_rq_active") >= BURSTS * BURST,
                "all are asked",
            )
        assert Counter(status for burst in bursts for status in burst.result()) == {200: BURSTS * BURST}


def refusals(system: WholeSystem) -> dict[str, tuple[int, str, str | None, Headers]]:
    """Requests by what is wrong with them: status, reason, token, further headers."""
    honest = system.token()
    forged = mint(
        {"iss": "https://evil.example", "sub": "ann", "aud": "x", "exp": 9_999_999_999}, ec_key("evil")
    )
    stolen = mint(decode(honest, options={"verify_signature": False}), ec_key("evil"), kid="system")
    bearer = ("authorization", f"Bearer {honest}")
    return {
        "/ledger/none": (401, "credential_missing", None, []),
        "/ledger/basic": (401, "credential_malformed", None, [("authorization", f"Basic {CANARY}")]),
        "/ledger/garbage": (401, "token_malformed", CANARY, []),
        "/ledger/foreign": (401, "token_issuer_unknown", forged, []),
        "/ledger/forged": (401, "token_signature_invalid", stolen, []),
        "/ledger/expired": (401, "token_expired", system.token(exp=int(time.time()) - 3600), []),
        "/ledger/audience": (401, "token_audience_wrong", system.token(aud="api://other"), []),
        "/ledger/stranger": (403, "no_grant", system.token("sid", "marketing"), []),
        "/ledger/twice": (400, "request_ambiguous", None, [bearer, bearer]),
        "/unknown": (404, "route_unknown", honest, []),
        "/ledger/x?__scope=e": (400, "request_ambiguous", honest, []),
        "/ledger/x?__SCOPE=e": (400, "request_ambiguous", honest, []),
        "/api/x?a=1&%5f%5fscope=e": (400, "request_ambiguous", honest, []),
        "/api/x?a=1;__scope=e": (400, "request_ambiguous", honest, []),
        "/plain/x?Region=US": (400, "request_ambiguous", honest, []),
        "/plain/x?re%67ion=US": (400, "request_ambiguous", honest, []),
        "/ledger/x;a=1": (400, "request_malformed", honest, []),
    }


def test_refusals_are_told_apart_and_leak_nothing(system: WholeSystem) -> None:
    """Each has its status, its reason and a decision id; no word of the token, and no way to the warehouse."""
    for target, (status, reason, token, headers) in refusals(system).items():
        reply = system.ask(target, token, headers=headers)
        found = reply.json()

        assert (reply.status, found["reason"]) == (status, reason), target
        assert reply.header("content-type") == "application/problem+json"
        assert reply.header("x-scope-decision-id")
        assert (reply.header("www-authenticate") is not None) is (status == 401)
        assert CANARY.encode() not in reply.body
        assert "ann" not in str(found.values())
    assert system.warehouse.take() == []
    assert CANARY not in system.envoy.log_text()


def test_the_challenge_leads_to_the_metadata(system: WholeSystem) -> None:
    """A client without a token finds out whom to ask for one (RFC 9728 section 5.1)."""
    challenge = system.ask("/ledger/x").header("www-authenticate") or ""
    url = challenge.partition('resource_metadata="')[2].rstrip('"')
    document = system.ask(urlsplit(url).path)

    assert url.startswith("https://edge.example/")
    assert (document.status, document.json()["resource"]) == (200, "https://edge.example")


def test_a_spoofed_scope_never_survives(system: WholeSystem) -> None:
    """Whatever the client says of its own scope, the warehouse reads ours; names we do not set are gone."""
    spoofed = [
        ("X-Scope-Sql", "1=1"),
        ("x-scope-admin", CANARY),
        ("x-scope-region", CANARY),
        ("cookie", CANARY),
    ]
    _, seen = system.reached("/ledger/rows", system.token(), headers=spoofed)

    assert seen.values("x-scope-sql") == [value for value in seen.values("x-scope-sql") if "EU" in value]
    assert not {"x-scope-admin", "x-scope-region", "authorization", "cookie"} & seen.names
    assert CANARY not in str(seen)


@pytest.mark.parametrize("name", ["x-scope-assertion", "X-Scope-Assertion", "X-SCOPE-ASSERTION"])
def test_an_assertion_of_the_clients_own_never_survives(system: WholeSystem, name: str) -> None:
    """A colleague's real one, sent twice: the warehouse is given one, for who asks, which the published keys verify."""
    _, hers = system.reached("/signed/rows", system.token("uma", "analysts-us"))
    (stolen,) = hers.values("x-scope-assertion")
    sent = [(name, stolen), (name, CANARY)]
    _, seen = system.reached("/signed/rows", system.token("ann"), headers=sent)

    (text,) = seen.values("x-scope-assertion")
    keys = system.published_keys()
    assert len(keys) == WORKERS
    for published in keys:
        checks = {"verify_exp": True, "verify_aud": True}
        told = verified(text, published, audience="signed", issuer="https://edge.example", options=checks)
        assert (told["sub"], told["rows"]) == ("ann", [{"region": {"type": "string", "in": ["EU", "UK"]}}])
        assert verified(stolen, published)["rows"] == [{"region": {"type": "string", "in": ["US"]}}]
    _, elsewhere = system.reached("/ledger/rows", system.token("ann"), headers=sent)
    assert elsewhere.values("x-scope-assertion") == []


def test_who_is_denied_is_given_no_assertion(system: WholeSystem) -> None:
    """Neither the client nor the warehouse; one that the client brings along opens nothing; underscores are no way around."""
    _, seen = system.reached("/signed/rows", system.token("ann"))
    (stolen,) = seen.values("x-scope-assertion")
    system.warehouse.reset()
    brought = [("x-scope-assertion", stolen)]
    replies = [
        (403, system.ask("/signed/rows", system.token("sid", "marketing"), headers=brought)),
        (401, system.ask("/signed/rows", None, headers=brought)),
        (401, system.ask("/signed/rows", stolen)),
        (400, system.ask("/signed/rows", system.token("ann"), headers=[("x_scope_assertion", stolen)])),
    ]
    assert [reply.status for _, reply in replies] == [status for status, _ in replies]
    assert "eyJ" not in str(replies)
    assert system.warehouse.take() == []


def test_what_is_answered_shows_no_client_its_assertion(system: WholeSystem) -> None:
    """It goes to the warehouse alone; both workers sign with one key."""
    signed_by = set()
    for number in range(8):
        reply, seen = system.reached("/signed/rows", system.token(f"person-{number}"))
        assert reply.header("x-scope-assertion") is None
        signed_by.add(get_unverified_header(seen.values("x-scope-assertion")[0])["kid"])
    assert signed_by == {key["kid"] for published in system.published_keys() for key in published["keys"]}
    assert len(signed_by) == 1


def test_colleagues_share_an_answer_and_another_scope_never_sees_it(system: WholeSystem) -> None:
    """One query of the warehouse for two colleagues; a third person with another scope asks anew."""
    bodies = [
        system.ask("/api/shared?q=1", system.token(subject, groups)).body
        for subject, groups in [("ann", "analysts-emea"), ("ben", "analysts-emea"), ("uma", "analysts-us")]
    ]

    assert bodies == [b"rows 1", b"rows 1", b"rows 2"]
    assert [seen.target for seen in system.warehouse.take()] == ["/api/shared?q=1"] * 2
    assert system.ask("/api/shared?q=1", system.token("sid", "marketing")).status == 403
    assert system.ask("/api/shared?q=1").status == 401


def test_an_answer_that_everybody_shares_names_nobody(system: WholeSystem) -> None:
    """Neither the person nor the address is told to a warehouse whose answers are shared."""
    _, shared = system.reached("/api/nobody", system.token("ann"))
    _, own = system.reached("/ledger/somebody", system.token("ann"))

    assert not {"x-scope-subject", "x-scope-issuer", "x-forwarded-for"} & shared.names
    assert own.values("x-scope-subject") == ["ann"]


def test_plain_parameters_carry_the_scope(system: WholeSystem) -> None:
    """The warehouse reads its own parameter and the client's, whatever is encoded in it; the cache keeps scopes apart."""
    target = "/plain/rows?q=a%26region%3DUS%20%C3%A9"
    reply, seen = system.reached(target, system.token("ann"))
    _, us = system.reached(target, system.token("uma", "analysts-us"))

    assert parse_qs(urlsplit(seen.target).query)["q"] == ["a&region=US é"]
    assert parse_qs(urlsplit(us.target).query)["region"] == ["US"]
    assert "US" not in str(parse_qs(urlsplit(seen.target).query)["region"])
    assert "__scope" not in seen.target + us.target
    assert system.ask(target, system.token("ben")).body == reply.body
    assert system.warehouse.take() == []


def test_a_machine_is_known_by_its_certificate(system: WholeSystem) -> None:
    """Without a token, by the handshake only; another identity of the same authority has no grant."""
    extract = system.client("extract", EXTRACT_ID)
    _, seen = system.reached("/api/extract", context=extract)
    other = system.ask("/api/extract", context=system.client("other", EXTRACT_ID + "/x"))
    spoofed = system.ask("/api/x", headers=[("x-forwarded-client-cert", f"URI={EXTRACT_ID}")])

    assert "x-forwarded-client-cert" not in seen.names
    assert (other.status, other.json()["reason"]) == (403, "no_grant")
    assert (spoofed.status, spoofed.json()["reason"]) == (401, "credential_missing")


def test_a_certificate_of_another_authority_ends_the_handshake(system: WholeSystem) -> None:
    """Also where certificates are optional."""
    with pytest.raises((OSError, ConnectionError)):
        system.ask("/api/x", context=system.client("stranger", EXTRACT_ID, present_authority("Other CA")))
    assert system.warehouse.take() == []


def test_http2_and_head_and_bodies(system: WholeSystem) -> None:
    """Every form of a request is decided on alike."""
    token = system.token()
    bearer = [("authorization", f"Bearer {token}")]
    assert system.reached("/ledger/x", token, method="POST", body=b"select 1")[1].body == b"select 1"
    assert system.ask("/ledger/x", token, method="HEAD").body == b""
    assert ask_http2(system.envoy.port, system.context, "/ledger/x", headers=bearer).status == 200
    assert ask_http2(system.envoy.port, system.context, "/ledger/x").status == 401
    refused = system.ask("/ledger/x", token, method="DELETE")
    assert (refused.status, refused.json()["reason"]) == (403, "method_denied")


def test_a_principal_has_a_limit_and_another_is_served(system: WholeSystem) -> None:
    """Counted for the person, whatever token they show."""
    statuses = [
        system.ask("/limited/x", system.token("lou", jti=str(number))).status for number in range(LIMIT + 2)
    ]

    assert statuses == [200] * LIMIT + [429] * 2
    assert system.ask("/limited/x", system.token("mia")).status == 200


def test_one_decision_id_in_the_answer_the_log_and_the_trail(system: WholeSystem) -> None:
    """So that a question about an answer finds its decision; no query text anywhere."""
    allowed = system.ask(f"/ledger/traced?q={CANARY}", system.token())
    denied = system.ask(f"/ledger/refused?q={CANARY}", system.token("sid", "marketing"))
    for path, reply in (("/ledger/traced", allowed), ("/ledger/refused", denied)):
        decision = reply.header("x-scope-decision-id")
        assert system.envoy.wait_for_line(path=path)["decision_id"] == decision
        wait_until(lambda wanted=decision: wanted in str(system.audit()), "the decision is in the trail")
    assert CANARY not in system.envoy.log_text() + str(system.audit())


def test_workers_that_hang_cost_an_answer_never_data(system: WholeSystem) -> None:
    """503 while nobody answers, for kept answers, too; service as soon as somebody does."""
    token = system.token()
    assert system.ask("/api/hang", token).status == 200
    system.warehouse.reset()

    with system.stopped(system.workers):
        replies = [system.ask(target, token) for target in ("/api/hang", "/ledger/hang")]
        assert [(reply.status, reply.json()["reason"]) for reply in replies] == [
            (503, "decision_unavailable")
        ] * 2
    with system.stopped(system.workers[:1]):
        wait_until(lambda: system.healthy_workers() == WORKERS - 1, "the one that hangs is noticed")
        assert [system.ask("/ledger/hang", token).status for _ in range(6)] == [200] * 6
    assert len(system.warehouse.take()) == 6


def _known_again(system: WholeSystem, memory: str) -> int:
    """How often the workers have found a question in this memory."""
    found = 0.0
    for address in system.operators_ports():
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        for line in text.splitlines():
            if line.startswith(f'scopegate_memory_lookups_total{{memory="{memory}",outcome="hit"}}'):
                found += float(line.rpartition(" ")[2])
    return int(found)


@pytest.mark.parametrize("repeats", ["repeats", "repeated_denials"])
def test_what_envoy_asks_again_is_known_again(system: WholeSystem, repeats: str) -> None:
    """Over new connections, with ids and traces of their own; each answer and record is right for its own request."""
    allowed = repeats == "repeats"
    token = system.token("rita", "analysts-emea" if allowed else "marketing")
    before = _known_again(system, repeats)
    answers = []
    for number in range(10):
        trace = f"00-{number + 1:032x}-00f067aa0ba902b7-00"
        reply = system.ask("/ledger/again?page=1", token, headers=[("traceparent", trace)])
        answers.append((reply.status, reply.header("x-scope-decision-id")))
    assert _known_again(system, repeats) >= before + 10 - WORKERS
    assert {status for status, _ in answers} == {200 if allowed else 403}
    ids = {decision_id for _, decision_id in answers}
    assert len(ids) == 10
    wait_until(lambda: ids <= {line.get("decision_id") for line in system.audit()}, "every check is recorded")
    records = [line for line in system.audit() if line.get("decision_id") in ids]
    assert len({record["asked"]["request_id"] for record in records}) == 10
    assert {record["asked"]["trace_id"] for record in records} == {f"{n + 1:032x}" for n in range(10)}
    assert {record["actor"]["subject"] for record in records} == {"rita"}
    assert {record["outcome"] for record in records} == {"allow" if allowed else "deny"}


def test_workers_that_are_gone_cost_an_answer_never_data(running: WholeSystem) -> None:
    """The last test of the module, because it ends the workers: the kept answer stays closed, too."""
    token = running.token()
    assert running.ask("/api/gone", token).status == 200
    running.warehouse.reset()
    for worker in running.workers:
        worker.__exit__()

    replies = [running.ask(target, token) for target in ("/api/gone", "/ledger/gone", "/unknown")]
    assert [(reply.status, reply.json()["reason"]) for reply in replies] == [
        (503, "decision_unavailable")
    ] * 3
    assert running.ask("/healthz").status == 200
    assert running.warehouse.take() == []
