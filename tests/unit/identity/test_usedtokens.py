"""The memory of tokens that may be used once."""

import pytest

from authz.errors import Denied, Reason
from authz.identity.usedtokens import UsedTokens


def refusal(used: UsedTokens, token_id: str, *, until: float, now: float, issuer: str = "portal") -> Reason:
    with pytest.raises(Denied) as caught:
        used.use(issuer, token_id, until=until, now=now)
    assert token_id not in caught.value.detail
    return caught.value.reason


def test_the_second_time_is_refused_until_the_token_ends() -> None:
    """The token itself is refused from then on."""
    used = UsedTokens()
    used.use("portal", "a-token-id", until=100.0, now=0.0)
    for now in (0.0, 50.0, 99.9):
        assert refusal(used, "a-token-id", until=100.0, now=now) is Reason.TOKEN_REPLAYED
    used.use("portal", "a-token-id", until=200.0, now=100.0)


def test_each_issuer_has_its_own_ids() -> None:
    """Two portals may number their tokens alike; and none can fill the memory of another."""
    used = UsedTokens(capacity=1)
    used.use("portal", "1", until=100.0, now=0.0)
    used.use("other", "1", until=100.0, now=0.0)
    assert refusal(used, "22222", until=100.0, now=0.0) is Reason.REPLAY_MEMORY_FULL


def test_a_full_memory_refuses_rather_than_forgets() -> None:
    """To drop the oldest would open that token again; what has ended makes room."""
    used = UsedTokens(capacity=3)
    for number in range(3):
        used.use("portal", f"token-{number}", until=100.0 + number, now=0.0)
    assert refusal(used, "token-3", until=110.0, now=99.0) is Reason.REPLAY_MEMORY_FULL
    assert refusal(used, "token-0", until=110.0, now=99.0) is Reason.TOKEN_REPLAYED
    used.use("portal", "token-3", until=110.0, now=100.0)
    assert refusal(used, "token-4", until=110.0, now=100.0) is Reason.REPLAY_MEMORY_FULL


def test_a_clock_that_was_ahead_opens_no_token_again() -> None:
    """What was forgotten meanwhile may be good again, so whatever ends no later is refused; later tokens are taken."""
    used = UsedTokens()
    used.use("portal", "a-token-id", until=100.0, now=0.0)
    used.use("portal", "ahead", until=7_300.0, now=7_200.0)
    assert refusal(used, "a-token-id", until=100.0, now=1.0) is Reason.TOKEN_REPLAYED
    assert refusal(used, "other-id", until=99.0, now=1.0) is Reason.TOKEN_REPLAYED
    used.use("portal", "other-id", until=100.1, now=1.0)
    used.use("other", "other-id", until=99.0, now=1.0)
