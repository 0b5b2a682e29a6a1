"""Opaque tokens through the real Envoy and two workers, with a real introspection endpoint."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.envoy_process import wait_until
from tests.integration.issuing_system import INTROSPECTION, IssuingSystem, issuing_system, reason_of
from tests.tokens import ec_key

ENDPOINT = "/introspect"


@pytest.fixture(scope="module")
def whole() -> Iterator[IssuingSystem]:
    with issuing_system(f"introspection: {INTROSPECTION}") as made:
        yield made


@pytest.fixture
def system(whole: IssuingSystem) -> IssuingSystem:
    whole.issuer.asked.clear()
    whole.issuer.proofs.clear()
    return whole


def test_a_token_that_is_not_active_is_refused(system: IssuingSystem) -> None:
    """Unknown, expired or revoked: the issuer does not say which, and neither do we."""
    reply = system.ask("opq_made_up")
    assert (reply.status, reason_of(reply)) == (401, "token_inactive")
    assert 'error="invalid_token"' in (reply.header("www-authenticate") or "")


def test_an_active_token_is_asked_about_once_by_each_worker(system: IssuingSystem) -> None:
    """And then remembered."""
    token = system.issuer.opaque_token()
    assert [system.ask(token).status for _ in range(8)] == [200] * 8
    assert 1 <= system.issuer.asked[ENDPOINT] <= 2
    assert set(system.issuer.proofs) == {"Basic"}


def test_a_revoked_token_is_refused_when_the_answer_has_ended(system: IssuingSystem) -> None:
    """Within `cache`, which is two seconds here."""
    token = system.issuer.opaque_token()
    assert [system.ask(token).status for _ in range(4)] == [200] * 4
    del system.issuer.opaque[token]
    time.sleep(2.1)
    assert {reason_of(system.ask(token)) for _ in range(4)} == {"token_inactive"}


def test_many_that_want_to_know_ask_once() -> None:
    """Single flight: the others wait for the same answer."""
    patient = INTROSPECTION.replace("cache: 2s", "cache: 1m, timeout: 1900ms")
    with issuing_system(f"introspection: {patient}") as system:
        token = system.issuer.opaque_token()
        system.issuer.delay_seconds = 0.2
        with ThreadPoolExecutor(8) as pool:
            assert [reply.status for reply in pool.map(system.ask, [token] * 16)] == [200] * 16
        assert system.issuer.asked[ENDPOINT] <= 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://evil.example"}, "token_claims_invalid"),
        ({"iss": None}, "token_claims_invalid"),
        ({"aud": "api://other"}, "token_audience_wrong"),
        ({"aud": None}, "token_audience_wrong"),
        ({"exp": None}, "token_claims_invalid"),
        ({"exp": 1_000_000_000}, "token_expired"),
        ({"sub": None}, "token_claims_invalid"),
        ({"groups": "analysts-emea"}, "token_claims_invalid"),
        ({"groups": ["nobody"]}, "no_grant"),
        ({"cnf": {"x5t#S256": "A" * 43}}, "token_binding_failed"),
        ({"cnf": {"jkt": "A" * 43}}, "token_binding_failed"),
        ({"token_type": "DPoP"}, "token_type_refused"),
        ({"token_use": "refresh_token"}, "token_type_refused"),
    ],
)
def test_an_answer_is_held_against_the_issuer_as_a_jwt_is(
    system: IssuingSystem, changes: dict[str, object], reason: str
) -> None:
    """Active is not enough: for us, from this issuer, in time, an access token."""
    reply = system.ask(system.issuer.opaque_token(**changes))
    assert (reply.status in {401, 403}, reason_of(reply)) == (True, reason)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"active": "true", "sub": "ann"}',
        b'{"active": 1}',
        b'{"active": null}',
        b'{"active": false, "active": true}',
        b'{"active": true, "pad": "' + b"x" * 200_000 + b'"}',
    ],
)
def test_any_other_answer_is_none(system: IssuingSystem, answer: bytes) -> None:
    """503: the token may be good, nobody knows."""
    system.issuer.answer = answer
    try:
        reply = system.ask(system.issuer.opaque_token())
    finally:
        system.issuer.answer = None
    assert (reply.status, reason_of(reply)) == (503, "introspection_unavailable")


def test_an_endpoint_that_is_down_or_slow_is_a_503_in_time(system: IssuingSystem) -> None:
    """Neither an allow nor a hanging request, and nothing is remembered of it."""
    issuer, token = system.issuer, system.issuer.opaque_token()
    issuer.outage = True
    assert reason_of(system.ask(token)) == "introspection_unavailable"
    issuer.outage, issuer.delay_seconds = False, 0.6
    try:
        began = time.monotonic()
        reply = system.ask(token)
        assert (reply.status, reason_of(reply)) == (503, "introspection_unavailable")
        assert time.monotonic() - began < 0.5
    finally:
        issuer.delay_seconds = 0.0
    assert system.ask(token).status == 200


def test_jwts_go_their_own_way(system: IssuingSystem) -> None:
    """They are verified and never introspected, also those that do not verify."""
    issuer = system.issuer
    good = issuer.token()
    head, payload, _ = good.split(".")
    for active in (f"{head}.{payload}.AAAA", "a.b.c", "a.b.c.d.e"):
        issuer.opaque[active] = issuer.opaque[issuer.opaque_token()]
        assert system.ask(active).status == 401
    assert system.ask(good).status == 200
    assert issuer.asked[ENDPOINT] == 0


def test_the_token_is_written_nowhere(system: IssuingSystem) -> None:
    """No log, audit record or metric has it, or the client's secret, whatever goes wrong."""
    issuer = system.issuer
    canary = "opq_canary-" + "c" * 24
    assert system.ask(canary).status == 401
    issuer.outage = True
    assert system.ask(canary + "2").status == 503
    issuer.outage = False
    good = issuer.opaque_token(jti="opq-id")
    assert system.ask(good).status == 200
    wait_until(lambda: '"opq-id"' in system.everything_written(), "the audit record of the allow", 10)
    written = system.everything_written()
    assert "introspection_failed" in written
    assert "introspection_unavailable" in written
    for secret in ("canary", good, "s3cret"):
        assert secret not in written


def test_a_flood_of_made_up_tokens_does_not_drive_out_good_ones(system: IssuingSystem) -> None:
    """Negative answers are remembered apart, and those asked about at once are bounded."""
    token = system.issuer.opaque_token()
    assert [system.ask(token).status for _ in range(4)] == [200] * 4
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(system.ask, [f"opq_flood_{number}" for number in range(200)]))
    assert {reply.status for reply in replies} <= {401, 503}
    assert system.ask(token).status == 200


def test_keys_rotate_beside_it(system: IssuingSystem) -> None:
    """New keys do not forget what is known about opaque tokens."""
    token = system.issuer.opaque_token()
    assert [system.ask(token).status for _ in range(4)] == [200] * 4
    asked = system.issuer.asked[ENDPOINT]
    system.issuer.rotate(ec_key("next"))
    assert [system.ask(system.issuer.token()).status for _ in range(4)] == [200] * 4
    assert system.ask(token).status == 200
    assert system.issuer.asked[ENDPOINT] == asked
