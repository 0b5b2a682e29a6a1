"""The issuer changes its keys under load, through the real Envoy and two workers: no valid request is refused."""

import contextlib
import threading
import time
from collections.abc import Iterator
from statistics import quantiles
from typing import Self

import pytest

from tests.integration.issuing_system import IssuingSystem, issuing_system, reason_of, send
from tests.tokens import SigningKey, claims, ec_key, ed25519_key, mint, rsa_key

CLIENTS = 3
ENOUGH = 60
"""Good answers after a change before the next one."""


@pytest.fixture(scope="module")
def system() -> Iterator[IssuingSystem]:
    with issuing_system() as made:
        yield made


class Load:
    """Clients that ask as fast as they are answered, each time with a new token of the issuer."""

    def __init__(self, system: IssuingSystem) -> None:
        self.good = 0
        self.refused: list[tuple[int, bytes]] = []
        self.seconds: list[float] = []
        self._system = system
        self._news = threading.Condition()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(20)

    def go_on(self, answers: int = ENOUGH) -> None:
        """Until so many more were good, or one was not."""
        with self._news:
            wanted = self.good + answers
            assert self._news.wait_for(lambda: self.refused or self.good >= wanted, 60)

    def _ask(self) -> None:
        issuer = self._system.issuer
        with contextlib.closing(self._system.connection()) as connection:
            while not self._over.is_set():
                token = issuer.begin_use()
                began = time.monotonic()
                try:
                    answer = send(connection, token)
                finally:
                    issuer.end_use()
                with self._news:
                    self.seconds.append(time.monotonic() - began)
                    if answer[0] == 200:
                        self.good += 1
                    else:
                        self.refused.append(answer)
                    self._news.notify_all()


def _named(key: SigningKey, kid: str) -> SigningKey:
    return SigningKey(kid, key.algorithm, key.private)


def test_no_valid_request_is_refused_while_keys_rotate(system: IssuingSystem) -> None:
    """A new key without any overlap, another key and another kind of key under the same `kid`, and an overlap."""
    issuer = system.issuer
    second = ec_key("second")
    with Load(system) as load:
        load.go_on()
        issuer.rotate(second)
        load.go_on()
        issuer.rotate(_named(ec_key("other"), "second"))
        load.go_on()
        issuer.rotate(_named(rsa_key("kind"), "second"))
        load.go_on()
        overlapping = ed25519_key("third")
        issuer.published = (issuer.key.jwk(), overlapping.jwk())
        issuer.rotate(overlapping, *issuer.published)
        load.go_on()
    assert load.refused == []
    assert load.good >= 5 * ENOUGH
    # Each worker asked once at the start and, of its own accord, at most once for each change.
    assert 2 <= issuer.asked["/keys"] <= 2 * 6


def test_a_token_of_a_withdrawn_key_is_refused(system: IssuingSystem) -> None:
    """The neighbour of the test above: what the issuer does not publish any more counts for nothing."""
    issuer = system.issuer
    old = issuer.token()
    assert system.ask(old).status == 200
    issuer.rotate(ec_key("fourth"))
    assert all(system.ask(issuer.token()).status == 200 for _ in range(4))
    reply = system.ask(old)
    assert (reply.status, reason_of(reply)) == (401, "token_key_unknown")


def test_an_outage_of_the_issuer_refuses_nobody_whose_key_is_known(system: IssuingSystem) -> None:
    """The last good keys stay; a key that nobody has seen is refused within the bound, and found afterwards."""
    issuer = system.issuer
    issuer.outage = True
    try:
        assert [system.ask(issuer.token()).status for _ in range(4)] == [200] * 4
        issuer.rotate(ec_key("fifth"))
        began = time.monotonic()
        assert system.ask(issuer.token()).status == 401
        assert time.monotonic() - began < 1.0
    finally:
        issuer.outage = False
    assert "scopegate_key_source_confirmed_timestamp_seconds" in system.text("/metrics")
    issuer.rotate(ec_key("sixth"))
    assert [system.ask(issuer.token()).status for _ in range(4)] == [200] * 4


def test_a_flood_of_made_up_keys_neither_hammers_the_issuer_nor_slows_good_requests(
    system: IssuingSystem,
) -> None:
    """Two clients with a new `kid` in each token beside good ones: the issuer is asked a few times, not thousands."""
    issuer = system.issuer
    forger = ec_key("forger")
    over = threading.Event()
    forged: list[int] = []

    def flood(number: int) -> None:
        with contextlib.closing(system.connection()) as connection:
            while not over.is_set():
                made = f"made-up-{number}-{len(forged)}"
                now = int(time.time())
                made_claims = claims(iss=issuer.url, sub="eve", iat=now, nbf=now - 5, exp=now + 600)
                forged.append(send(connection, mint(made_claims, _named(forger, made)))[0])

    with Load(system) as load:
        load.go_on(4 * ENOUGH)
        quiet, load.seconds = load.seconds, []
        asked, began = issuer.asked["/keys"], time.monotonic()
        threads = [threading.Thread(target=flood, args=(number,), daemon=True) for number in range(2)]
        for thread in threads:
            thread.start()
        load.go_on(4 * ENOUGH)
        noisy, seconds = load.seconds, time.monotonic() - began
        looks = issuer.asked["/keys"] - asked
        over.set()
        for thread in threads:
            thread.join(20)
    assert load.refused == []
    assert set(forged) == {401}
    # Two workers, each with its burst of ten and one more in two seconds.
    assert looks <= 2 * (10 + seconds / 2 + 1)
    print(
        f"good alone p50/p99 {_ms(quiet)}, beside {len(forged)} forged in {seconds:.1f} s {_ms(noisy)}, looks {looks}"
    )
    assert quantiles(noisy, n=100)[49] < 0.3


def _ms(seconds: list[float]) -> str:
    cut = quantiles(seconds, n=100)
    return f"{cut[49] * 1000:.1f}/{cut[98] * 1000:.1f} ms"
